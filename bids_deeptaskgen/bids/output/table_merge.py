"""Merging of tables that users may edit: rows, columns and values of the user are kept."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.atomic import write_text
from bids_deeptaskgen.io.text import read_text
from bids_deeptaskgen.settings.value_types import plain_label

# Entities whose prefix tables may omit, by the column that holds them.
_PREFIXES = {"participant_id": "sub-", "session_id": "ses-"}
_EMPTY = ("", "n/a", "nan")

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
    """Read a table without changing the text of its cells.

    Parameters
    ----------
    path : Path
        Tab-separated table, UTF-8.
    key : str
        Column that the table must have.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If the file cannot be read, lacks the column, or has rows of another length than its header.
    """
    text = read_text(path)
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    columns = tuple(name.strip() for name in lines[0].split("\t"))
    if key not in columns:
        message = (
            f"{path}: has no column {key} (columns: {', '.join(columns)[:200]}).\n"
            "Name a table with tabs between its columns."
        )
        raise InputError(message)
    if len(set(columns)) < len(columns) or "" in columns:
        message = f"{path}: has columns without a name, or two of one name.\nCorrect the first line."
        raise InputError(message)
    rows = []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) != len(columns):
            message = (
                f"{path}, line {number}: has {len(cells)} cells, but the header names {len(columns)} columns."
                "\nCorrect this line."
            )
            raise InputError(message)
        rows.append(dict(zip(columns, cells, strict=True)))
    return Table(columns, tuple(rows))


def write_table(path: Path, table: Table) -> None:
    """Write a table atomically.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.
    table : Table
    """
    lines = [table.columns, *([row.get(name, "n/a") for name in table.columns] for row in table.rows)]
    write_text(path, "\n".join("\t".join(cells) for cells in lines) + "\n")


def merge_tables(existing: Table, new: Table, key: str, *, overwrite: bool = False) -> Merge:
    """Add the rows, columns and values of a table that another table lacks.

    Rows are matched by `key` and, if both tables have it, ``session_id``. Labels match with or without
    prefix, and otherwise as equal numbers. Several rows of one label are matched in their order.

    Parameters
    ----------
    existing, new : Table
    key : str
        Column that identifies rows, e.g. ``participant_id``.
    overwrite : bool
        Whether values of `new` replace different values of `existing`.

    Returns
    -------
    Merge
        Rows and columns of `existing` come first, in their order.

    Examples
    --------
    >>> existing = Table(("participant_id", "group"), ({"participant_id": "sub-01", "group": "b"},))
    >>> new = Table(("participant_id", "age"), ({"participant_id": "01", "age": "30"},))
    >>> merge_tables(existing, new, "participant_id").table.rows
    ({'participant_id': 'sub-01', 'group': 'b', 'age': '30'},)
    """
    keys = [key]
    if "session_id" in existing.columns and "session_id" in new.columns and key != "session_id":
        keys.append("session_id")
    rows: list[dict[str, str]] = [dict(row) for row in existing.rows]
    matches = _match_rows([_labels(row, keys) for row in rows], [_labels(row, keys) for row in new.rows])
    conflicts = []
    for row, match in zip(new.rows, matches, strict=True):
        if match is None:
            rows.append(dict(row))
            continue
        target = rows[match]
        for column, value in row.items():
            current = target.get(column, "")
            if column in keys or _is_empty(value) or _is_equal(current, value):
                continue
            if not _is_empty(current):
                conflicts.append(f"{target[key]} {column}: {current}, {value}")
            if overwrite or _is_empty(current):
                target[column] = value
    columns = tuple(dict.fromkeys([*existing.columns, *new.columns]))
    complete_rows = tuple({name: row.get(name, "n/a") for name in columns} for row in rows)
    return Merge(Table(columns, complete_rows), tuple(conflicts))


def _labels(row: Row, keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(row.get(key, "").strip().removeprefix(_PREFIXES.get(key, "")) for key in keys)


def _match_rows(existing: Sequence[tuple[str, ...]], new: Sequence[tuple[str, ...]]) -> list[int | None]:
    """Find the existing row of each new row; None for a new label."""
    remaining: dict[tuple[str, ...], list[int]] = {}
    for number, labels in enumerate(existing):
        remaining.setdefault(labels, []).append(number)
    new_labels = set(new)
    numbers_alike = Counter(_plain(labels) for labels in new_labels)
    # Labels that are not in the new table, which a differently written number of the new table may match.
    by_number: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for labels in remaining:
        if labels not in new_labels:
            by_number.setdefault(_plain(labels), []).append(labels)
    matches: list[int | None] = []
    for labels in new:
        alike = by_number.get(_plain(labels), [])
        is_unambiguous = len(alike) == 1 and numbers_alike[_plain(labels)] == 1
        rows = remaining.get(alike[0] if labels not in remaining and is_unambiguous else labels)
        matches.append(rows.pop(0) if rows else None)
    return matches


def _plain(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(plain_label(label) for label in labels)


def _is_empty(value: str) -> bool:
    return value.strip().lower() in _EMPTY


def _is_equal(first: str, second: str) -> bool:
    """Return whether two values are the same text or the same number."""
    if first.strip() == second.strip():
        return True
    try:
        return float(first) == float(second)
    except ValueError:
        return False
