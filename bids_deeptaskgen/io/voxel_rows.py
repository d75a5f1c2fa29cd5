"""Scratch file of maps, written one map at a time and read in chunks of voxels.

Statistics that need all participants at a voxel read arrays of shape (n_rows, n_chunk), so that memory
depends neither on the number of participants nor on the number of voxels.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Voxels = NDArray[np.intp]

_BYTES = 4
# Bytes of a chunk of all rows in memory.
_CHUNK_BYTES = 16 * 2**20
_MAX_VOXELS = 16384
# Parts of a row that fill whole blocks of the file system (4 KiB) waste no disk space.
_ALIGNMENT = 1024


def chunk_length(n_rows: int) -> int:
    """Choose the number of voxels for which a chunk of all rows takes at most 16 MiB.

    Parameters
    ----------
    n_rows : int
        Number of maps.

    Returns
    -------
    int
        From 1 to 16384.

    Examples
    --------
    >>> chunk_length(100), chunk_length(2000)
    (16384, 2048)
    """
    n_voxels = _CHUNK_BYTES // (_BYTES * max(n_rows, 1))
    if n_voxels >= _ALIGNMENT:
        n_voxels -= n_voxels % _ALIGNMENT
    return min(max(n_voxels, 1), _MAX_VOXELS)


class VoxelRows:
    """Rows of voxels in a temporary file, of which a chunk of voxels is in memory at a time.

    Only voxels in which a map has a value take space. A context manager; its end deletes the file.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created, and an existing file is replaced.
    n_rows : int
        Number of maps.
    shape : tuple of int
        Shape of each map.
    voxels_per_chunk : int, optional
        Number of voxels of a chunk; by default `chunk_length` of the rows.

    Raises
    ------
    OSError
        Also by `write`, for example if the disk is full.
    """

    def __init__(
        self, path: Path, n_rows: int, shape: tuple[int, ...], voxels_per_chunk: int | None = None
    ) -> None:
        self._path, self._n_rows, self._shape = path, n_rows, shape
        self._length = voxels_per_chunk or chunk_length(n_rows)
        self._voxels: Voxels = np.zeros(0, np.intp)
        self._is_known = np.zeros(int(np.prod(shape)), bool)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w+b", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close and delete the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    @property
    def n_rows(self) -> int:
        """Return the number of rows."""
        return self._n_rows

    @property
    def n_voxels(self) -> int:
        """Return the number of voxels in which any row has a value."""
        return len(self._voxels)

    def write(self, row: int, values: NDArray[np.floating]) -> None:
        """Write a map; a map that was written before is replaced.

        Parameters
        ----------
        row : int
            Number of the row, from 0.
        values : array of the shape of `VoxelRows`
            0 and values that are not finite in float32 are no values; they are read as 0.

        Raises
        ------
        ValueError
            If the row does not exist, or if the map has another shape.
        """
        self._check_row(row)
        if np.shape(values) != self._shape:
            message = (
                f"`values` has the shape {np.shape(values)}; the file holds maps of shape {self._shape}."
            )
            raise ValueError(message)
        with np.errstate(over="ignore"):
            flat = np.asarray(values, np.float32).ravel()
        has_value = np.isfinite(flat) & (flat != 0)
        self._add_voxels(np.flatnonzero(has_value & ~self._is_known))
        row_values = np.where(has_value[self._voxels], flat[self._voxels], np.float32(0))
        for chunk, start in enumerate(range(0, self.n_voxels, self._length)):
            self._file.seek(self._offset(chunk, row))
            self._write_all(row_values[start : start + self._length].data.cast("B"))

    def row(self, row: int) -> Values:
        """Read a map.

        Parameters
        ----------
        row : int
            Number of the row, from 0.

        Returns
        -------
        array of the shape of `VoxelRows`
            0 where there is no value, everywhere if the row was not written.
        """
        self._check_row(row)
        values = np.zeros(len(self._is_known), np.float32)
        for chunk, start in enumerate(range(0, self.n_voxels, self._length)):
            voxels = self._voxels[start : start + self._length]
            values[voxels] = self._read(self._offset(chunk, row), len(voxels))
        return values.reshape(self._shape)

    def chunks(self) -> Iterator[tuple[Voxels, Values]]:
        """Yield all rows, a chunk of voxels at a time.

        Each voxel with a value belongs to one chunk. The order of voxels is that in which they appeared.

        Yields
        ------
        voxels : array of shape (n_chunk,)
            Positions in the flattened map.
        values : array of shape (n_rows, n_chunk)
            0 where there is no value.
        """
        for chunk, start in enumerate(range(0, self.n_voxels, self._length)):
            voxels = self._voxels[start : start + self._length]
            values = self._read(self._offset(chunk, 0), self._n_rows * self._length)
            yield voxels, values.reshape(self._n_rows, self._length)[:, : len(voxels)]

    def _check_row(self, row: int) -> None:
        if not 0 <= row < self._n_rows:
            message = f"`row` is {row}; the file has rows 0 to {self._n_rows - 1}."
            raise ValueError(message)

    def _offset(self, chunk: int, row: int) -> int:
        return (chunk * self._n_rows + row) * self._length * _BYTES

    def _add_voxels(self, voxels: Voxels) -> None:
        """Append voxels, and extend the file; its new part is read as 0."""
        if len(voxels):
            self._is_known[voxels] = True
            self._voxels = np.concatenate([self._voxels, voxels])
            try:
                self._file.truncate(self._offset(-(-self.n_voxels // self._length), 0))
            except OSError as error:
                # A failed write names no file, but users need its path to free disk space.
                error.filename = str(self._path)
                raise

    def _write_all(self, data: memoryview) -> None:
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            error.filename = str(self._path)
            raise

    def _read(self, offset: int, n_values: int) -> Values:
        values = np.empty(n_values, np.float32)
        data = values.data.cast("B")
        self._file.seek(offset)
        while data:
            n_bytes = self._file.readinto(data)
            if not n_bytes:
                message = f"{self._path} was truncated while it was in use."
                raise OSError(message)
            data = data[n_bytes:]
        return values
