"""Reader and writer of TSV files."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_deeptaskgen.io.atomic import write_text


def write_tsv(path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    """Write a table as BIDS TSV, atomically.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.
    columns : dict of str to sequence
        Columns of equal length, in order; None and NaN become ``n/a``.
    """
    rows = zip(*columns.values(), strict=True)
    lines = ["\t".join(columns), *("\t".join(_cell(value) for value in row) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")


def _cell(value: object) -> str:
    if value is None or value != value:
        return "n/a"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return " ".join(text.split()) or "n/a"


def read_tsv(path: Path) -> list[dict[str, str]]:
    """Read a BIDS TSV file as one dictionary per row; return an empty list if it does not exist.

    Parameters
    ----------
    path : Path
        Tab-separated table whose first row has the names of the columns.

    Returns
    -------
    list of dict of str to str
        Cells by name of the column; ``n/a`` is not converted.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t"))
    except FileNotFoundError:
        return []


def join_columns(rows: Iterable[dict[str, Any]]) -> dict[str, list[Any]]:
    """Convert rows with different keys to columns of equal length; missing values are None.

    Parameters
    ----------
    rows : iterable of dict
        Cells of each row, by name of the column.

    Returns
    -------
    dict of str to list
        Columns in the order in which their names occur first.

    Examples
    --------
    >>> join_columns([{"a": 1}, {"a": 2, "b": 3}])
    {'a': [1, 2], 'b': [None, 3]}
    """
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}
