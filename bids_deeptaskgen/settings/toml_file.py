"""Settings as a TOML document: what each run leaves in its logs."""

import json
import tomllib
from pathlib import Path
from typing import Any

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import AnySettings, Settings, make_settings
from bids_deeptaskgen.settings.option import OptionSpec, option_specs


def to_toml(settings: Settings) -> str:
    """Write settings as a TOML document that explains each of them.

    Returns
    -------
    str
        `from_toml` makes the same settings of it; a value that is not set is a comment.
    """
    lines = []
    for one in option_specs(settings):
        default = f"; default: {one.default_text}" if one.default_text else ""
        lines.append(f"# {one.option.help}{f' ({one.option.unit})' if one.option.unit else ''}{default}")
        value = getattr(settings, one.name)
        lines += [f"# {one.name} is not set" if value is None else f"{one.name} = {_toml(one, value)}", ""]
    return "\n".join(lines)


def _toml(one: OptionSpec, value: object) -> str:
    if one.many and isinstance(value, tuple):
        return "[" + ", ".join(_toml_text(one.show(item)) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    plain = isinstance(value, (int, float)) and one.option.show is None
    return repr(value) if plain else _toml_text(one.show(value))


def _toml_text(text: str) -> str:
    # JSON's escapes are legal TOML; only DEL must be escaped there and is not in JSON.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def from_toml(settings_class: type[AnySettings], text: str) -> AnySettings:
    """Read what `to_toml` wrote, or a person did.

    Parameters
    ----------
    settings_class : type
        A class of this module.
    text : str
        TOML document with field names as keys; `_` and `-` are the same.

    Raises
    ------
    UserError
        If it is no TOML, has a key that is no setting, lacks one that must be given, or has a value that is
        not legal.
    """
    return make_settings(settings_class, values_of(settings_class, text))


def values_of(settings_class: type[Settings], text: str) -> dict[str, Any]:
    """Read what a TOML document says of some settings; see `from_toml`.

    Returns
    -------
    dict
        Field names to values that have not been looked at.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as reason:
        message = f"The settings are not legal TOML: {reason}."
        raise UserError(message) from reason
    options = option_specs(settings_class)
    names = {key: one.name for one in options for key in (one.name, *one.option.former)}
    given: dict[str, Any] = {}
    unknown: list[str] = []
    for key, value in content.items():
        name = names.get(key.replace("-", "_"))
        if name is None:
            unknown.append(key)
        elif name in given:
            message = f"{key}: the setting {name} is given twice. Keep one of both lines."
            raise UserError(message)
        else:
            given[name] = value
    if unknown:
        present = ", ".join(one.name for one in options)
        message = f"{', '.join(sorted(unknown))}: no such setting; there are {present}."
        raise UserError(message)
    return given


def read_config_file(settings_class: type[Settings], path: Path) -> dict[str, Any]:
    """Read a settings file that the command line named.

    Parameters
    ----------
    settings_class : type
    path : Path
        As `to_toml` writes it, or with some of its lines only.

    Returns
    -------
    dict
        As `values_of`.

    Raises
    ------
    UserError
        If it cannot be read or has a key that is no setting.
    """
    try:
        return values_of(settings_class, path.expanduser().read_text("utf-8-sig"))
    except UserError as reason:
        message = f"--config-file {path}: {reason}"
        raise UserError(message) from reason
    except (OSError, RuntimeError, UnicodeDecodeError) as reason:
        message = f"--config-file {path}: can't be read ({reason})."
        raise UserError(message) from reason
