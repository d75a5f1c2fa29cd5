"""Convert parameter names in messages to the flags of the command line."""

import re
from functools import cache
from importlib import import_module

from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import option_specs

_MODULES = (
    "biomarkers",
    "evaluation",
    "export",
    "group",
    "known_faults",
    "models",
    "participant",
    "prediction",
    "simulation",
    "store",
    "training",
)
_NAME = re.compile(r"`([a-z][a-z0-9_]*)`")


def with_flags(message: str) -> str:
    """Return a message in which option names in backticks are written as on the command line.

    Functions below the commands name parameters, as their callers in Python know them. Users of the command
    line know the flags.

    Parameters
    ----------
    message : str
        Other words in backticks stay as they are.

    Returns
    -------
    str

    Examples
    --------
    >>> with_flags("Lower `min_minutes`, or exclude `sub-01`.")
    'Lower --min-minutes, or exclude `sub-01`.'
    """
    flags = _flags()
    return _NAME.sub(lambda match: flags.get(match[1], match[0]), message)


@cache
def _flags() -> dict[str, str]:
    modules = [import_module(f"bids_deeptaskgen.settings.{name}") for name in _MODULES]
    classes = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Settings)
    }
    options = [option for settings_class in classes for option in option_specs(settings_class)]
    return {option.name: option.flag for option in options if not option.option.positional}
