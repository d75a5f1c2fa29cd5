"""What the values of options can be: how each kind is read from text, and what may be demanded of it."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, SupportsFloat, SupportsIndex

AutoInt = int | Literal["auto"]
AutoFloat = float | Literal["auto"]
NamedPath = tuple[str, Path]


class Check(NamedTuple):
    """What a value must fulfil, in words that end the sentence *it must be ...*, and as a test."""

    words: str
    holds: Callable[[Any], bool]


class Kind(NamedTuple):
    """A type of value: its words, and its reader, which raises TypeError or ValueError where it refuses."""

    words: str
    read: Callable[[Any], Any]


def at_least(low: float, unit: str = "") -> Check:
    """Demand a value of at least `low`; the unit is for the sentence alone."""
    return Check(f"{low} {unit} or more".replace("  ", " "), lambda value: bool(value >= low))


def above(low: float) -> Check:
    """Demand a value greater than `low`."""
    return Check(f"more than {low}", lambda value: bool(value > low))


def between(low: float, high: float) -> Check:
    """Demand a value from `low` to `high`, both legal."""
    return Check(f"from {low} to {high}", lambda value: bool(low <= value <= high))


def auto_or(check: Check) -> Check:
    """Let ``auto`` pass, and demand `check` of all else."""
    return Check(check.words, lambda value: value == "auto" or check.holds(value))


def read_label(entity: str) -> Callable[[Any], str]:
    """Make a reader of BIDS labels that takes them with the entity's prefix or without.

    Parameters
    ----------
    entity : str
        Key of the entity, e.g. ``sub``.
    """

    def read(value: object) -> str:
        return _matching(_text(value).removeprefix(f"{entity}-"), r"[0-9A-Za-z+]+")

    return read


def plain_label(label: str) -> str:
    """Write a label such that labels that mean the same are the same: numbers without leading zeros."""
    return str(int(label)) if re.fullmatch(r"[0-9]+", label) else label


def read_name(value: object) -> str:
    """Read a name that is safe as a file name too."""
    return _matching(_text(value), r"[0-9A-Za-z][0-9A-Za-z_.-]*")


def read_model(value: object) -> str:
    """Read the name of a model, or its folder, which is made absolute where it is written as a path."""
    text = _text(str(value) if isinstance(value, Path) else value)
    return str(_path(text)) if not text or "/" in text or text[0] in "~." else text


def read_device(value: object) -> str:
    """Read the name of a device for torch."""
    return _matching(_text(value), r"auto|cpu|cuda(:[0-9]+)?")


# A factor of 1024, as Slurm and the kernel count: with 1000, 16384 MB of a job would read as 16.4 GB.
_GB_PER_UNIT = {"K": 1024.0**-2, "M": 1 / 1024, "": 1 / 1024, "G": 1.0, "T": 1024.0}


def read_memory_gb(value: object) -> float:
    """Read an amount of memory.

    Parameters
    ----------
    value : str or float
        ``16G``, ``1.5G``, ``512M``, ``16GB``; text without a unit is MB; a number is GB.

    Returns
    -------
    float
        GB of 1024**3 bytes.
    """
    if not isinstance(value, str):
        return _number(value)
    parts = re.fullmatch(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([KMGT]?)(?:i?B)?\s*", value, re.IGNORECASE)
    if not parts:
        raise ValueError(value)
    return _number(_number(parts[1]) * _GB_PER_UNIT[parts[2].upper()])


def _matching(text: str, pattern: str) -> str:
    if not re.fullmatch(pattern, text):
        raise ValueError(text)
    return text


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    # What is no UTF-8 could not be written to the settings file; the error is a ValueError.
    value.encode()
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, SupportsIndex)):
        raise TypeError(value)
    return int(value)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, SupportsFloat)):
        raise TypeError(value)
    number = float(value) + 0.0  # -0.0 becomes 0.0, which has another hash
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _path(value: object) -> Path:
    text = _text(str(value) if isinstance(value, Path) else value)
    if not text or "\0" in text:
        raise ValueError(text)
    try:
        # Absolute, because workflow nodes run in folders of their own.
        return Path(text).expanduser().absolute()
    except RuntimeError as reason:  # no such user for ~user
        raise ValueError(text) from reason


def _auto_or_whole(value: object) -> AutoInt:
    return "auto" if value == "auto" else _whole(value)


def _auto_or_number(value: object) -> AutoFloat:
    return "auto" if value == "auto" else _number(value)


def _named_path(value: object) -> NamedPath:
    parts = value.split("=", 1) if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or len(parts) != 2:
        raise ValueError(value)
    return read_name(parts[0]), _path(parts[1])


def read_named_dataset(value: object) -> NamedPath:
    """Read ``NAME=PATH``, or a path alone, which is named as its folder is.

    Parameters
    ----------
    value : str, Path, or pair of both

    Returns
    -------
    (str, Path)
    """
    if isinstance(value, (str, Path)):
        name, equals, _ = str(value).partition("=")
        if not equals or not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_.-]*", name):
            path = _path(value)
            return re.sub(r"[^0-9A-Za-z_.-]+|^[_.-]+", "", path.name) or "predicted", path
    return _named_path(value)


KINDS: dict[Any, Kind] = {
    str: Kind("text", _text),
    bool: Kind("true or false", _truth),
    int: Kind("a whole number", _whole),
    float: Kind("a number", _number),
    Path: Kind("a path", _path),
    AutoInt: Kind("auto or a whole number", _auto_or_whole),
    AutoFloat: Kind("auto or a number", _auto_or_number),
    NamedPath: Kind("NAME=PATH", _named_path),
}
