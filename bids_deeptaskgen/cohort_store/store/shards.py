"""Shards of a cohort store: the record of each complete shard, and the state of all.

The record is written after the shard. A shard counts as complete only if its record covers all of its rows
and its files have the recorded sizes, so that a process can be killed at any moment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bids_deeptaskgen.cohort_store.store.description import StoreDescription
from bids_deeptaskgen.cohort_store.store.layout import MAPS, ROI_CONNECTOMES, record_path, shard_path
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.json_file import read_json

NOT_PACKED = "is not packed"


@dataclass(frozen=True)
class RowRecord:
    """Row of a complete shard.

    Attributes
    ----------
    source : str
        Hash of the source of its maps.
    faults : dict of str to str
        Reasons by label of the contrasts whose map cannot be used.
    absent_labels : tuple of str
        Labels of the contrasts that the source does not have.
    has_roi_connectome : bool
    """

    source: str = ""
    faults: Mapping[str, str] = field(default_factory=dict)
    absent_labels: tuple[str, ...] = ()
    has_roi_connectome: bool = False

    @property
    def missing_labels(self) -> set[str]:
        """Return the labels of the contrasts without values."""
        return {*self.faults, *self.absent_labels}


@dataclass(frozen=True)
class ShardRecord:
    """Record of a complete shard.

    Attributes
    ----------
    n_bytes : dict of str to int
        Size of the shard of each array; 0 if it has no values, which needs no file.
    rows : tuple of RowRecord
        In order.
    """

    n_bytes: Mapping[str, int]
    rows: tuple[RowRecord, ...]

    @property
    def has_faults(self) -> bool:
        """Return whether a map could not be used."""
        return any(row.faults for row in self.rows)


def write_record(store: Path, shard: int, record: ShardRecord) -> None:
    """Write the record of a shard; call this after its files are written.

    Parameters
    ----------
    store : Path
        Folder of the store.
    shard : int
    record : ShardRecord
    """
    rows = [
        {
            "Source": row.source,
            "Faults": [
                {
                    "Reason": reason,
                    "Contrasts": [label for label in row.faults if row.faults[label] == reason],
                }
                for reason in dict.fromkeys(row.faults.values())
            ],
            "Absent": list(row.absent_labels),
            "RoiConnectome": row.has_roi_connectome,
        }
        for row in record.rows
    ]
    write_json(record_path(store, shard), {"Bytes": dict(record.n_bytes), "Rows": rows})


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
        None without a record, or if it is damaged: then the shard is not complete.
    """
    path = record_path(store, shard)
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        return ShardRecord(
            {str(name): int(n_bytes) for name, n_bytes in content["Bytes"].items()},
            tuple(map(_parse_row, content["Rows"])),
        )
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _parse_row(row: Mapping[str, Any]) -> RowRecord:
    faults = {str(label): str(item["Reason"]) for item in row["Faults"] for label in item["Contrasts"]}
    return RowRecord(str(row["Source"]), faults, tuple(map(str, row["Absent"])), bool(row["RoiConnectome"]))


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


def shard_problem(
    store: Path, description: StoreDescription, shard: int, n_rows: int, record: ShardRecord | None
) -> str:
    """Describe why a shard is incomplete.

    Parameters
    ----------
    store : Path
        Folder of the store.
    description : StoreDescription
    shard : int
    n_rows : int
        Number of rows of the store.
    record : ShardRecord or None
        From `read_record`.

    Returns
    -------
    str
        Empty if the shard is complete.
    """
    n_planned = len(description.shard_rows(shard, n_rows))
    if record is None:
        return NOT_PACKED
    if len(record.rows) != n_planned:
        return f"has {len(record.rows)} of {n_planned} rows"
    for name in array_names(description):
        path = shard_path(store, name, shard)
        n_bytes = path.stat().st_size if path.is_file() else 0
        if n_bytes != record.n_bytes.get(name):
            size = f"has {n_bytes:,} bytes" if path.is_file() else "does not exist"
            return f"the file {path} {size}, and its record has {record.n_bytes.get(name, 0):,} bytes"
    return ""


@dataclass(frozen=True)
class ShardStates:
    """Records and problems of all shards.

    Attributes
    ----------
    records : sequence of ShardRecord or None
    problems : sequence of str
        Empty text for complete shards.
    """

    records: Sequence[ShardRecord | None]
    problems: Sequence[str]

    @property
    def incomplete(self) -> list[int]:
        """Return the numbers of the incomplete shards."""
        return [shard for shard, problem in enumerate(self.problems) if problem]


def read_states(store: Path, description: StoreDescription, n_rows: int) -> ShardStates:
    """Read the state of all shards.

    Parameters
    ----------
    store : Path
        Folder of the store.
    description : StoreDescription
    n_rows : int
        Number of rows of the store.

    Returns
    -------
    ShardStates
    """
    records = [read_record(store, shard) for shard in range(description.n_shards(n_rows))]
    problems = [
        shard_problem(store, description, shard, n_rows, record) for shard, record in enumerate(records)
    ]
    return ShardStates(records, problems)


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
