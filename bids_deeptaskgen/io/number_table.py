"""Tables of numbers: columns under names (TSV), or columns of numbers without names (motion parameters)."""

import contextlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.text import read_text
from bids_deeptaskgen.io.text_table import is_missing, is_number, read_text_table

Numbers = NDArray[np.float64]

_PLAIN_CHARACTERS = re.compile(r"[0-9.eE+\-]*", re.ASCII)
_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?", re.ASCII)
_GROUPED = re.compile(r"[+-]?\d{1,3}([,.' \u00a0\u202f\u2019]\d{3})+([.,]\d+)?", re.ASCII)
_INFINITE = re.compile(r"[+-]?(inf|infinity|1\.#inf)", re.IGNORECASE)
_TRUTH_VALUES = ("true", "false")


@dataclass(frozen=True)
class NumberTable:
    """Table of numbers under the names of its columns.

    Attributes
    ----------
    path : Path
    columns : dict of str to array of shape (n_rows,)
        NaN for missing values, and for cells that are not numbers; 1 and 0 for `truth_values`.
    problems : dict of str to str
        Name of a column to its first cell that is not a finite number, and why, e.g.
        ``row 3 (counted from 0) holds "0,5": a decimal comma``.
    truth_values : set of str
        Names of columns of True and False in any case, as pandas writes marks; they are in `problems`, too.
    """

    path: Path
    columns: Mapping[str, Numbers]
    problems: Mapping[str, str] = field(default_factory=dict)
    truth_values: frozenset[str] = frozenset()

    @property
    def n_rows(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values())))


def read_number_table(path: Path) -> NumberTable:
    r"""Read a TSV of numbers; columns with other cells are marked, since they may not be used.

    Parameters
    ----------
    path : Path
        See `text_table.read_text_table`. Missing values may be spelled as by BIDS (``n/a``), R, pandas or
        MATLAB.

    Returns
    -------
    NumberTable

    Raises
    ------
    InputError
        If the file cannot be read, or a cell has no certain column.

    Examples
    --------
    >>> path = folder / "table.tsv"
    >>> _ = path.write_text("csf\tnote\tx\n1\tgood\t1,5\nn/a\tbad\t2,5\n")
    >>> table = read_number_table(path)
    >>> table.columns["csf"]
    array([ 1., nan])
    >>> table.problems["x"]
    'row 0 (counted from 0) holds "1,5": a decimal comma'
    """
    table = read_text_table(path)
    columns: dict[str, Numbers] = {}
    problems: dict[str, str] = {}
    truth_values: set[str] = set()
    for name, cells in zip(table.names, zip(*table.rows, strict=True) if table.rows else (), strict=False):
        columns[name] = _parse_column(cells)
        row = _first_invalid(cells, columns[name])
        if row is not None:
            reason = explain_cell(cells[row])
            problems[name] = f'row {row} (counted from 0) holds "{cells[row]}": {reason}'
            if {cell.lower() for cell in cells} <= set(_TRUTH_VALUES):
                columns[name] = np.array([cell.lower() == "true" for cell in cells], dtype=np.float64)
                truth_values.add(name)
    columns = columns or {name: np.zeros(0) for name in table.names}
    return NumberTable(path, columns, problems, frozenset(truth_values))


def _parse_column(cells: tuple[str, ...]) -> Numbers:
    if _PLAIN_CHARACTERS.fullmatch("".join(cells)):
        # Of these characters, float accepts decimal numbers only.
        with contextlib.suppress(ValueError):
            return _finite(np.array(list(map(float, cells)), dtype=np.float64))
    return _finite(np.array([float(cell) if is_number(cell) else np.nan for cell in cells]))


def _finite(values: Numbers) -> Numbers:
    """Replace values beyond the range of 64 bits by NaN."""
    values[np.isinf(values)] = np.nan
    return values


def _first_invalid(cells: tuple[str, ...], values: Numbers) -> int | None:
    """Return the row of the first cell that is neither a finite number nor missing."""
    rows: list[int] = np.flatnonzero(np.isnan(values)).tolist()
    return next((row for row in rows if not is_missing(cells[row])), None)


def explain_cell(cell: str) -> str:
    """Explain why a cell is not a finite number.

    Parameters
    ----------
    cell : str

    Returns
    -------
    str

    Examples
    --------
    >>> explain_cell("0,25"), explain_cell("1.234,5")
    ('a decimal comma', 'thousands separators')
    >>> explain_cell("1,234"), explain_cell("-Inf"), explain_cell("#NUM!")
    ('a decimal comma or thousands separators', 'not a finite number', 'the error of a spreadsheet')
    """
    grouped, comma = _GROUPED.fullmatch(cell), _COMMA.fullmatch(cell)
    if grouped and comma:
        return "a decimal comma or thousands separators"
    if comma:
        return "a decimal comma"
    if grouped:
        return "thousands separators"
    if _INFINITE.fullmatch(cell) or is_number(cell):
        return "not a finite number"
    if cell.lower() in _TRUTH_VALUES:
        return "a truth value instead of a number (write 1 and 0)"
    return "the error of a spreadsheet" if cell.startswith("#") else "not a number"


def read_matrix(path: Path) -> Numbers:
    r"""Read columns of numbers without names, separated by spaces or tabs.

    Parameters
    ----------
    path : Path

    Returns
    -------
    array of shape (n_rows, n_columns)

    Raises
    ------
    InputError
        If the file cannot be read, a cell is not a finite number, or rows have different lengths.

    Examples
    --------
    >>> path = folder / "motion.par"
    >>> _ = path.write_text("0.001  -2e-4  \n 0 .5\n")
    >>> read_matrix(path)
    array([[ 1.e-03, -2.e-04],
           [ 0.e+00,  5.e-01]])
    """
    lines = re.split(r"\r\n|\r|\n", read_text(path).rstrip())
    rows = [line.split() for line in lines]
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]) or not row:
            message = (
                f"{path}, line {number}: has {len(row)} numbers, but line 1 has {len(rows[0])}.\n"
                "Copy the file again from its source."
            )
            raise InputError(message)
        invalid = [cell for cell in row if not is_number(cell) or math.isinf(float(cell))]
        if invalid:
            message = (
                f'{path}, line {number}: "{invalid[0]}" is {explain_cell(invalid[0])}.\n'
                "The file must hold numbers with decimal points only, separated by spaces."
            )
            raise InputError(message)
    return np.array(rows, dtype=np.float64)
