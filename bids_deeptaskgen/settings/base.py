"""Base class of all settings, and the hash of the settings that affect the maps."""

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
    """Settings that all commands share.

    Values may be text, as on the command line; the fields then hold the converted values.

    Raises
    ------
    UserError
        If a value is not legal; the message names the option, the value and the legal values.
    """

    verbose: int = option(
        0,
        count=True,
        flags=("-v",),
        group="conventions",
        check=at_least(0),
        help="print more messages; -vv also prints those of the libraries",
    )

    def __post_init__(self) -> None:
        for spec in option_specs(self):
            object.__setattr__(self, spec.name, spec.convert(getattr(self, spec.name)))
        self._check_together()

    def _check_together(self) -> None:
        """Check combinations of values."""

    def science_values(self) -> dict[str, Any]:
        """Return the values that affect the maps, by field name."""
        return {
            spec.name: getattr(self, spec.name) for spec in option_specs(self) if spec.option.affects_output
        }


AnySettings = TypeVar("AnySettings", bound=Settings)


def make_settings(settings_class: type[AnySettings], values: Mapping[str, Any]) -> AnySettings:
    """Build settings from the values that the user set, on the command line or in a settings file.

    Parameters
    ----------
    settings_class : type
        Subclass of `Settings`.
    values : dict
        Field names to values.

    Returns
    -------
    settings_class

    Raises
    ------
    UserError
        If a required setting has no value, or a value is not legal.
    """
    unset_flags = [
        spec.flag for spec in option_specs(settings_class) if spec.is_required and spec.name not in values
    ]
    if unset_flags:
        message = f"{', '.join(unset_flags)}: required; set it on the command line or in a settings file."
        raise UserError(message)
    return settings_class(**values)


def science_settings(settings: Settings) -> dict[str, Any]:
    """List the settings that affect the values of the maps.

    Processes, devices and folders are omitted, and so is the model's name: its weights have a hash of their
    own. Labels select data, so neither their order nor their spelling counts.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    dict
        Field name to a value that JSON can hold.
    """
    return {name: _as_json(value) for name, value in settings.science_values().items()}


def _as_json(value: object) -> object:
    """Convert a value to JSON, such that equal settings are equal on all machines."""
    if isinstance(value, FilterFile):
        return value.as_json()
    if isinstance(value, tuple):
        return sorted({plain_label(label) for label in value})
    # Folders differ in a container; the content of their files enters the fingerprint of the input.
    return value.name if isinstance(value, Path) else value


def settings_hash(settings: Settings, model_sha256: str) -> str:
    """Hash the settings and the model; equal hashes mean equal maps from the same images.

    Parameters
    ----------
    settings : Settings
    model_sha256 : str
        Hash of the weights and masks of the model; see `Bundle.science_sha256`.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    content = {"settings": science_settings(settings), "model_sha256": model_sha256}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
