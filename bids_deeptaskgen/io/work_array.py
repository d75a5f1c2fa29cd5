"""Large arrays in memory or in an unnamed file."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import UserError

# Larger arrays lie in a mapped file, whose pages the system can drop from memory.
_IN_MEMORY_BYTES = 1_000_000_000


def allocate(shape: tuple[int, ...], scratch: Path) -> NDArray[np.float32]:
    """Allocate an array in memory, or in an unnamed file if it is too large.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    scratch : Path
        Folder of the file.

    Returns
    -------
    float32 array of that shape
        Its values are undefined.

    Raises
    ------
    UserError
        If there is not enough disk space for the file.
    """
    n_bytes = 4 * int(np.prod(shape))
    if n_bytes <= _IN_MEMORY_BYTES:
        return np.empty(shape, np.float32)
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / "maps.dat"
    with path.open("wb+") as file:
        # An unlinked file disappears with the array, however the run ends.
        path.unlink()
        try:
            # Without this, a full disk would kill the process when a page is written.
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        except OSError as error:
            message = (
                f"{scratch.parent}: not enough disk space for a work file of {n_bytes / 1e9:.0f} GB "
                f"({error}).\n"
                "Choose an output folder with more space, or use fewer contrasts at a time."
            )
            raise UserError(message) from error
        array: NDArray[np.float32] = np.memmap(file, np.float32, "r+", shape=shape)
    return array
