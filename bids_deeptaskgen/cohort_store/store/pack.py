"""Packing of rows into shards.

Several processes may write the same shard. Each notes the state of the shard, and compares it before it
renames its files and before and after it writes the record; if another process was faster, it starts again
from what that one has written.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.store.create import extend_arrays
from bids_deeptaskgen.cohort_store.store.description import StoreDescription, read_description
from bids_deeptaskgen.cohort_store.store.layout import MAPS, ROI_CONNECTOMES
from bids_deeptaskgen.cohort_store.store.row_tables import (
    RowTables,
    hash_labels,
    last_sha256,
    read_rows,
    row_name,
)
from bids_deeptaskgen.cohort_store.store.shard_facts import ShardFacts, read_facts
from bids_deeptaskgen.cohort_store.store.shard_files import read_array_row, write_shard_files
from bids_deeptaskgen.cohort_store.store.shards import (
    UNPACKED,
    RowRecord,
    ShardRecord,
    array_names,
    read_state,
    row_checksum,
    write_record,
)
from bids_deeptaskgen.errors import InputError, UserError

logger = logging.getLogger("bids_deeptaskgen")

NO_VALUES = "the map has no value in the mask of the maps"
# Other processes that write a shard make this one write it again, at most so many times.
MAX_ATTEMPTS = 20


@dataclass(frozen=True)
class RowContent:
    """Maps of a row of a store.

    Attributes
    ----------
    maps : array of shape (n_contrasts, n_voxels)
        NaN where a map has no value.
    roi_connectome : array of shape (n_rois, n_rois) or None
    source : str
        Hash that changes if the source of the maps changes.
    faults : dict of str to str
        Reasons by label of the contrasts whose map cannot be used.
    absent_labels : tuple of str
        Labels of the contrasts that the source does not have.
    """

    maps: NDArray[np.floating]
    roi_connectome: NDArray[np.floating] | None = None
    source: str = ""
    faults: dict[str, str] = field(default_factory=dict)
    absent_labels: tuple[str, ...] = ()


# Reads a row by its number, from 0; None if its maps are not available, which keeps the packed ones.
ReadRow = Callable[[int], RowContent | None]


class _ShardChangedError(Exception):
    """Another process has written the shard, or has added rows."""


def pack_shards(
    store: Path, read_row: ReadRow, shards: Iterable[int], tables: RowTables | None = None
) -> dict[int, ShardRecord | None]:
    """Write shards of a store; rows whose maps are not available are packed later.

    Parameters
    ----------
    store : Path
        Folder of the store, with the rows.
    read_row : callable
        Returns the content of a row.
    shards : iterable of int
        Shards to write, complete or not.
    tables : RowTables or None
        Rows that the numbers of `read_row` concern; those of the store by default.

    Returns
    -------
    dict of int to ShardRecord or None
        None for a shard that is unchanged: without any available row, or since other processes write it.

    Raises
    ------
    UserError
        If a value exceeds the range of float16.
    InputError
        If another store has taken the place of this one.
    """
    tables = read_rows(store) if tables is None else tables
    extend_arrays(store, len(tables))
    writer = _ShardWriter(store, read_description(store), tables, read_row)
    records: dict[int, ShardRecord | None] = {}
    for shard in shards:
        for _ in range(MAX_ATTEMPTS):
            writer = writer.follow_tables()
            try:
                records[shard] = writer.write(shard)
            except _ShardChangedError:
                continue
            break
        else:
            records[shard] = None
            logger.warning(
                "%s: other processes write shard %d all the time; it is left to them", store, shard
            )
        logger.info("%s: shard %d (%s)", store, shard, "written" if records[shard] else "left as it is")
    # A process with fewer rows may have written the metadata meanwhile.
    extend_arrays(store, len(read_rows(store)))
    return records


@dataclass(frozen=True)
class _ShardWriter:
    """Writer of the shards of a store.

    Attributes
    ----------
    store : Path
    description : StoreDescription
    tables : RowTables
    read_row : callable
    """

    store: Path
    description: StoreDescription
    tables: RowTables
    read_row: ReadRow

    def follow_tables(self) -> "_ShardWriter":
        """Read the tables of rows again if there are others than before."""
        if last_sha256(self.store) == self.tables.sha256:
            return self
        tables = read_rows(self.store)
        if tables.labels[: len(self.tables)] != self.tables.labels:
            message = f"{self.store}: another store has taken its place meanwhile. Run this command again."
            raise InputError(message)
        extend_arrays(self.store, len(tables))
        return replace(self, tables=tables)

    def write(self, shard: int) -> ShardRecord | None:
        """Write a shard and its record."""
        facts = read_facts(self.store, self.description, shard)
        state = read_state(self.store, self.description, self.tables, shard)
        rows = self.description.shard_rows(shard, len(self.tables))
        n_rois, n_maps = self.description.n_rois, len(self.description.labels)
        maps = np.full((len(rows), n_maps, self.description.n_voxels), np.nan, self.description.dtype)
        connectomes = np.full((len(rows), n_rois, n_rois), np.nan, np.float32)
        records = tuple(
            self._fill_row(row, state.recorded_rows[i], maps[i], connectomes[i]) for i, row in enumerate(rows)
        )
        if not any(record.is_packed for record in records):
            return None
        arrays = {MAPS: maps, ROI_CONNECTOMES: connectomes}
        arrays = {name: arrays[name] for name in array_names(self.description)}
        files = write_shard_files(self.store, shard, arrays, lambda: self._confirm(shard, facts))
        self._confirm(shard, replace(facts, files=files))
        n_bytes = {name: identity[1] if identity else 0 for name, identity in files.items()}
        rows_hash = hash_labels(self.tables.labels[rows.start : rows.stop])
        record = ShardRecord(n_bytes, records, rows_hash)
        write_record(self.store, shard, record)
        self._confirm(shard, replace(facts, files=files, record=record))
        return record

    def _confirm(self, shard: int, expected: ShardFacts) -> None:
        if read_facts(self.store, self.description, shard) != expected:
            raise _ShardChangedError

    def _fill_row(
        self, row: int, packed_row: RowRecord, maps: NDArray[Any], connectome: NDArray[Any]
    ) -> RowRecord:
        """Copy the values of a row from its source, or else from the store."""
        content = self.read_row(row)
        if content is None or _is_worse(content, packed_row):
            content = self._stored_content(row, packed_row) or content
        if content is None:
            return UNPACKED
        name = row_name(self.tables.rows[row])
        record = self._add_maps(maps, content, name)
        record = replace(record, has_roi_connectome=self._add_connectome(connectome, content, name))
        return replace(record, checksum=row_checksum(record, maps, connectome))

    def _add_maps(self, target: NDArray[Any], content: RowContent, name: str) -> RowRecord:
        """Copy the maps of a row, and record those without values."""
        labels = self.description.labels
        self._check_shape(content.maps, target.shape, f"maps of {name}")
        with np.errstate(over="ignore"):
            target[...] = content.maps
        self._refuse_overflow(target, content.maps, name)
        faults = dict(content.faults)
        absent_labels = tuple(label for label in labels if label in content.absent_labels)
        for label, values in zip(labels, target, strict=True):
            if label in faults or label in absent_labels:
                values[:] = np.nan
            elif np.isnan(values[0]) and np.isnan(values).all():
                # One bit pattern of NaN, for the checksum.
                values[:] = np.nan
                faults[label] = f"{name}, {label}: {NO_VALUES}. Delete the map and re-run this participant."
        return RowRecord(content.source, faults, absent_labels)

    def _add_connectome(self, target: NDArray[Any], content: RowContent, name: str) -> bool:
        """Copy the ROI connectome of a row; return whether it has values."""
        if content.roi_connectome is None or not self.description.n_rois:
            return False
        self._check_shape(content.roi_connectome, target.shape, f"ROI connectome of {name}")
        target[...] = content.roi_connectome
        if np.isfinite(target).any():
            return True
        target[...] = np.nan
        return False

    def _check_shape(self, values: NDArray[Any], shape: tuple[int, ...], name: str) -> None:
        if np.shape(values) != shape:
            message = f"{name}: has the shape {np.shape(values)}; the store has {shape}."
            raise ValueError(message)

    def _refuse_overflow(self, target: NDArray[Any], values: NDArray[np.floating], name: str) -> None:
        if self.description.precision != "float16":
            return
        is_lost = np.isinf(target) & np.isfinite(values)
        if is_lost.any():
            label = self.description.labels[int(np.argmax(is_lost.any(axis=1)))]
            message = (
                f"{name}, {label}: the value {np.asarray(values)[is_lost][0]:g} exceeds the range of float16 "
                f"({np.finfo(np.float16).max:g}). Pack the maps into a new store with `precision` float32."
            )
            raise UserError(message)

    def _stored_content(self, row: int, record: RowRecord) -> RowContent | None:
        """Read a row of the store; None if it is not packed or is damaged."""
        if not record.is_packed:
            return None
        values = read_row_values(self.store, row, record)
        if values is None:
            logger.warning("%s: the values of %s are damaged", self.store, row_name(self.tables.rows[row]))
            return None
        return RowContent(*values, record.source, dict(record.faults), record.absent_labels)


def _is_worse(content: RowContent, packed_row: RowRecord) -> bool:
    """Return whether a source has maps that were readable when it was packed."""
    return content.source == packed_row.source and packed_row.faults.keys() < content.faults.keys()


def read_row_values(
    store: Path, row: int, record: RowRecord
) -> tuple[NDArray[Any], NDArray[Any] | None] | None:
    """Read the values of a packed row.

    Parameters
    ----------
    store : Path
        Folder of the store.
    row : int
    record : RowRecord

    Returns
    -------
    (array of shape (n_contrasts, n_voxels), array of shape (n_rois, n_rois) or None) or None
        None if its values are damaged or are not those of its record.
    """
    maps = read_array_row(store, MAPS, row)
    connectome = read_array_row(store, ROI_CONNECTOMES, row) if record.has_roi_connectome else None
    if maps is None or (record.has_roi_connectome and connectome is None):
        return None
    return (maps, connectome) if row_checksum(record, maps, connectome) == record.checksum else None
