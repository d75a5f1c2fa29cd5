"""Arrays as .npy files, written under a temporary name and renamed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.io.atomic import atomic_path


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array as ``.npy``, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        # Given a file itself, numpy tells of a full disk in an error that does not say so.
        np.save(SimpleNamespace(write=file.write), array)
