"""Types of option values: parsers that convert text, and checks of the converted values."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, SupportsFloat, SupportsIndex

from bids_deeptaskgen.settings.paths import parse_path

AutoInt = int | Literal["auto"]
AutoFloat = float | Literal["auto"]
NamedPath = tuple[str, Path]


class Check(NamedTuple):
    """Test of a value, and the text that completes the sentence *it must be ...*.

    Attributes
    ----------
    expected : str
    accepts : callable
    minimum, maximum : float or None
        Bounds of numbers; None without one.
    excludes_minimum : bool
        The minimum is no legal value.
    """

    expected: str
    accepts: Callable[[Any], bool]
    minimum: float | None = None
    maximum: float | None = None
    excludes_minimum: bool = False


class Kind(NamedTuple):
    """Description and parser of a type; the parser raises TypeError or ValueError for illegal values."""

    expected: str
    parse: Callable[[Any], Any]


def at_least(minimum: float, unit: str = "") -> Check:
    """Require a value of at least `minimum`.

    Parameters
    ----------
    minimum : float
    unit : str
        Unit in the description; the value is a number.

    Returns
    -------
    Check
    """
    expected = f"{minimum} {unit} or more".replace("  ", " ")
    return Check(expected, lambda value: bool(value >= minimum), minimum)


def greater_than(limit: float) -> Check:
    """Require a value greater than `limit`.

    Parameters
    ----------
    limit : float
        Largest illegal value.

    Returns
    -------
    Check

    Examples
    --------
    >>> check = greater_than(0)
    >>> check.expected, check.accepts(0.1), check.accepts(0)
    ('more than 0', True, False)
    """
    return Check(f"more than {limit}", lambda value: bool(value > limit), limit, excludes_minimum=True)


def in_range(minimum: float, maximum: float) -> Check:
    """Require a value in a closed range.

    Parameters
    ----------
    minimum, maximum : float
        Both are legal values.

    Returns
    -------
    Check

    Examples
    --------
    >>> check = in_range(0, 1)
    >>> check.expected, check.accepts(1), check.accepts(1.5)
    ('from 0 to 1', True, False)
    """
    return Check(
        f"from {minimum} to {maximum}",
        lambda value: bool(minimum <= value <= maximum),
        minimum,
        maximum,
    )


def auto_or(check: Check) -> Check:
    """Require ``auto`` or a value that passes `check`.

    Parameters
    ----------
    check : Check
        Check of the values other than ``auto``.

    Returns
    -------
    Check
        Its description and bounds are those of `check`.
    """
    return check._replace(accepts=lambda value: value == "auto" or check.accepts(value))


def label_parser(entity: str) -> Callable[[Any], str]:
    """Return a parser of BIDS labels, which may have the prefix of their entity.

    Parameters
    ----------
    entity : str
        Key of the entity, e.g. ``sub``.
    """

    def parse(value: object) -> str:
        return _full_match(_text(value).removeprefix(f"{entity}-"), r"[0-9A-Za-z+]+")

    return parse


def plain_label(label: str) -> str:
    """Remove the leading zeros of a numeric label, such that equivalent labels are equal.

    Parameters
    ----------
    label : str
        Value of a BIDS entity, without its key.

    Returns
    -------
    str

    Examples
    --------
    >>> plain_label("01"), plain_label("0a")
    ('1', '0a')
    """
    return str(int(label)) if re.fullmatch(r"[0-9]+", label) else label


def parse_name(value: object) -> str:
    """Parse a name that is also a legal file name.

    Parameters
    ----------
    value : object
        Text of letters, digits, ``_``, ``.`` and ``-`` that begins with a letter or digit.

    Returns
    -------
    str
        The same text.

    Raises
    ------
    TypeError
        If the value is not text.
    ValueError
        If the text has another form.
    """
    return _full_match(_text(value), r"[0-9A-Za-z][0-9A-Za-z_.-]*")


def parse_model(value: object) -> str:
    """Parse the name of a model, or the path of its folder, which becomes absolute.

    Parameters
    ----------
    value : object
        Text or Path. Text is a path if it contains ``/`` or begins with ``~`` or ``.``.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If the value is neither text nor a Path.
    ValueError
        If the text is empty or no legal path.

    Examples
    --------
    >>> parse_model("embedded"), parse_model("/data/model")
    ('embedded', '/data/model')
    """
    text = _text(str(value) if isinstance(value, Path) else value)
    return str(parse_path(text)) if not text or "/" in text or text[0] in "~." else text


def parse_device(value: object) -> str:
    """Parse the name of a torch device.

    Parameters
    ----------
    value : object
        ``auto``, ``cpu``, ``cuda``, or ``cuda:`` and the index of a GPU.

    Returns
    -------
    str
        The same text.

    Raises
    ------
    TypeError
        If the value is not text.
    ValueError
        If the text has another form.
    """
    return _full_match(_text(value), r"auto|cpu|cuda(:[0-9]+)?")


# Factors of 1024, as in Slurm and the kernel: with 1000, the 16384 MB of a job would become 16.4 GB.
_GB_PER_UNIT = {"K": 1024.0**-2, "M": 1 / 1024, "": 1 / 1024, "G": 1.0, "T": 1024.0}


def parse_memory_gb(value: object) -> float:
    """Parse an amount of memory.

    Parameters
    ----------
    value : str or float
        ``16G``, ``1.5G``, ``512M``, ``16GB``; text without a unit is MB; a number is GB.

    Returns
    -------
    float
        GB of 1024**3 bytes.

    Examples
    --------
    >>> parse_memory_gb("16G"), parse_memory_gb("512M"), parse_memory_gb("2048"), parse_memory_gb(4)
    (16.0, 0.5, 2.0, 4.0)
    """
    if not isinstance(value, str):
        return _number(value)
    parts = re.fullmatch(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([KMGT]?)(?:i?B)?\s*", value, re.IGNORECASE)
    if not parts:
        raise ValueError(value)
    return _number(_number(parts[1]) * _GB_PER_UNIT[parts[2].upper()])


def _full_match(text: str, pattern: str) -> str:
    if not re.fullmatch(pattern, text):
        raise ValueError(text)
    return text


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    # The settings file is UTF-8; the error of other text is a ValueError.
    value.encode()
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _integer(value: object) -> int:
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


def _auto_or_integer(value: object) -> AutoInt:
    return "auto" if value == "auto" else _integer(value)


def _auto_or_number(value: object) -> AutoFloat:
    return "auto" if value == "auto" else _number(value)


def _named_path(value: object) -> NamedPath:
    parts = value.split("=", 1) if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or len(parts) != 2:
        raise ValueError(value)
    return parse_name(parts[0]), parse_path(parts[1])


def parse_named_dataset(value: object) -> NamedPath:
    """Parse ``NAME=PATH``, or a path alone, which is named after its folder.

    Parameters
    ----------
    value : str, Path, or (str, Path)

    Returns
    -------
    (str, Path)
        Name and absolute path.
    """
    if isinstance(value, (str, Path)):
        name, equals, _ = str(value).partition("=")
        if not equals or not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_.-]*", name):
            path = parse_path(value)
            return re.sub(r"[^0-9A-Za-z_.-]+|^[_.-]+", "", path.name) or "predicted", path
    return _named_path(value)


KINDS: dict[Any, Kind] = {
    str: Kind("text that is not empty", _text),
    bool: Kind("true or false", _boolean),
    int: Kind("a whole number", _integer),
    float: Kind("a number", _number),
    Path: Kind("a path", parse_path),
    AutoInt: Kind("auto or a whole number", _auto_or_integer),
    AutoFloat: Kind("auto or a number", _auto_or_number),
    NamedPath: Kind("NAME=PATH", _named_path),
}
