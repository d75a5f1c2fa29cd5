"""Writing of shards: each is encoded in memory, written to a temporary file and renamed.

Zarr itself would read a shard that it replaces in parts, which fails if that shard is damaged, and would
leave temporary files whose process is unknown. Here, the encoded bytes are those of Zarr, and the file has a
temporary name of the project, so that a later run removes those of killed processes and no others.
"""

import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.store.create import extend_arrays
from bids_deeptaskgen.cohort_store.store.description import StoreDescription, read_description
from bids_deeptaskgen.cohort_store.store.layout import MAPS, ROI_CONNECTOMES, ZARR_JSON, shard_path
from bids_deeptaskgen.cohort_store.store.row_tables import read_rows, row_name, row_table_paths
from bids_deeptaskgen.cohort_store.store.shards import (
    RowRecord,
    ShardRecord,
    read_record,
    write_record,
)
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import atomic_path

logger = logging.getLogger("bids_deeptaskgen")

NO_VALUES = "the map has no value in the mask of the maps"


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


# Reads a row by its number, from 0; None if its source is not selected, which keeps the packed maps.
ReadRow = Callable[[int], RowContent | None]


def pack_shards(store: Path, read_row: ReadRow, shards: Iterable[int]) -> dict[int, ShardRecord | None]:
    """Write shards of a store.

    Several processes may write at once; two that write the same shard write the same bytes.

    Parameters
    ----------
    store : Path
        Folder of the store, with the rows.
    read_row : callable
        Returns the content of a row; it is called once for each row, in order.
    shards : iterable of int
        Shards to write, complete or not.

    Returns
    -------
    dict of int to ShardRecord or None
        None for a shard with a row that is neither readable nor in the store; the shard is unchanged.

    Raises
    ------
    UserError
        If a value exceeds the range of float16.
    """
    writer = _open_writer(store, read_row)
    records = {}
    for shard in shards:
        if len(row_table_paths(store)) != writer.n_tables:
            # Another process has added rows; a shard without them would replace its shard.
            writer = _open_writer(store, read_row)
        records[shard] = writer.write(shard)
        logger.info("%s: shard %d (%s)", store, shard, "written" if records[shard] else "left as it is")
    # A process with fewer rows may have written the metadata meanwhile.
    extend_arrays(store, len(read_rows(store)))
    return records


def _open_writer(store: Path, read_row: ReadRow) -> "_ShardWriter":
    n_tables = len(row_table_paths(store))
    names = tuple(row_name(row) for row in read_rows(store).rows)
    extend_arrays(store, len(names))
    return _ShardWriter(store, read_description(store), n_tables, names, read_row)


@dataclass(frozen=True)
class _ShardWriter:
    """Writer of the shards of a store.

    Attributes
    ----------
    store : Path
    description : StoreDescription
    n_tables : int
        Number of tables of rows.
    names : tuple of str
        Names of the rows.
    read_row : callable
    """

    store: Path
    description: StoreDescription
    n_tables: int
    names: tuple[str, ...]
    read_row: ReadRow

    def write(self, shard: int) -> ShardRecord | None:
        """Write a shard and its record."""
        rows = self.description.shard_rows(shard, len(self.names))
        labels, n_rois = self.description.labels, self.description.n_rois
        maps = np.full((len(rows), len(labels), self.description.n_voxels), np.nan, self.description.dtype)
        connectomes = np.full((len(rows), n_rois, n_rois), np.nan, np.float32)
        records = []
        for i, row in enumerate(rows):
            content = self.read_row(row) or self._packed_row(shard, i)
            if content is None:
                return None
            record = self._add_maps(maps[i], content, self.names[row])
            has_connectome = self._add_connectome(connectomes[i], content, self.names[row])
            records.append(replace(record, has_roi_connectome=has_connectome))
        n_bytes = {MAPS: write_array_shard(self.store, MAPS, shard, maps)}
        if n_rois:
            n_bytes[ROI_CONNECTOMES] = write_array_shard(self.store, ROI_CONNECTOMES, shard, connectomes)
        shard_record = ShardRecord(n_bytes, tuple(records))
        write_record(self.store, shard, shard_record)
        return shard_record

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
                faults[label] = f"{name}, {label}: {NO_VALUES}. Delete the map and re-run this participant."
        return RowRecord(content.source, faults, absent_labels)

    def _add_connectome(self, target: NDArray[Any], content: RowContent, name: str) -> bool:
        """Copy the ROI connectome of a row; return whether it has values."""
        if content.roi_connectome is None or not self.description.n_rois:
            return False
        self._check_shape(content.roi_connectome, target.shape, f"ROI connectome of {name}")
        target[...] = content.roi_connectome
        return bool(np.isfinite(target).any())

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

    def _packed_row(self, shard: int, i: int) -> RowContent | None:
        """Read a row of the store, whose source is not selected."""
        record = read_record(self.store, shard)
        if record is None or i >= len(record.rows):
            return None
        row = record.rows[i]
        start = shard * self.description.rows_per_shard + i
        maps = read_array_row(self.store, MAPS, start)
        connectome = read_array_row(self.store, ROI_CONNECTOMES, start) if row.has_roi_connectome else None
        if maps is None or (row.has_roi_connectome and (connectome is None or np.isnan(connectome).all())):
            return None
        # A shard that does not exist is read as NaN.
        labels = zip(self.description.labels, np.isnan(maps).all(axis=1), strict=True)
        if any(is_nan and label not in row.missing_labels for label, is_nan in labels):
            return None
        return RowContent(maps, connectome, row.source, dict(row.faults), row.absent_labels)


def read_array_row(store: Path, name: str, row: int) -> NDArray[Any] | None:
    """Read a row of an array.

    Parameters
    ----------
    store : Path
        Folder of the store.
    name : str
        Name of the array.
    row : int

    Returns
    -------
    array or None
        None if its bytes are damaged.
    """
    import zarr

    try:
        array: Any = zarr.open_array(store / name, mode="r")
        return np.asarray(array[row])
    # zarr and its codecs raise several types for damaged bytes.
    except (ValueError, RuntimeError, OSError, IndexError) as error:
        logger.debug("%s, row %d: %s", store / name, row, error)
        return None


def write_array_shard(store: Path, name: str, shard: int, values: NDArray[Any]) -> int:
    """Write a shard of an array.

    Parameters
    ----------
    store : Path
        Folder of the store.
    name : str
        Name of the array.
    shard : int
    values : array
        All rows of the shard.

    Returns
    -------
    int
        Size of the file in bytes; 0 if all values are NaN, which needs no file.
    """
    path = shard_path(store, name, shard)
    encoded = encode_shard(store / name, values)
    if encoded is None:
        path.unlink(missing_ok=True)
        return 0
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)
    return len(encoded)


def encode_shard(array_folder: Path, values: NDArray[Any]) -> memoryview | None:
    """Convert the rows of a shard to bytes, as Zarr does.

    Parameters
    ----------
    array_folder : Path
        Folder of the array, whose metadata name the codecs.
    values : array
        Rows of the shard, at most as many as it can have.

    Returns
    -------
    memoryview or None
        None if all values are NaN.
    """
    import json

    import zarr
    from zarr.buffer.cpu import Buffer
    from zarr.storage import MemoryStore

    metadata = json.loads((array_folder / ZARR_JSON).read_bytes())
    metadata["shape"][0] = metadata["chunk_grid"]["configuration"]["chunk_shape"][0]
    content: dict[str, Any] = {ZARR_JSON: Buffer.from_bytes(json.dumps(metadata).encode())}
    array: Any = zarr.open_array(MemoryStore(content), mode="r+")
    array[: len(values)] = values
    buffer = content.get(shard_path(Path(), "", 0).name)
    return None if buffer is None else memoryview(buffer.as_numpy_array())


def check_disk_space(store: Path, n_bytes: int) -> None:
    """Check that shards fit on the disk, before they are written.

    Parameters
    ----------
    store : Path
        Folder of the store; may not exist.
    n_bytes : int
        Bytes without compression, which saves little.

    Raises
    ------
    UserError
        If they do not.
    """
    folder = next((path for path in (store, *store.absolute().parents) if path.is_dir()), Path())
    n_free = shutil.disk_usage(folder).free
    if n_bytes > n_free:
        message = (
            f"{store}: the shards to write need up to {n_bytes / 1e9:.1f} GB, and {n_free / 1e9:.1f} GB are "
            "free.\nFree some space, choose another folder, fewer `contrasts`, or `precision` float16."
        )
        raise UserError(message)
