"""Writers of ``.npy`` files."""

from collections.abc import Iterable, Sequence
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


def save_stack(
    path: Path,
    arrays: Sequence[NDArray[Any]],
    n_sums: int = 0,
    additions: Iterable[tuple[int, NDArray[Any]]] = (),
) -> None:
    """Write arrays of equal shape and type as one ``.npy`` array, atomically and with one array in memory.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.
    arrays : sequence of array
        First entries along the first axis; at least one.
    n_sums : int
        Number of further entries: sums of `additions`.
    additions : iterable of (int, array)
        Number of a sum, and an array to add to it; each sum has at least one.
    """
    example = np.ascontiguousarray(arrays[0])
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
