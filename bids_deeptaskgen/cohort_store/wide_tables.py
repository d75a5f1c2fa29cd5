"""Wide tables of numbers: a row for each participant, session or run, and a column for each measure.

pyarrow reads 20,000 rows of some thousand columns in seconds, and holds numbers in 8 bytes; as text, they
would need about 60.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bids_deeptaskgen.bids.participants_table import require_id_column
from bids_deeptaskgen.errors import InputError, abbreviate, raise_disk_error
from bids_deeptaskgen.io.number_table import explain_cell
from bids_deeptaskgen.io.text_table import MISSING_VALUES, is_missing, is_number

SEPARATORS = {".tsv": "\t", ".csv": ","}
_CHARACTERS = {"tabs": "\t", "semicolons": ";", "commas": ","}
SUFFIXES = (*SEPARATORS, ".parquet")
_LABEL_COLUMNS = ("session_id", "run")
# Index that pandas stores if it has no name; numbers of rows are no measure.
_INDEX = re.compile(r"__index_level_\d+__")
_UNNAMED = re.compile(r"(Unnamed: \d+)?")
_REMEDY = "Save the table as TSV, CSV or Parquet, with a row for each participant and a name for each column."
# Further spellings by letter case are recognised one by one, which takes longer.
_NULLS = sorted({"NaN", "N/A", "NA", "None", "NULL", *MISSING_VALUES})


@dataclass(frozen=True)
class WideTable:
    """Numbers of participants.

    Attributes
    ----------
    path : Path
    row_labels : tuple of (str, str or None, str or None)
        Cells of the columns of participant, session and run of each row; None without such a cell.
    columns : tuple of str
        Names of the other columns.
    values : float64 array of shape (n_rows, n_columns)
        NaN for missing values.
    """

    path: Path
    row_labels: tuple[tuple[str, str | None, str | None], ...]
    columns: tuple[str, ...]
    values: NDArray[np.float64]


def column_names(path: Path) -> tuple[str, ...]:
    """Read the names of the columns of a table.

    Parameters
    ----------
    path : Path
        TSV, CSV or Parquet.

    Returns
    -------
    tuple of str

    Raises
    ------
    InputError
        If the file cannot be read, or has other separators.
    """
    try:
        if path.suffix == ".parquet":
            return tuple(pq.read_schema(path).names)
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline().rstrip("\r\n")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise_disk_error(error, path)
        raise _unreadable(path, error) from error
    if not header.strip():
        problem = "its first line, with the names of the columns," if path.stat().st_size > 1 else "the file"
        message = f"{path}: {problem} is empty.\n{_REMEDY}"
        raise InputError(message)
    separator = SEPARATORS[path.suffix]
    found_separators = [name for name, character in _CHARACTERS.items() if character in header]
    if found_separators and separator not in header:
        problem = f"its columns are separated by {found_separators[0]}, not as its ending says"
        message = f"{path}: {problem}.\n{_REMEDY}"
        raise InputError(message)
    return tuple(name.strip() for name in next(csv.reader([header], delimiter=separator), []))


def read_wide_table(path: Path) -> WideTable:
    r"""Read a table of numbers.

    Parameters
    ----------
    path : Path
        TSV, CSV or Parquet with a column ``participant_id`` (or another name that `require_id_column`
        finds), and optionally ``session_id`` and ``run``. All other columns are numbers or truth values.

    Returns
    -------
    WideTable

    Raises
    ------
    InputError
        If the table cannot be read, has no rows or no column of numbers, a row without a participant, a cell
        that is not a number, or several columns of one name.

    Examples
    --------
    >>> path = folder / "idps.csv"
    >>> _ = path.write_text("participant_id,volume,thickness\nsub-01,3,2.5\nsub-02,n/a,2.75\n")
    >>> table = read_wide_table(path)
    >>> table.columns, table.row_labels[0]
    (('volume', 'thickness'), ('sub-01', None, None))
    >>> table.values
    array([[3.  , 2.5 ],
           [ nan, 2.75]])
    """
    names = column_names(path)
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        message = f"{path}: several columns have the same name ({abbreviate(duplicates)}).\nRename them."
        raise InputError(message)
    id_column = require_id_column(path, names)
    table = _read(path, names, (id_column, *_LABEL_COLUMNS))
    labels = [
        _texts(table.column(names.index(name))) if name in names else [None] * len(table)
        for name in (id_column, *_LABEL_COLUMNS)
    ]
    columns = _measures(path, table, names, (id_column, *_LABEL_COLUMNS))
    empty = next((number for number, cell in enumerate(labels[0], 1) if cell is None), None)
    if empty is not None:
        message = f"{path}: row {empty} has no {id_column}.\nAdd the label, or remove the row."
        raise InputError(message)
    values = np.empty((len(table), len(columns)))
    for number, name in enumerate(columns):
        values[:, number] = _numbers(path, name, table.column(names.index(name)), labels[0])
    return WideTable(path, tuple(zip(*labels, strict=True)), columns, values)


def _read(path: Path, names: Sequence[str], text_columns: Sequence[str]) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path)
        return pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(column_names=list(names), skip_rows=1),
            parse_options=pa_csv.ParseOptions(delimiter=SEPARATORS[path.suffix]),
            convert_options=pa_csv.ConvertOptions(
                # Labels such as 01 must not become numbers.
                column_types={name: pa.string() for name in text_columns if name in names},
                null_values=_NULLS,
                strings_can_be_null=True,
            ),
        )
    except (pa.ArrowException, OSError) as error:
        raise_disk_error(error, path)
        raise _unreadable(path, error) from error


def _measures(
    path: Path, table: pa.Table, names: Sequence[str], text_columns: Sequence[str]
) -> tuple[str, ...]:
    """Return the names of the columns of measures; refuse a table without."""
    unnamed = [number for number, name in enumerate(names) if _UNNAMED.fullmatch(name)]
    if any(number > 0 or not _counts_rows(table.column(number)) for number in unnamed):
        message = f"{path}: column {unnamed[0] + 1} of {len(names)} has no name.\n{_REMEDY}"
        raise InputError(message)
    columns = tuple(
        name
        for number, name in enumerate(names)
        if name not in text_columns and number not in unnamed and not _INDEX.fullmatch(name)
    )
    if not columns or not len(table):
        problem = "has no rows" if columns else f"has no column of numbers (columns: {abbreviate(names)})"
        message = f"{path}: {problem}.\n{_REMEDY}"
        raise InputError(message)
    return columns


def _counts_rows(column: pa.ChunkedArray) -> bool:
    """Return whether a column numbers the rows from 0 or 1, as the index that pandas writes."""
    cells = column.to_pylist()
    return cells[:1] in ([0], [1]) and cells == list(range(cells[0], cells[0] + len(cells)))


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: cannot be read as a table: {str(error).rstrip('.')}.\n{_REMEDY}")


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    cells: list[str | None] = column.cast(pa.string()).to_pylist()
    return [None if cell is None or is_missing(cell) else cell.strip() for cell in cells]


def _numbers(
    path: Path, name: str, column: pa.ChunkedArray, participants: Sequence[str | None]
) -> NDArray[np.float64]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
        kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        values = np.array(pc.fill_null(column.cast(pa.float64(), safe=False), float("nan")))
        infinite: list[int] = np.flatnonzero(np.isinf(values)).tolist()
        if infinite:
            first = infinite[0]
            raise _refusal(path, name, participants[first], str(values[first]), "not a finite number")
        return values
    cells = column.to_pylist()
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        text = "" if cell is None else str(cell).strip()
        if is_number(text):
            values[row] = float(text)
        elif not is_missing(text):
            raise _refusal(path, name, participants[row], text, explain_cell(text))
    return values


def _refusal(path: Path, name: str, participant: Any, cell: str, problem: str) -> InputError:
    message = (
        f'{path}: the column {name} holds "{cell}" in the row of {participant}: {problem}.\n'
        "Features are numbers: remove the column, or write its categories as columns of 0 and 1."
    )
    return InputError(message)
