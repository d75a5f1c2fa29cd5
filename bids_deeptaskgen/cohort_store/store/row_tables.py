"""Rows of a cohort store: sessions and runs, in tables that are added and never change.

Each `pack` that finds sessions without a row, or with other cells than those of the store, adds a table of
them. A row keeps the place of its first table, and has the cells of its last one. Tables are created
exclusively, so that several tasks agree on the order of the rows without a lock.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bids_deeptaskgen.cohort_store.store.layout import create_folder, rows_folder
from bids_deeptaskgen.errors import InputError, UserError, abbreviate, quantity
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.io.text_table import is_missing
from bids_deeptaskgen.io.tsv import join_columns, read_tsv, write_tsv

logger = logging.getLogger("bids_deeptaskgen")

LABELS = ("participant_id", "session_id", "run")
# Column with a hash of the data of a session or run, which distinguishes participants.
DATA_HASH = "data_hash"
_TABLE, _FACTS = "rows.tsv", "source.json"

Labels = tuple[str, str, str]


@dataclass(frozen=True)
class RowTables:
    """Rows of a store in order.

    Attributes
    ----------
    rows : sequence of dict of str to str
        Cells by column.
    sources : sequence of str
        Output dataset of each row.
    n_tables : int
    sha256 : str
        Hash of the tables.
    """

    rows: Sequence[Mapping[str, str]]
    sources: Sequence[str]
    n_tables: int = 0
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def labels(self) -> tuple[Labels, ...]:
        """Return the labels of each row."""
        return tuple(map(row_labels, self.rows))

    def extend(self, rows: Iterable[Mapping[str, str]], source: str) -> "RowTables":
        """Return these rows with those of a further table.

        Parameters
        ----------
        rows : iterable of dict of str to str
        source : str
            Output dataset of `rows`.

        Returns
        -------
        RowTables
            A row that exists keeps its place, and gets the cells of the further table.
        """
        table = {row_labels(row): row for row in rows}
        all_rows = dict(zip(self.labels, self.rows, strict=True)) | table
        all_sources = dict(zip(self.labels, self.sources, strict=True)) | dict.fromkeys(table, source)
        return RowTables(list(all_rows.values()), list(all_sources.values()), self.n_tables, self.sha256)

    def numbers(self) -> dict[Labels, int]:
        """Return the number of each row by its labels."""
        return {labels: number for number, labels in enumerate(self.labels)}


def row_labels(row: Mapping[str, Any]) -> Labels:
    """Return the labels that identify a row; empty for labels that it lacks.

    Parameters
    ----------
    row : dict

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> row_labels({"participant_id": "sub-01", "session_id": None, "run": "n/a", "age": "31"})
    ('sub-01', '', '')
    """
    participant, session, run = (str(row.get(name) or "") for name in LABELS)
    return participant, "" if is_missing(session) else session, "" if is_missing(run) else run


def row_name(row: Mapping[str, Any]) -> str:
    """Return the name of a row in messages.

    Parameters
    ----------
    row : dict

    Returns
    -------
    str

    Examples
    --------
    >>> row_name({"participant_id": "sub-01", "session_id": "ses-2", "run": "run-1"})
    'sub-01 ses-2 run-1'
    """
    return " ".join(filter(None, row_labels(row)))


def hash_labels(labels: Sequence[Labels]) -> str:
    """Hash the labels of rows in order.

    Parameters
    ----------
    labels : sequence of (str, str, str)

    Returns
    -------
    str
        16 hexadecimal digits.

    Examples
    --------
    >>> hash_labels([("sub-01", "", "")])
    'c3da273f0aec996c'
    """
    text = "\n".join(map("\t".join, labels))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def row_table_paths(store: Path) -> list[Path]:
    """List the folders of the tables of rows in order.

    Parameters
    ----------
    store : Path
        Folder of the store.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If a table of the sequence does not exist.
    """
    paths = [path for path in rows_folder(store).glob("[0-9]*") if path.name.isdecimal()]
    paths.sort(key=lambda path: int(path.name))
    for number, path in enumerate(paths, 1):
        if path != _generation_path(store, number):
            message = (
                f"{_generation_path(store, number)}: the table of rows does not exist, but later ones do. "
                "Restore it from a copy, or delete the store and pack it again."
            )
            raise InputError(message)
    return paths


def _generation_path(store: Path, number: int) -> Path:
    return rows_folder(store) / f"{number:04d}"


def read_rows(store: Path) -> RowTables:
    """Read the rows of a store.

    Parameters
    ----------
    store : Path
        Folder of the store.

    Returns
    -------
    RowTables

    Raises
    ------
    InputError
        If a table is missing or damaged.
    """
    rows: dict[Labels, Mapping[str, str]] = {}
    sources: dict[Labels, str] = {}
    sha256 = ""
    paths = row_table_paths(store)
    for path in paths:
        facts = read_json(path / _FACTS)
        sha256 = _table_sha256(path, sha256)
        if facts.get("Sha256") != sha256:
            message = (
                f"{path / _TABLE}: this table or an earlier one was changed (hash {sha256[:12]}, not "
                f"{str(facts.get('Sha256'))[:12]}). Restore it from a copy, or delete the store and pack it "
                "again."
            )
            raise InputError(message)
        # A key that exists keeps its place.
        table = {row_labels(row): row for row in read_tsv(path / _TABLE)}
        rows |= table
        sources |= dict.fromkeys(table, str(facts.get("SourceDataset", "")))
    return RowTables(list(rows.values()), list(sources.values()), len(paths), sha256)


def _table_sha256(folder: Path, previous: str) -> str:
    """Hash a table of rows and, by their hash, those before it."""
    return hashlib.sha256(previous.encode() + (folder / _TABLE).read_bytes()).hexdigest()


def last_sha256(store: Path) -> str:
    """Return the hash of all tables of rows, as the last of them names it; empty without tables.

    Parameters
    ----------
    store : Path
        Folder of the store.

    Returns
    -------
    str
    """
    paths = row_table_paths(store)
    return str(read_json(paths[-1] / _FACTS).get("Sha256")) if paths else ""


def repeated_rows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the names that several rows share.

    Parameters
    ----------
    rows : sequence of dict

    Returns
    -------
    list of str
        In order.
    """
    names: dict[str, int] = {}
    for row in rows:
        names[row_name(row)] = names.get(row_name(row), 0) + 1
    return [name for name, n_rows in names.items() if n_rows > 1]


def changed_rows(
    store: Path, existing: RowTables, rows: Sequence[Mapping[str, Any]], source: str
) -> list[Mapping[str, str]]:
    """List the rows that a store lacks, or that have other cells in it.

    Parameters
    ----------
    store : Path
        Folder of the store, for messages.
    existing : RowTables
        Rows of the store.
    rows : sequence of dict
        Rows of the maps to pack.
    source : str
        Output dataset of `rows`.

    Returns
    -------
    list of dict of str to str
        Cells as in a table.

    Raises
    ------
    UserError
        If two of `rows` have the same labels, or the store holds other data under the labels of a row.
    """
    if duplicates := repeated_rows(rows):
        message = f"{source}: several sessions have the same labels ({abbreviate(duplicates)}). Rename them."
        raise UserError(message)
    numbers = existing.numbers()
    conflicts = [
        (row, numbers[row_labels(row)])
        for row in rows
        if row_labels(row) in numbers and not _is_same_data(existing, numbers[row_labels(row)], row, source)
    ]
    if conflicts:
        message = (
            f"{store}: {quantity(len(conflicts), 'session')} of {source} would be in the store twice: it "
            f"holds other data under the same labels ({abbreviate([row_name(row) for row, _ in conflicts])}"
            f"), packed from {existing.sources[conflicts[0][1]]}.\nIf these are other participants, rename "
            "them or choose another folder for the store. If the same participants were preprocessed again, "
            "create a new store. `exclude_participant_label` leaves them out."
        )
        raise UserError(message)
    table = _as_table(rows)
    return [
        row
        for row in table
        if row_labels(row) not in numbers or _cells(existing.rows[numbers[row_labels(row)]]) != _cells(row)
    ]


def _as_table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Convert rows to the cells that are read once the rows are written."""
    with TemporaryDirectory() as folder:
        path = Path(folder, _TABLE)
        write_tsv(path, join_columns([dict(row) for row in rows]))
        return read_tsv(path)


def _cells(row: Mapping[str, str]) -> dict[str, str]:
    """Return the cells with a value, since the columns of the tables differ."""
    return {name: cell for name, cell in row.items() if not is_missing(cell)}


def _is_same_data(existing: RowTables, number: int, row: Mapping[str, Any], source: str) -> bool:
    """Compare the hash of the data; if neither has one, compare the folders."""
    hashes = [str(item.get(DATA_HASH) or "") for item in (existing.rows[number], row)]
    if all(map(is_missing, hashes)):
        return existing.sources[number] == source
    return hashes[0] == hashes[1]


def _warn_of_equal_data(store: Path, existing: RowTables, rows: Sequence[Mapping[str, Any]]) -> None:
    """Warn of rows with the data of a row of the store that has other labels."""
    labels = set(existing.labels)
    names = {str(row.get(DATA_HASH) or ""): row_name(row) for row in existing.rows}
    pairs = [
        f"{row_name(row)} = {names[data_hash]}"
        for row in rows
        if row_labels(row) not in labels
        and not is_missing(data_hash := str(row.get(DATA_HASH) or ""))
        and data_hash in names
    ]
    if pairs:
        logger.warning(
            "%s: %s has the data of another row: %s. Check whether a participant is in the store twice.",
            store, quantity(len(pairs), "row"), abbreviate(pairs),
        )  # fmt: skip


def add_rows(store: Path, rows: Sequence[Mapping[str, Any]], source: str) -> RowTables:
    """Add the rows that a store lacks at its end, and replace the cells of those that have changed.

    If another process adds rows at the same time, its rows come first.

    Parameters
    ----------
    store : Path
        Folder of the store.
    rows : sequence of dict
        Rows of the maps to pack: labels, then further columns.
    source : str
        Output dataset of `rows`.

    Returns
    -------
    RowTables
        All rows of the store.

    Raises
    ------
    UserError
        See `changed_rows`.
    """
    while True:
        existing = read_rows(store)
        added_rows = changed_rows(store, existing, rows, source)
        if not added_rows:
            return existing
        _warn_of_equal_data(store, existing, added_rows)
        columns = join_columns(map(dict, added_rows))

        def fill(
            folder: Path, columns: Mapping[str, Sequence[object]] = columns, previous: str = existing.sha256
        ) -> None:
            write_tsv(folder / _TABLE, columns)
            facts = {"SourceDataset": source, "Sha256": _table_sha256(folder, previous)}
            write_json(folder / _FACTS, facts)

        create_folder(_generation_path(store, existing.n_tables + 1), fill)
