"""Merging of tables that users may edit: rows, columns and values of the user are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.bids.participant_ids import bare_label, match_labels
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.text_table import is_missing, read_text_table
from bids_deeptaskgen.io.tsv import write_tsv

Row = Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """Table whose cells are the text of the file.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns, in order.
    rows : tuple of dict of str to str
        Cells by the name of the column; absent cells are ``n/a``.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Merge:
    """Result of merging two tables.

    Attributes
    ----------
    table : Table
    conflicts : tuple of str
        Values that differ between the tables, e.g. ``sub-01 age: 31, 33``; the value of the existing table
        comes first.
    """

    table: Table
    conflicts: tuple[str, ...]


def read_table(path: Path, key: str) -> Table:
    """Read a table of text cells.

    Parameters
    ----------
    path : Path
        Tab-separated table, see `read_text_table`.
    key : str
        Column that the table must have, in any letter case.

    Returns
    -------
    Table
        The column is called `key`.

    Raises
    ------
    InputError
        If the file cannot be read, lacks the column, or a cell has no certain column.
    """
    table = read_text_table(path)
    names = [key if name.lower() == key.lower() else name for name in table.names]
    if names.count(key) != 1:
        problem = f"has no column {key}" if key not in names else f"has several columns {key}"
        message = (
            f"{path}: {problem} (columns: {', '.join(table.names)[:200]}).\n"
            "Name a table with tabs between its columns."
        )
        raise InputError(message)
    return Table(tuple(names), tuple(dict(zip(names, row, strict=True)) for row in table.rows))


def write_table(path: Path, table: Table) -> None:
    """Write a table atomically.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.
    table : Table
    """
    columns = {name: [row.get(name, "n/a") for row in table.rows] for name in table.columns}
    write_tsv(path, columns)


def merge_tables(existing: Table, addition: Table, key: str, *, overwrite: bool = False) -> Merge:
    """Add the rows, columns and values of a table that another table lacks.

    Rows are matched by `key` and, if both tables have it, ``session_id``. Participants match as in
    `match_labels`. Several rows of one label are matched in their order.

    Parameters
    ----------
    existing, addition : Table
    key : str
        Column that identifies rows, e.g. ``participant_id``.
    overwrite : bool
        Whether values of `addition` replace different values of `existing`.

    Returns
    -------
    Merge
        Rows and columns of `existing` come first, in their order.

    Raises
    ------
    InputError
        If a label may be several labels of the other table.

    Examples
    --------
    >>> existing = Table(("participant_id", "group"), ({"participant_id": "sub-01", "group": "b"},))
    >>> addition = Table(("participant_id", "age"), ({"participant_id": "01", "age": "30"},))
    >>> merge_tables(existing, addition, "participant_id").table.rows
    ({'participant_id': 'sub-01', 'group': 'b', 'age': '30'},)
    """
    keys = [key]
    if "session_id" in existing.columns and "session_id" in addition.columns and key != "session_id":
        keys.append("session_id")
    rows: list[dict[str, str]] = [dict(row) for row in existing.rows]
    new_labels, labels = ([_labels(row, keys) for row in table.rows] for table in (addition, existing))
    spellings = match_labels([first for first, *_ in new_labels], [first for first, *_ in labels], key)
    aligned = [(spellings.get(first, first), *rest) for first, *rest in new_labels]
    matches = _match_rows(labels, aligned)
    conflicts = []
    for row, match in zip(addition.rows, matches, strict=True):
        if match is None:
            rows.append(dict(row))
            continue
        target = rows[match]
        for column, value in row.items():
            current = target.get(column, "")
            if column in keys or is_missing(value) or _is_equal(current, value):
                continue
            if not is_missing(current):
                conflicts.append(f"{target[key]} {column}: {current}, {value}")
            if overwrite or is_missing(current):
                target[column] = value
    columns = tuple(dict.fromkeys([*existing.columns, *addition.columns]))
    complete_rows = tuple({name: row.get(name, "n/a") for name in columns} for row in rows)
    return Merge(Table(columns, complete_rows), tuple(conflicts))


def _labels(row: Row, keys: Sequence[str]) -> tuple[str, ...]:
    first, *further_keys = keys
    return bare_label(row.get(first, "")), *(
        row.get(key, "").strip().removeprefix("ses-") for key in further_keys
    )


def _match_rows(existing: Sequence[tuple[str, ...]], addition: Sequence[tuple[str, ...]]) -> list[int | None]:
    """Find the existing row of each new row; None for a new label."""
    remaining: dict[tuple[str, ...], list[int]] = {}
    for number, labels in enumerate(existing):
        remaining.setdefault(labels, []).append(number)
    matches: list[int | None] = []
    for labels in addition:
        rows = remaining.get(labels)
        matches.append(rows.pop(0) if rows else None)
    return matches


def _is_equal(first: str, second: str) -> bool:
    """Return whether two values are the same text or the same number."""
    if first.strip() == second.strip():
        return True
    try:
        return float(first) == float(second)
    except ValueError:
        return False
