"""Reader and writer of TSV files."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_deeptaskgen.io.atomic import write_text
from bids_deeptaskgen.io.text_table import read_text_table


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


def append_tsv(path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    """Append rows to a table that is not complete yet; the first rows are below the header.

    Parameters
    ----------
    path : Path
        Path of the file, in a folder of unfinished results; its folder is created.
    columns : dict of str to sequence
        Columns of equal length, the same ones in each call; None and NaN become ``n/a``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    header = [] if path.exists() else ["\t".join(columns)]
    lines = ["\t".join(map(_cell, row)) for row in zip(*columns.values(), strict=True)]
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in (*header, *lines))


def _cell(value: object) -> str:
    if value is None or value != value:
        return "n/a"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = " ".join(text.split()) or "n/a"
    # A reader would take the first quote for that of a quoted cell.
    return '"' + text.replace('"', '""') + '"' if text.startswith('"') else text


def read_tsv(path: Path, *, missing_ok: bool = False) -> list[dict[str, str]]:
    r"""Read a BIDS TSV file as one dictionary per row, without guessing: see `text_table.read_text_table`.

    Parameters
    ----------
    path : Path
        Tab-separated table whose first row has the names of the columns.
    missing_ok : bool
        Return an empty list if there is no such file; a link without content is refused even then.

    Returns
    -------
    list of dict of str to str
        Cells by name of the column; ``n/a`` is not converted. Row ``i`` is line ``i + 2`` of the file.

    Raises
    ------
    InputError
        If the file does not exist (unless `missing_ok`), cannot be read, or a cell has no certain column.

    Examples
    --------
    >>> path = folder / "participants.tsv"
    >>> _ = path.write_text("participant_id\tage\nsub-01\tn/a\n")
    >>> read_tsv(path)
    [{'participant_id': 'sub-01', 'age': 'n/a'}]
    >>> read_tsv(folder / "none.tsv", missing_ok=True)
    []
    """
    if missing_ok and not path.exists() and not path.is_symlink():
        return []
    table = read_text_table(path)
    return [dict(zip(table.names, row, strict=True)) for row in table.rows]


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
