"""Packing of the maps of a set into a cohort store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bids_deeptaskgen.cohort_store.store.create import create_store, remove_stale_creations
from bids_deeptaskgen.cohort_store.store.description import read_description, refuse_difference
from bids_deeptaskgen.cohort_store.store.pack import pack_shards, read_row_values
from bids_deeptaskgen.cohort_store.store.row_tables import RowTables, add_rows, read_rows, row_name
from bids_deeptaskgen.cohort_store.store.shards import RowRecord, ShardStates, read_states, shards_of_task
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
    n_written : int
        Number of shards that were written.
    n_rows : int
        Number of rows of the store.
    n_shards : int
        Number of shards of the store.
    incomplete : sequence of int
        Shards that are incomplete after packing, those of other tasks included.
    rows_without_maps : dict of str to list of str
        Names of the rows without maps in the shards of the task, by the dataset that they come from.
    outdated : sequence of str
        Names of the rows whose maps are not those of the dataset.
    reasons : dict of str to None
        Why maps are missing, in order.
    """

    store: Path
    n_written: int
    n_rows: int
    n_shards: int
    incomplete: Sequence[int]
    rows_without_maps: Mapping[str, Sequence[str]]
    outdated: Sequence[str]
    reasons: Mapping[str, None]

    @property
    def is_successful(self) -> bool:
        """Return whether the shards of the task have all maps, and those of the dataset as it is now."""
        return not (self.reasons or self.rows_without_maps or self.outdated)


def pack_source(
    store: Path, source: StoreSource, task: tuple[int, int] = ONLY_TASK, *, verify: bool = False
) -> PackOutcome:
    """Write maps to a store: create it or add rows, then write incomplete and outdated shards.

    Parameters
    ----------
    store : Path
        Folder of the store.
    source : StoreSource
    task : (int, int)
        Number of the task, from 1, and number of tasks among which the shards are divided.
    verify : bool
        Read the packed rows of the source, and write those that are damaged again.

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
    remove_stale_creations(store)
    if not create_store(store, source.description, software_versions()["bids-deeptaskgen"]):
        existing = read_description(store)
        refuse_difference(store, existing, source.description)
        source = replace(source, description=existing)
    tables = add_rows(store, source.rows, source.name)
    results = source.by_row(tables)
    states = read_states(store, source.description, tables)
    shards = [
        shard
        for shard in shards_of_task(len(states.shards), task)
        if any(
            row.faults
            or not source.is_packed(results[number], row)
            or (verify and read_row_values(store, number, row) is None)
            for number, row in _rows_of_shard(source, tables, states, shard)
            if number in results
        )
    ]
    records = pack_shards(store, lambda row: source.read(results.get(row)), shards, tables)
    return _outcome(store, source, task, sum(record is not None for record in records.values()))


def _rows_of_shard(
    source: StoreSource, tables: RowTables, states: ShardStates, shard: int
) -> Iterator[tuple[int, RowRecord]]:
    return zip(source.description.shard_rows(shard, len(tables)), states.shards[shard].rows, strict=True)


def _outcome(store: Path, source: StoreSource, task: tuple[int, int], n_written: int) -> PackOutcome:
    """Read what the store has now; other processes may have written it at the same time."""
    tables = read_rows(store)
    results = source.by_row(tables)
    states = read_states(store, source.description, tables)
    rows_without_maps: dict[str, list[str]] = {}
    outdated, reasons = [], dict[str, None]()
    for shard in shards_of_task(len(states.shards), task):
        for number, row in _rows_of_shard(source, tables, states, shard):
            if not row.is_packed:
                rows_without_maps.setdefault(tables.sources[number], []).append(row_name(tables.rows[number]))
            elif number in results:
                reasons |= dict.fromkeys(row.faults.values())
                if not source.is_packed(results[number], row):
                    outdated.append(row_name(tables.rows[number]))
    n_shards = len(states.shards)
    return PackOutcome(
        store, n_written, len(tables), n_shards, states.incomplete, rows_without_maps, outdated, reasons
    )


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
    n_complete = outcome.n_shards - len(outcome.incomplete)
    lines = [
        f"{outcome.store}: {quantity(outcome.n_written, 'shard')} written; {n_complete} of "
        f"{outcome.n_shards} complete, {quantity(outcome.n_rows, 'row')}."
    ]
    lines += [
        f"  Without maps: {quantity(len(names), 'row')} ({abbreviate(names)}). Run `deeptaskgen store pack "
        f"{dataset} {outcome.store}`."
        for dataset, names in outcome.rows_without_maps.items()
    ]
    if outcome.outdated:
        lines.append(
            f"  Changed meanwhile: {quantity(len(outcome.outdated), 'row')} "
            f"({abbreviate(outcome.outdated)}). Run this command again."
        )
    if outcome.incomplete:
        shards = abbreviate([str(shard) for shard in outcome.incomplete])
        lines.append(
            f"  Incomplete: shards {shards}. Run `deeptaskgen store pack` again, or its other tasks."
        )
    lines += [f"  Missing map: {' '.join(reason.split())}" for reason in reasons]
    return "".join(f"{line}\n" for line in lines)
