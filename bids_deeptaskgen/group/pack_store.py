"""Packing of the maps of a set into a cohort store."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.cohort_store.store.create import create_store
from bids_deeptaskgen.cohort_store.store.description import read_description, refuse_difference
from bids_deeptaskgen.cohort_store.store.pack import RowContent, pack_shards
from bids_deeptaskgen.cohort_store.store.row_tables import add_rows, row_labels
from bids_deeptaskgen.cohort_store.store.shards import ShardRecord, read_states, shards_of_task
from bids_deeptaskgen.errors import abbreviate, quantity
from bids_deeptaskgen.group.store_source import StoreSource, check_source
from bids_deeptaskgen.io.atomic import remove_stale_files
from bids_deeptaskgen.machine import software_versions

ONLY_TASK = (1, 1)


@dataclass(frozen=True)
class PackOutcome:
    """Result of packing.

    Attributes
    ----------
    store : Path
        Folder of the store.
    records : dict of int to ShardRecord or None
        Shards that were to be packed; None for those that need maps of participants who are not selected.
    n_rows : int
        Number of rows of the store.
    n_shards : int
        Number of shards of the store.
    incomplete : sequence of int
        Shards that are incomplete after packing, those of other tasks included.
    reasons : dict of str to None
        Why maps are missing, in order.
    """

    store: Path
    records: Mapping[int, ShardRecord | None]
    n_rows: int
    n_shards: int
    incomplete: Sequence[int]
    reasons: Mapping[str, None]

    @property
    def is_successful(self) -> bool:
        """Return whether all maps of the shards could be packed."""
        return not self.reasons and None not in self.records.values()


def pack_source(store: Path, source: StoreSource, task: tuple[int, int] = ONLY_TASK) -> PackOutcome:
    """Write maps to a store: create it or add rows, then write incomplete and outdated shards.

    Parameters
    ----------
    store : Path
        Folder of the store.
    source : StoreSource
    task : (int, int)
        Number of the task, from 1, and number of tasks among which the shards are divided.

    Returns
    -------
    PackOutcome

    Raises
    ------
    UserError
        See `check_source`; also if another process has created a store of other maps.
    """
    check_source(store, source)
    remove_stale_files(store)
    remove_stale_files(store.parent, recursive=False)
    if not create_store(store, source.description, software_versions()["bids-deeptaskgen"]):
        existing = read_description(store)
        refuse_difference(store, existing, source.description)
        source = replace(source, description=existing)
    tables = add_rows(store, source.rows, source.name)
    numbers = tables.numbers()
    results = {
        numbers[row_labels(row)]: result for row, result in zip(source.rows, source.results, strict=True)
    }
    shards = _shards_to_pack(store, source, results, len(tables), task)
    records = pack_shards(store, _row_reader(source, results), shards)
    reasons = {
        reason: None
        for record in records.values()
        if record is not None
        for row in record.rows
        for reason in row.faults.values()
    }
    states = read_states(store, source.description, len(tables))
    return PackOutcome(store, records, len(tables), len(states.problems), states.incomplete, reasons)


def _row_reader(source: StoreSource, results: Mapping[int, Result]) -> Callable[[int], RowContent | None]:
    def read_row(row: int) -> RowContent | None:
        return source.read(results[row]) if row in results else None

    return read_row


def _shards_to_pack(
    store: Path, source: StoreSource, results: Mapping[int, Result], n_rows: int, task: tuple[int, int]
) -> list[int]:
    """List the shards of a task that are incomplete, have faults, or have other sources now."""
    states = read_states(store, source.description, n_rows)
    shards = []
    for shard in shards_of_task(len(states.problems), task):
        record = states.records[shard]
        rows = source.description.shard_rows(shard, n_rows)
        packed_rows = () if states.problems[shard] or record is None else record.rows
        if not packed_rows or any(
            row in results and (packed.faults or packed.source != source.source_hash(results[row]))
            for row, packed in zip(rows, packed_rows, strict=True)
        ):
            shards.append(shard)
    return shards


def describe_outcome(outcome: PackOutcome, reasons: Iterable[str]) -> str:
    """Describe what was packed, what is incomplete, and which maps are missing.

    Parameters
    ----------
    outcome : PackOutcome
    reasons : iterable of str
        Why maps are missing.

    Returns
    -------
    str
        Lines.
    """
    n_written = sum(record is not None for record in outcome.records.values())
    n_complete = outcome.n_shards - len(outcome.incomplete)
    lines = [
        f"{outcome.store}: {quantity(n_written, 'shard')} written; {n_complete} of {outcome.n_shards} "
        f"complete, {quantity(outcome.n_rows, 'row')}."
    ]
    skipped = [str(shard) for shard, record in outcome.records.items() if record is None]
    if skipped:
        shards = abbreviate(skipped)
        lines.append(f"  Not written: shards {shards}, which need maps of participants who are not selected.")
    if outcome.incomplete:
        shards = abbreviate([str(shard) for shard in outcome.incomplete])
        lines.append(
            f"  Incomplete: shards {shards}. Run `deeptaskgen store pack` again, or its other tasks."
        )
    lines += [f"  Missing map: {' '.join(reason.split())}" for reason in reasons]
    return "".join(f"{line}\n" for line in lines)
