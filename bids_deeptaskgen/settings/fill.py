"""Dataclasses of other packages, filled from the options that have the names of their fields.

Such a dataclass has no default of its own if an option has one: it reads that default with `default_of`.
A number whose option is ``auto`` is None there.
"""

from dataclasses import fields
from types import NoneType
from typing import Any, TypeVar, get_args

from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import OptionSpec, option_specs
from bids_deeptaskgen.settings.value_types import AutoFloat, AutoInt

Target = TypeVar("Target")


# Any, because the result is assigned to a field of another type.
def default_of(settings_class: type[Settings], name: str) -> Any:  # noqa: ANN401
    """Return the default of an option, for a dataclass that is filled from these settings.

    Parameters
    ----------
    settings_class : type
        Subclass of `Settings`.
    name : str
        Name of the option.

    Returns
    -------
    object
        None for a number that is ``auto``.

    Raises
    ------
    ValueError
        If the settings have no such option, or it has no default.
    """
    for spec in option_specs(settings_class):
        if spec.name == name and not spec.is_required:
            return _none_for_auto(spec, spec.default)
    message = f"{settings_class.__name__} has no option {name} with a default."
    raise ValueError(message)


def fill(target: type[Target], settings: Settings, **overrides: Any) -> Target:
    """Build a dataclass from the options that have the names of its fields.

    Parameters
    ----------
    target : type
        A dataclass, which may be the settings of another command.
    settings : Settings
    overrides : object
        Values of fields without an option, or that replace the option's value.

    Returns
    -------
    target
        None where an option is ``auto`` and the field of this name may be None.
    """
    types = {item.name: item.type for item in fields(target)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for spec in option_specs(settings):
        if spec.name in types:
            value = getattr(settings, spec.name)
            may_be_none = NoneType in get_args(types[spec.name])
            values[spec.name] = _none_for_auto(spec, value) if may_be_none else value
    return target(**(values | overrides))


def _none_for_auto(spec: OptionSpec, value: Any) -> Any:  # noqa: ANN401
    return None if value == "auto" and spec.kind in (AutoInt, AutoFloat) else value
