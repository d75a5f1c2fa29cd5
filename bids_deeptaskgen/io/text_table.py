"""Strict parser of tab-separated tables: a cell is read under the name above it, or the table is refused.

Three properties of common writers need a decision:

- Row names. R's ``write.table`` writes them by default without a name in the header, in quotes, and pandas'
  ``to_csv`` writes its index under an empty name. Both are read without that column, but only if it counts
  the rows: then the names of the other columns are certain. Any other header that is shorter than the rows
  is refused, since nothing tells which name is missing.
- Tabs at the end of all lines, header included, make an empty column without a name, which is removed. Tabs
  at the end of the rows alone are refused.
- Lines without content are ignored at the end of a file, and refused elsewhere: they may be missing rows.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.io.text import read_text

# Spellings of a missing value: BIDS has n/a, R NA, pandas and MATLAB NaN or nothing, SQL null, Excel #N/A, C
# also NaN with a sign.
MISSING_VALUES = frozenset(("", "n/a", "na", "nan", "-nan", "+nan", "null", "none", "#n/a", "<na>"))
# The name that pandas gives to a column without a name.
_UNNAMED = re.compile(r"(Unnamed: \d+(_level_\d+)*)?")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SEPARATORS = {"commas": ",", "semicolons": ";", "vertical bars": "|"}
_SAVE_ADVICE = "Save the table as tab-separated text (TSV), with one name for each column in the first line."
# One row cannot show that a column counts the rows.
_MIN_COUNTED_ROWS = 2


@dataclass(frozen=True)
class TextTable:
    """Table of text cells.

    Attributes
    ----------
    path : Path
    names : tuple of str
        Names of the columns, all different, none empty.
    rows : tuple of tuple of str
        Cells without surrounding spaces and quotes; row ``i`` is line ``i + 2`` of the file.
    """

    path: Path
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def is_missing(cell: str) -> bool:
    """Return whether a cell is a spelling of a missing value.

    Parameters
    ----------
    cell : str

    Returns
    -------
    bool

    Examples
    --------
    >>> is_missing("n/a"), is_missing("NaN"), is_missing(" "), is_missing("0")
    (True, True, True, False)
    """
    return cell.strip().lower() in MISSING_VALUES


def is_number(cell: str) -> bool:
    """Return whether a cell is a decimal number with a decimal point, as float without special values.

    Parameters
    ----------
    cell : str

    Returns
    -------
    bool

    Examples
    --------
    >>> is_number("-1.5e-3"), is_number("1,5"), is_number("inf"), is_number("1_000")
    (True, False, False, False)
    """
    return _NUMBER.fullmatch(cell) is not None


def read_text_table(path: Path) -> TextTable:
    r"""Read a tab-separated table whose first line has the names of the columns.

    Parameters
    ----------
    path : Path
        UTF-8 text with any line ends; quotes around cells are removed.

    Returns
    -------
    TextTable

    Raises
    ------
    InputError
        If the file cannot be read, is not tab-separated, or a cell has no certain column: rows of different
        lengths, a header shorter than the rows, columns without a name or of the same name.

    Examples
    --------
    >>> path = folder / "table.tsv"
    >>> _ = path.write_text("a\tb\r\n1\tn/a\r\n")
    >>> read_text_table(path).names, read_text_table(path).rows
    (('a', 'b'), (('1', 'n/a'),))
    >>> _ = path.write_text("a\tb\n1\t2\t\n")
    >>> read_text_table(path)
    Traceback (most recent call last):
    bids_deeptaskgen.errors.InputError: ...table.tsv, line 2: ends with a tab too many ...
    """
    lines = re.split(r"\r\n|\r|\n", read_text(path))
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InputError(_refusal(str(path), "is empty", "Replace it by the table, or remove it."))
    _check_separator(path, lines)
    rows = [_split(path, number, line) for number, line in enumerate(lines, 1)]
    names, *rows = rows
    _check_lengths(path, rows)
    names, rows = _remove_unnamed(path, names, rows, lines)
    _check_names(path, names)
    return TextTable(path, tuple(names), tuple(tuple(row) for row in rows))


def _refusal(place: str, problem: str, advice: str) -> str:
    return f"{place}: {problem}.\n{advice}"


def _check_separator(path: Path, lines: Sequence[str]) -> None:
    header = lines[0]
    if "\t" in header:
        return
    row = lines[1] if len(lines) > 1 else header
    # One column needs no separator; its name may have one, its cells then lack it.
    separators = [name for name, character in _SEPARATORS.items() if character in header and character in row]
    if not separators and min(len(header.split()), len(row.split())) > 1:
        separators = ["spaces"]
    if separators:
        problem = f"is not tab-separated: its columns are separated by {separators[0]}"
        raise InputError(_refusal(str(path), problem, _SAVE_ADVICE))


def _split(path: Path, number: int, line: str) -> list[str]:
    """Split a line into cells without surrounding spaces."""
    if not line.strip():
        advice = "Remove the line, or write n/a in each of its cells."
        raise InputError(_refusal(f"{path}, line {number}", "is empty", advice))
    if '"' not in line:
        return [cell.strip() for cell in line.split("\t")]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter="\t", strict=True))]
    except csv.Error as error:
        problem = f"its quotes are not closed, or are followed by text ({error})"
        advice = 'Write one cell on one line, and a quote in a quoted cell twice ("").'
        raise InputError(_refusal(f"{path}, line {number}", problem, advice)) from error


def _check_lengths(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Require rows of equal length, whatever the header is."""
    for number, row in enumerate(rows, 2):
        if len(row) != len(rows[0]):
            problem = f"has {len(row)} cells, but line 2 has {len(rows[0])}"
            raise InputError(_refusal(f"{path}, line {number}", problem, _SAVE_ADVICE))


def _remove_unnamed(
    path: Path, names: list[str], rows: list[list[str]], lines: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """Remove row names and empty columns at the end; refuse other columns without a name."""
    width = len(rows[0]) if rows else len(names)
    if len(names) == width - 1 and _are_quoted_counts(lines[1:]):
        # R's write.table: the names of the others are certain, since only row names count rows in quotes.
        return names, [row[1:] for row in rows]
    while len(names) > 1 and not names[-1] and all(len(row) < len(names) or not row[-1] for row in rows):
        rows = [row[: len(names) - 1] for row in rows]
        names = names[:-1]
    width = len(rows[0]) if rows else len(names)
    if len(names) != width:
        problem = f"has {width} cells, but the header names {len(names)} columns"
        if len(names) == width - 1 and not any(row[-1] for row in rows):
            problem = f"ends with a tab too many ({problem})"
        raise InputError(_refusal(f"{path}, line 2", problem, _SAVE_ADVICE))
    if _UNNAMED.fullmatch(names[0]) and width > 1 and _are_counts([row[0] for row in rows]):
        return names[1:], [row[1:] for row in rows]
    return names, rows


def _are_quoted_counts(lines: Sequence[str]) -> bool:
    """Return whether the lines begin with 1, 2, ... in quotes, as R's row names."""
    return len(lines) >= _MIN_COUNTED_ROWS and all(
        line.startswith(f'"{number}"\t') for number, line in enumerate(lines, 1)
    )


def _are_counts(cells: Sequence[str]) -> bool:
    """Return whether cells count the rows, from 0 or from 1."""
    first = cells[0] if cells else "0"
    return first in ("0", "1") and all(cell == str(number) for number, cell in enumerate(cells, int(first)))


def _check_names(path: Path, names: Sequence[str]) -> None:
    # pandas counts columns without names from 0.
    if all(map(is_number, names)) and list(names) != [str(number) for number in range(len(names))]:
        problem = f"has no column names: its first line holds numbers ({abbreviate(names)})"
        raise InputError(_refusal(str(path), problem, _SAVE_ADVICE))
    unnamed = [str(number) for number, name in enumerate(names, 1) if _UNNAMED.fullmatch(name)]
    if unnamed:
        problem = (
            f"{'columns' if unnamed[1:] else 'column'} {abbreviate(unnamed)} of {len(names)} has no name"
        )
        raise InputError(_refusal(str(path), problem, "Name the column, or remove it."))
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        problem = f"several columns have the same name ({abbreviate(duplicates)})"
        raise InputError(_refusal(str(path), problem, "Rename or remove all but one of them."))
