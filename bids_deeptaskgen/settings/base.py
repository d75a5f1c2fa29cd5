"""What the settings of all commands have in common, and what of them decides what comes out."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.bids_filter_file import FilterFile
from bids_deeptaskgen.settings.option import option, option_specs
from bids_deeptaskgen.settings.value_types import at_least, plain_label


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all commands have.

    Values may be given as text, as on the command line; the fields then hold what the text says.

    Raises
    ------
    UserError
        If a value is not legal: what was given, and what is allowed.
    """

    verbose: int = option(
        0,
        count=True,
        flags=("-v",),
        group="conventions",
        check=at_least(0),
        help="say more; -vv lets the libraries speak too",
    )

    def __post_init__(self) -> None:
        for one in option_specs(self):
            object.__setattr__(self, one.name, one.settle(getattr(self, one.name)))
        self._check_together()

    def _check_together(self) -> None:
        """Refuse values that are legal one by one and not together."""


AnySettings = TypeVar("AnySettings", bound=Settings)


def make_settings(settings_class: type[AnySettings], given: Mapping[str, Any]) -> AnySettings:
    """Make settings of the values that a user gave, on the command line or in a settings file.

    Parameters
    ----------
    settings_class : type
    given : dict
        Field names to values.

    Returns
    -------
    settings_class

    Raises
    ------
    UserError
        If a setting without a default was not given, or a value is not legal.
    """
    missing = [one.flag for one in option_specs(settings_class) if one.required and one.name not in given]
    if missing:
        message = f"{', '.join(missing)}: must be given, on the command line or in a settings file."
        raise UserError(message)
    return settings_class(**given)


def science_settings(settings: Settings) -> dict[str, Any]:
    """List the settings that decide what is in the maps.

    Processes, devices and folders are left out, and so is the model's name: its weights decide. Labels are
    a choice among what is there, so neither their order nor their spelling counts.

    Returns
    -------
    dict
        Field name to a value that JSON can hold.
    """
    values = {one.name: getattr(settings, one.name) for one in option_specs(settings) if one.option.science}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: object) -> object:
    """Turn a value into one that JSON can hold and that is the same wherever it is run."""
    if isinstance(value, FilterFile):
        return value.as_json()
    if isinstance(value, tuple):
        return sorted({plain_label(label) for label in value})
    # Folders lie elsewhere in a container; what is in their files belongs to the input's fingerprint.
    return value.name if isinstance(value, Path) else value


def settings_hash(settings: Settings, model_sha256: str) -> str:
    """Tell whether two runs would make the same maps of the same images.

    Parameters
    ----------
    settings : Settings
    model_sha256 : str
        Hash of what the model computes; see `Bundle.science_sha256`.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    content = {"settings": science_settings(settings), "model_sha256": model_sha256}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
