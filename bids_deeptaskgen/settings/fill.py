"""Dataclasses of other layers, filled from the options whose names their fields bear.

Such a dataclass states no default of its own where an option has one: it reads that default with
`default_of`. A number that may also be ``auto`` is None there.
"""

from dataclasses import fields
from types import NoneType
from typing import Any, TypeVar, get_args

from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import OptionSpec, option_specs
from bids_deeptaskgen.settings.value_types import AutoFloat, AutoInt

Target = TypeVar("Target")


# Any, because the result stands where the field's own type is wanted.
def default_of(settings_class: type[Settings], name: str) -> Any:  # noqa: ANN401
    """Read the default of an option, for a dataclass that is filled from these settings.

    Parameters
    ----------
    settings_class : type
    name : str
        Of the option.

    Returns
    -------
    object
        None for a number that is ``auto``.

    Raises
    ------
    ValueError
        If the settings have no such option, or it has no default.
    """
    for one in option_specs(settings_class):
        if one.name == name and not one.required:
            return _none_for_auto(one, one.default)
    message = f"{settings_class.__name__} has no option {name} with a default."
    raise ValueError(message)


def fill(target: type[Target], settings: Settings, **others: Any) -> Target:
    """Make a dataclass of the options that bear the names of its fields.

    Parameters
    ----------
    target : type
        A dataclass, which may be the settings of another command.
    settings : Settings
    others : object
        Values of fields that no option is for, or that differ from the option's.

    Returns
    -------
    target
        None where an option is ``auto`` and the field of this name may be None.
    """
    types = {one.name: one.type for one in fields(target)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for one in option_specs(settings):
        if one.name in types:
            value = getattr(settings, one.name)
            values[one.name] = _none_for_auto(one, value) if NoneType in get_args(types[one.name]) else value
    return target(**(values | others))


def _none_for_auto(one: OptionSpec, value: Any) -> Any:  # noqa: ANN401
    return None if value == "auto" and one.kind in (AutoInt, AutoFloat) else value
