"""Comparison of a cohort store at two moments, between which other processes may have written it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.cohort_store.store.description import StoreDescription
from bids_deeptaskgen.cohort_store.store.layout import shard_path
from bids_deeptaskgen.cohort_store.store.row_tables import RowTables, last_sha256, read_rows
from bids_deeptaskgen.cohort_store.store.shard_files import FileIdentity, file_identity
from bids_deeptaskgen.cohort_store.store.shards import (
    ShardRecord,
    ShardStates,
    array_names,
    read_record,
    read_states,
)

# A table of rows is added once by each dataset that is packed.
_MAX_READS = 20


@dataclass(frozen=True)
class ShardFacts:
    """What a store has of a shard; another process that writes the shard changes it.

    Attributes
    ----------
    files : dict of str to FileIdentity or None
        By name of the array.
    record : ShardRecord or None
    tables_sha256 : str
        Hash of the tables of rows.
    """

    files: Mapping[str, FileIdentity | None]
    record: ShardRecord | None
    tables_sha256: str


def read_facts(store: Path, description: StoreDescription, shard: int) -> ShardFacts:
    """Read what a store has of a shard.

    Parameters
    ----------
    store : Path
        Folder of the store.
    description : StoreDescription
    shard : int

    Returns
    -------
    ShardFacts
    """
    return ShardFacts(
        files={name: file_identity(shard_path(store, name, shard)) for name in array_names(description)},
        record=read_record(store, shard),
        tables_sha256=last_sha256(store),
    )


def read_rows_and_states(store: Path, description: StoreDescription) -> tuple[RowTables, ShardStates]:
    """Read the rows of a store, and the state of all shards for these rows.

    If another process adds rows in the meantime, a record may have more rows than were read; both are read
    again.

    Parameters
    ----------
    store : Path
        Folder of the store.
    description : StoreDescription

    Returns
    -------
    RowTables
    ShardStates
    """
    n_reads = 0
    while True:
        tables = read_rows(store)
        states = read_states(store, description, tables)
        n_reads += 1
        if last_sha256(store) == tables.sha256 or n_reads == _MAX_READS:
            return tables, states
