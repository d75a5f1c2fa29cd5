"""Writer of ``.npy`` files."""

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
