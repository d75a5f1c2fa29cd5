"""Shards of a cohort store: the record of each shard, and the state of all.

The record is written after the shard, and is the truth: a row is packed if the record of its shard says so,
the record is of these rows, and the files have the recorded sizes. `read_state` alone decides that.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.store.description import StoreDescription
from bids_deeptaskgen.cohort_store.store.layout import MAPS, ROI_CONNECTOMES, record_path, shard_path
from bids_deeptaskgen.cohort_store.store.row_tables import RowTables, hash_labels
from bids_deeptaskgen.errors import InputError, UserError, quantity
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.json_file import read_json

NOT_PACKED = "is not packed"


@dataclass(frozen=True)
class RowRecord:
    """Row of a shard.

    Attributes
    ----------
    source : str
        Hash of the source of its maps.
    faults : dict of str to str
        Reasons by label of the contrasts whose map cannot be used.
    absent_labels : tuple of str
        Labels of the contrasts that the source does not have.
    has_roi_connectome : bool
    checksum : int
        See `row_checksum`.
    is_packed : bool
        False for a row whose maps are not in the shard yet.
    """

    source: str = ""
    faults: Mapping[str, str] = field(default_factory=dict)
    absent_labels: tuple[str, ...] = ()
    has_roi_connectome: bool = False
    checksum: int = 0
    is_packed: bool = True

    @property
    def missing_labels(self) -> set[str]:
        """Return the labels of the contrasts without values, of a packed row."""
        return {*self.faults, *self.absent_labels}


UNPACKED = RowRecord(is_packed=False)


def row_checksum(record: RowRecord, maps: NDArray[Any], connectome: NDArray[Any] | None) -> int:
    """Compute the checksum (CRC-32) of a packed row: of its record and its stored values.

    Parameters
    ----------
    record : RowRecord
    maps : array of shape (n_contrasts, n_voxels)
        In the precision of the store.
    connectome : float32 array of shape (n_rois, n_rois) or None
        Ignored if the record has none.

    Returns
    -------
    int
    """
    facts = [record.source, *sorted(record.missing_labels), str(record.has_roi_connectome)]
    checksum = zlib.crc32(np.ascontiguousarray(maps).data, zlib.crc32("\n".join(facts).encode()))
    if connectome is None or not record.has_roi_connectome:
        return checksum
    return zlib.crc32(np.ascontiguousarray(connectome).data, checksum)


@dataclass(frozen=True)
class ShardRecord:
    """Record of a shard.

    Attributes
    ----------
    n_bytes : dict of str to int
        Size of the shard of each array; 0 if it has no values, which needs no file.
    rows : tuple of RowRecord
        In order.
    rows_hash : str
        Hash of the labels of the rows.
    """

    n_bytes: Mapping[str, int]
    rows: tuple[RowRecord, ...]
    rows_hash: str


def write_record(store: Path, shard: int, record: ShardRecord) -> None:
    """Write the record of a shard; call this after its files are written.

    Parameters
    ----------
    store : Path
        Folder of the store.
    shard : int
    record : ShardRecord
    """
    content = {
        "Bytes": dict(record.n_bytes),
        "RowLabelsHash": record.rows_hash,
        "Rows": [_format_row(row) for row in record.rows],
    }
    write_json(record_path(store, shard), content)


def _format_row(row: RowRecord) -> dict[str, Any] | None:
    if not row.is_packed:
        return None
    faults = [
        {"Reason": reason, "Contrasts": [label for label in row.faults if row.faults[label] == reason]}
        for reason in dict.fromkeys(row.faults.values())
    ]
    return {
        "Source": row.source,
        "Faults": faults,
        "Absent": list(row.absent_labels),
        "RoiConnectome": row.has_roi_connectome,
        "Checksum": row.checksum,
    }


def read_record(store: Path, shard: int) -> ShardRecord | None:
    """Read the record of a shard.

    Parameters
    ----------
    store : Path
        Folder of the store.
    shard : int

    Returns
    -------
    ShardRecord or None
        None without a record, or if it is damaged: then no row of the shard is packed.
    """
    path = record_path(store, shard)
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        return ShardRecord(
            {str(name): int(n_bytes) for name, n_bytes in content["Bytes"].items()},
            tuple(map(_parse_row, content["Rows"])),
            str(content["RowLabelsHash"]),
        )
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _parse_row(row: Mapping[str, Any] | None) -> RowRecord:
    if row is None:
        return UNPACKED
    faults = {str(label): str(item["Reason"]) for item in row["Faults"] for label in item["Contrasts"]}
    return RowRecord(
        str(row["Source"]),
        faults,
        tuple(map(str, row["Absent"])),
        bool(row["RoiConnectome"]),
        int(row["Checksum"]),
    )


def array_names(description: StoreDescription) -> tuple[str, ...]:
    """Return the names of the arrays that have shards.

    Parameters
    ----------
    description : StoreDescription

    Returns
    -------
    tuple of str
    """
    return (MAPS, ROI_CONNECTOMES) if description.n_rois else (MAPS,)


@dataclass(frozen=True)
class ShardState:
    """State of a shard.

    Attributes
    ----------
    problem : str
        Why rows of the shard are not packed; empty if all of them are.
    rows : tuple of RowRecord
        Records of all rows that the shard should have; those that cannot be read are not packed.
    recorded_rows : tuple of RowRecord
        Like `rows`, with those of files of another size, of which some may have the values of their checksum.
    """

    problem: str
    rows: tuple[RowRecord, ...]
    recorded_rows: tuple[RowRecord, ...]


def read_state(store: Path, description: StoreDescription, tables: RowTables, shard: int) -> ShardState:
    """Read the state of a shard.

    Parameters
    ----------
    store : Path
        Folder of the store.
    description : StoreDescription
    tables : RowTables
        Rows of the store.
    shard : int

    Returns
    -------
    ShardState
    """
    rows = description.shard_rows(shard, len(tables))
    record = read_record(store, shard)
    unpacked_rows = (UNPACKED,) * len(rows)
    if record is None:
        return ShardState(NOT_PACKED, unpacked_rows, unpacked_rows)
    # Rows that were added since are not in the record.
    labels = tables.labels[rows.start : rows.stop][: len(record.rows)]
    if len(record.rows) > len(rows) or hash_labels(labels) != record.rows_hash:
        return ShardState("has a record of other rows", unpacked_rows, unpacked_rows)
    recorded_rows = record.rows + unpacked_rows[len(record.rows) :]
    if problem := _size_problem(store, description, shard, record):
        return ShardState(problem, unpacked_rows, recorded_rows)
    n_lacking = sum(not row.is_packed for row in recorded_rows)
    problem = f"lacks the maps of {quantity(n_lacking, 'row')}" if n_lacking else ""
    return ShardState(problem, recorded_rows, recorded_rows)


def _size_problem(store: Path, description: StoreDescription, shard: int, record: ShardRecord) -> str:
    for name in array_names(description):
        path = shard_path(store, name, shard)
        n_bytes = path.stat().st_size if path.is_file() else 0
        if n_bytes != record.n_bytes.get(name):
            size = f"has {n_bytes:,} bytes" if path.is_file() else "does not exist"
            return f"the file {path} {size}, and its record has {record.n_bytes.get(name, 0):,} bytes"
    return ""


@dataclass(frozen=True)
class ShardStates:
    """States of all shards.

    Attributes
    ----------
    shards : sequence of ShardState
    """

    shards: Sequence[ShardState]

    @property
    def problems(self) -> list[str]:
        """Return the problem of each shard; empty text for complete shards."""
        return [state.problem for state in self.shards]

    @property
    def incomplete(self) -> list[int]:
        """Return the numbers of the incomplete shards."""
        return [shard for shard, state in enumerate(self.shards) if state.problem]

    @property
    def rows(self) -> list[RowRecord]:
        """Return the records of all rows of the store."""
        return [row for state in self.shards for row in state.rows]


def read_states(store: Path, description: StoreDescription, tables: RowTables) -> ShardStates:
    """Read the state of all shards.

    Parameters
    ----------
    store : Path
        Folder of the store; may not exist.
    description : StoreDescription
    tables : RowTables
        Rows of the store.

    Returns
    -------
    ShardStates
    """
    n_shards = description.n_shards(len(tables))
    return ShardStates([read_state(store, description, tables, shard) for shard in range(n_shards)])


def shards_of_task(n_shards: int, task: tuple[int, int]) -> range:
    """Return the shards of one of several tasks, which write them at the same time.

    Parameters
    ----------
    n_shards : int
    task : (int, int)
        Number of the task, from 1, and number of tasks.

    Returns
    -------
    range

    Raises
    ------
    UserError
        If there is no such task.

    Examples
    --------
    >>> list(shards_of_task(8, (2, 3)))
    [1, 4, 7]
    """
    number, n_tasks = task
    if not 1 <= number <= n_tasks:
        message = f"`task` is {number}/{n_tasks}; it must be from 1/{n_tasks} to {n_tasks}/{n_tasks}."
        raise UserError(message)
    return range(number - 1, n_shards, n_tasks)
