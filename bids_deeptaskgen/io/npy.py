"""Writers of ``.npy`` files, and a reader of single entries."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.io.atomic import atomic_path


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array as ``.npy``, atomically.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.
    array : array
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        # With a real file object, numpy raises an uninformative error if the disk is full.
        np.save(SimpleNamespace(write=file.write), array)


class Stack:
    """Entries of a ``.npy`` file along its first axis, of which one is in memory at a time.

    A mapped file would not do: the pages that were read count as memory of the process, and the limits of
    some schedulers apply to their sum.

    Parameters
    ----------
    path : Path
        Array in C order.
    n_entries : int, optional
        Only the first entries; by default all.

    Attributes
    ----------
    shape : tuple of int
        Shape of the array, with `n_entries` along the first axis.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is no such array, or is truncated.
    """

    def __init__(self, path: Path, n_entries: int | None = None) -> None:
        self._path = path
        array = np.load(path, mmap_mode="r")
        if not array.flags.c_contiguous:
            message = f"{path}: the array is not in C order."
            raise ValueError(message)
        self._dtype, self._offset = array.dtype, array.offset
        self.shape: tuple[int, ...] = (len(array) if n_entries is None else n_entries, *array.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for _ in range(len(self)):
                entry = np.empty(self.shape[1:], self._dtype)
                if file.readinto(entry.reshape(-1).view(np.uint8).data) < entry.nbytes:
                    message = f"{self._path}: the file is truncated."
                    raise ValueError(message)
                yield entry


def save_stack(
    path: Path,
    arrays: Sequence[NDArray[Any]] | Stack,
    n_sums: int = 0,
    additions: Iterable[tuple[int, NDArray[Any]]] = (),
) -> None:
    """Write arrays of equal shape and type as one ``.npy`` array, atomically and with one array in memory.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.
    arrays : sequence of array, or Stack
        First entries along the first axis; at least one.
    n_sums : int
        Number of further entries: sums of `additions`.
    additions : iterable of (int, array)
        Number of a sum, and an array to add to it; each sum has at least one.
    """
    example = np.ascontiguousarray(next(iter(arrays)))
    shape = (len(arrays) + n_sums, *example.shape)
    is_started = np.zeros(n_sums, bool)
    with atomic_path(path) as temporary, temporary.open("w+b") as file:
        descr = np.lib.format.dtype_to_descr(example.dtype)
        np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
        for array in arrays:
            file.write(np.ascontiguousarray(array, example.dtype).data)
        start = file.tell()
        for number, array in additions:
            place = start + number * example.nbytes
            total = np.ascontiguousarray(array, example.dtype)
            if is_started[number]:
                file.seek(place)
                total = np.frombuffer(file.read(example.nbytes), example.dtype).reshape(example.shape) + total
            file.seek(place)
            file.write(total.data)
            is_started[number] = True
        if not is_started.all():
            message = f"{int((~is_started).sum())} of {n_sums} sums have no additions."
            raise ValueError(message)
