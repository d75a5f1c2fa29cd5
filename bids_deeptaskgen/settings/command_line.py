"""Format of settings as a command line."""

import shlex

from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.group import GroupSettings
from bids_deeptaskgen.settings.option import OptionSpec, option_specs
from bids_deeptaskgen.settings.prediction import PredictSettings


def to_argv(settings: Settings, *level: str) -> list[str]:
    """Format settings as the shortest equivalent command line.

    Parameters
    ----------
    settings : Settings
    level : str
        Words after the positional arguments.

    Returns
    -------
    list of str
    """
    values = [(spec, getattr(settings, spec.name)) for spec in option_specs(settings)]
    positional_words = [
        spec.format(value) for spec, value in values if spec.option.positional and value is not None
    ]
    option_words = [
        word
        for spec, value in values
        if not spec.option.positional and value != spec.default
        for word in _words(spec, value)
    ]
    return [*positional_words, *level, *option_words]


def _words(spec: OptionSpec, value: object) -> list[str]:
    if spec.option.count:
        return [spec.flag] * int(str(value))
    if isinstance(value, bool):
        return [spec.flag if value else "--no-" + spec.flag.removeprefix("--")]
    items = value if spec.is_tuple and isinstance(value, tuple) else (value,)
    # One word per value, so that argparse cannot mistake a value for an option or a positional argument.
    return [f"{spec.flag}={spec.format(item)}" for item in items]


def describe_command(settings: Settings) -> str:
    """Return the command line that is equivalent to settings of the BIDS App or of one image.

    Parameters
    ----------
    settings : Settings
        Of the participant or group level, or of ``deeptaskgen predict``.

    Returns
    -------
    str
        With quotes where a shell needs them.
    """
    if isinstance(settings, PredictSettings):
        return shlex.join(["deeptaskgen", "predict", *to_argv(settings)])
    level = "group" if isinstance(settings, GroupSettings) else "participant"
    return shlex.join(["bids-deeptaskgen", *to_argv(settings, level)])
