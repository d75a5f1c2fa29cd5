"""Settings files in TOML, such as each run writes to its logs."""

import json
import tomllib
from pathlib import Path
from typing import Any

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import AnySettings, Settings, make_settings
from bids_deeptaskgen.settings.option import OptionSpec, option_specs
from bids_deeptaskgen.settings.paths import UnsuitablePathError, parse_path


def to_toml(settings: Settings) -> str:
    """Format settings as a TOML document that explains each of them.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    str
        `from_toml` returns the same settings; a value that is not set is a comment.
    """
    lines = []
    for spec in option_specs(settings):
        default = f"; default: {spec.default_text}" if spec.default_text else ""
        unit = f" ({spec.option.unit})" if spec.option.unit else ""
        lines.append(f"# {spec.option.help}{unit}{default}")
        value = getattr(settings, spec.name)
        lines += [
            f"# {spec.name} is not set" if value is None else f"{spec.name} = {_toml(spec, value)}",
            "",
        ]
    return "\n".join(lines)


def _toml(spec: OptionSpec, value: object) -> str:
    if spec.is_tuple and isinstance(value, tuple):
        return "[" + ", ".join(_toml_text(spec.format(item)) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    is_number = isinstance(value, (int, float)) and spec.option.format is None
    return repr(value) if is_number else _toml_text(spec.format(value))


def _toml_text(text: str) -> str:
    # JSON's escapes are legal TOML; TOML also requires one for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def from_toml(settings_class: type[AnySettings], text: str) -> AnySettings:
    """Build settings from a TOML document, as `to_toml` or a user writes it.

    Parameters
    ----------
    settings_class : type
        Subclass of `Settings`.
    text : str
        TOML document with field names as keys; `_` and `-` are equivalent.

    Returns
    -------
    settings_class

    Raises
    ------
    UserError
        If the text is not TOML, has an unknown key, lacks a required one, or has a value that is not legal.
    """
    return make_settings(settings_class, values_of(settings_class, text))


def values_of(settings_class: type[Settings], text: str) -> dict[str, Any]:
    """Parse a TOML document of settings, without checking the values.

    Parameters
    ----------
    settings_class : type
        Subclass of `Settings`.
    text : str
        TOML document; see `from_toml`.

    Returns
    -------
    dict
        Field names to unchecked values.

    Raises
    ------
    UserError
        If the text is not TOML, has an unknown key, or sets a field twice.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as reason:
        # tomllib says "Cannot overwrite a value" for a key that occurs twice.
        advice = " A setting is set twice; remove one of the two lines." if "overwrite" in str(reason) else ""
        message = f"The settings are not legal TOML: {reason}.{advice}"
        raise UserError(message) from reason
    specs = option_specs(settings_class)
    names = {key: spec.name for spec in specs for key in (spec.name, *spec.option.former_names)}
    values: dict[str, Any] = {}
    unknown_keys: list[str] = []
    for key, value in content.items():
        name = names.get(key.replace("-", "_"))
        if name is None:
            unknown_keys.append(key)
        elif name in values:
            message = f"{key}: the setting {name} is set twice. Remove one of the two lines."
            raise UserError(message)
        else:
            values[name] = value
    if unknown_keys:
        all_names = ", ".join(spec.name for spec in specs)
        message = f"{', '.join(sorted(unknown_keys))}: no such setting. The settings are {all_names}."
        raise UserError(message)
    return values


def read_config_file(settings_class: type[Settings], path: str | Path) -> dict[str, Any]:
    """Read the settings file of ``--config-file``.

    Parameters
    ----------
    settings_class : type
        Subclass of `Settings`.
    path : str or Path
        File as `to_toml` writes it, or with some of its lines only.

    Returns
    -------
    dict
        Field names to unchecked values, as of `values_of`.

    Raises
    ------
    UserError
        If the file cannot be read or has an unknown key.
    """
    try:
        return values_of(settings_class, parse_path(path).read_text("utf-8-sig"))
    except UnsuitablePathError as reason:
        message = f"--config-file: {path} {reason}"
        raise UserError(message) from reason
    except UserError as reason:
        message = f"--config-file {path}: {reason}"
        raise UserError(message) from reason
    except (OSError, ValueError) as reason:
        message = f"--config-file {path}: cannot be read ({reason})."
        raise UserError(message) from reason
