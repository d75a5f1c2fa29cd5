"""Merging of tables that users may edit: rows, columns and values of the user are kept."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from bids_deeptaskgen.bids.participant_ids import bare_label, match_labels
from bids_deeptaskgen.bids.participants_table import ID_COLUMN, require_id_column, require_label
from bids_deeptaskgen.io.atomic import write_text
from bids_deeptaskgen.io.text_table import is_number, read_text_table

Row = Mapping[str, str]
_Label = tuple[str, ...]
# Other spellings, such as NA or none, may be values of the user.
_EMPTY = ("", "n/a")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]")


@dataclass(frozen=True)
class Table:
    """Table whose cells are the text of the file.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns, in order.
    rows : tuple of dict of str to str
        Cells by the name of the column.
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
    unmatched : tuple of str
        Labels of rows that were not merged, since the label has several rows and the row of the other table
        is not certain.
    number_matches : tuple of str
        Labels that were matched as equal numbers, e.g. ``1 = sub-01``.
    """

    table: Table
    conflicts: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    number_matches: tuple[str, ...] = ()


def read_table(path: Path) -> Table:
    """Read a table of participants as text cells.

    Parameters
    ----------
    path : Path
        Tab-separated table, see `read_text_table`, with a column as in `require_id_column`.

    Returns
    -------
    Table
        The column of the labels is called ``participant_id``.

    Raises
    ------
    InputError
        If the file cannot be read, lacks the column, a row has no label, or a cell has no certain column.
    """
    table = read_text_table(path)
    id_column = require_id_column(path, table.names)
    column = table.names.index(id_column)
    for line, row in enumerate(table.rows, 2):
        require_label(path, line, id_column, row[column])
    names = [ID_COLUMN if name == id_column else name for name in table.names]
    return Table(tuple(names), tuple(dict(zip(names, row, strict=True)) for row in table.rows))


def write_table(path: Path, table: Table) -> None:
    """Write a table atomically; its cells are written as they are.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.
    table : Table
    """
    rows = [table.columns, *([row.get(name, "n/a") for name in table.columns] for row in table.rows)]
    write_text(path, "".join("\t".join(map(_quote, row)) + "\n" for row in rows))


def _quote(cell: str) -> str:
    # A reader would take the first quote for that of a quoted cell.
    return '"' + cell.replace('"', '""') + '"' if cell.startswith('"') or "\t" in cell else cell


def merge_tables(
    existing: Table,
    addition: Table,
    key: str,
    *,
    overwrite: bool = False,
    folders: Collection[str] = (),
) -> Merge:
    """Add the rows, columns and values of a table that another table lacks.

    Rows are matched by `key` and, if both tables have it, ``session_id``. Participants match as in
    `match_labels`. If a label has several rows in a table, two rows match only if the cells that both have
    agree, and if they agree with no other row; else nothing is merged. Only an empty cell and ``n/a`` are
    missing values.

    Parameters
    ----------
    existing, addition : Table
    key : str
        Column that identifies rows, e.g. ``participant_id``.
    overwrite : bool
        Whether values of `addition` replace different values of `existing`.
    folders : collection of str
        Labels that are known to be different participants: they do not match as equal numbers.

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
    new_labels, labels = ([_labels(row, keys) for row in table.rows] for table in (addition, existing))
    spellings = match_labels(
        [first for first, *_ in new_labels], [first for first, *_ in labels], key, distinct=folders
    )
    aligned = [(spellings.get(first, first), *rest) for first, *rest in new_labels]
    columns = tuple(dict.fromkeys([*existing.columns, *addition.columns]))
    rows = [{name: row.get(name, "n/a") for name in columns} for row in existing.rows]
    conflicts: list[str] = []
    unmatched: list[str] = []
    matches = _match_rows(
        _group(labels, existing.rows),
        _group(aligned, addition.rows),
        [name for name in columns if name not in keys],
    )
    existing_labels = set(labels)
    for number, (label, row) in enumerate(zip(aligned, addition.rows, strict=True)):
        if number in matches:
            values = {name: value for name, value in row.items() if name not in keys}
            conflicts += _fill(rows[matches[number]], values, key, overwrite=overwrite)
        elif label in existing_labels:
            unmatched.append(" ".join((f"sub-{label[0]}", *label[1:])))
        else:
            rows.append({name: row.get(name) or "n/a" for name in columns})
    numbers = (f"{label} = sub-{spelling}" for label, spelling in spellings.items() if label != spelling)
    table = Table(columns, tuple(rows))
    return Merge(table, tuple(conflicts), tuple(dict.fromkeys(unmatched)), tuple(numbers))


def _labels(row: Row, keys: Sequence[str]) -> _Label:
    first, *further_keys = keys
    return bare_label(row.get(first, "")), *(
        row.get(key, "").strip().removeprefix("ses-") for key in further_keys
    )


def _group(labels: Iterable[_Label], rows: Sequence[Row]) -> dict[_Label, dict[int, Row]]:
    """Group rows by label, each with its number in the table."""
    groups: dict[_Label, dict[int, Row]] = {}
    for number, (label, row) in enumerate(zip(labels, rows, strict=True)):
        groups.setdefault(label, {})[number] = row
    return groups


def _fill(target: dict[str, str], values: Row, key: str, *, overwrite: bool) -> list[str]:
    """Fill the missing cells of a row; return the values that differ."""
    conflicts = []
    for column, value in values.items():
        current = target[column]
        if _is_empty(value) or _is_equal(current, value):
            continue
        if not _is_empty(current):
            conflicts.append(f"{target[key]} {column}: {current}, {value}")
        if overwrite or _is_empty(current):
            target[column] = value
    return conflicts


def _match_rows(
    existing: Mapping[_Label, Mapping[int, Row]],
    addition: Mapping[_Label, Mapping[int, Row]],
    columns: Sequence[str],
) -> dict[int, int]:
    """Find the existing row of each new row, by their numbers; rows without a certain match are absent."""
    matches: dict[int, int] = {}
    for label, new_rows in addition.items():
        rows = existing.get(label, {})
        if len(rows) == len(new_rows) == 1:
            matches |= zip(new_rows, rows, strict=True)
        else:
            matches |= _match_agreeing_rows(rows, new_rows, columns)
    return matches


def _match_agreeing_rows(
    rows: Mapping[int, Row], new_rows: Mapping[int, Row], columns: Sequence[str]
) -> dict[int, int]:
    """Match the rows of one label: those that add nothing, then those that agree with one row only."""
    matches: dict[int, int] = {}
    for new_number, cells in new_rows.items():
        contained = next(
            (number for number, row in rows.items() if _agree(row, cells, columns, is_part=True)), None
        )
        if contained is not None:
            matches[new_number] = contained
    candidates = {
        new_number: [number for number, row in rows.items() if _agree(row, cells, columns)]
        for new_number, cells in new_rows.items()
        if new_number not in matches
    }
    choices = [number for options in candidates.values() for number in options]
    for new_number, options in candidates.items():
        if len(options) == 1 and choices.count(options[0]) == 1:
            matches[new_number] = options[0]
    return matches


def _agree(row: Row, cells: Row, columns: Iterable[str], *, is_part: bool = False) -> bool:
    """Return whether the values that both rows have are equal; with `is_part`, all values of the second."""
    for name in columns:
        current, value = row.get(name, ""), cells.get(name, "")
        if _is_empty(value) or (_is_empty(current) and not is_part):
            continue
        if not _is_equal(current, value):
            return False
    return True


def _is_empty(cell: str) -> bool:
    return cell.strip() in _EMPTY


def _is_equal(first: str, second: str) -> bool:
    """Return whether two values are the same text, or the same number without leading zeros."""
    first, second = first.strip(), second.strip()
    if first == second:
        return True
    are_numbers = all(is_number(cell) and not _LEADING_ZERO.match(cell) for cell in (first, second))
    return are_numbers and Decimal(first) == Decimal(second)
