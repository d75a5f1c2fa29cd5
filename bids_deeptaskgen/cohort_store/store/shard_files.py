"""Files of shards: each is encoded in memory, written to a temporary file and renamed.

Zarr itself would read a shard that it replaces in parts, which fails if that shard is damaged, and would
leave temporary files whose process is unknown. Here, the encoded bytes are those of Zarr, and the file has a
temporary name of the project, so that a later run removes those of killed processes and no others.
"""

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.store.layout import ZARR_JSON, shard_path
from bids_deeptaskgen.errors import UserError, raise_disk_error
from bids_deeptaskgen.io.atomic import atomic_path

logger = logging.getLogger("bids_deeptaskgen")

# Number, size and time of a file; a file of another process has others.
FileIdentity = tuple[int, int, int]


def file_identity(path: Path) -> FileIdentity | None:
    """Identify a file, without reading it.

    Parameters
    ----------
    path : Path

    Returns
    -------
    (int, int, int) or None
        Number, size in bytes, and time of the last change in ns; None if it does not exist.
    """
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


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

    Raises
    ------
    OSError
        If the disk refuses them.
    """
    import zarr

    try:
        array: Any = zarr.open_array(store / name, mode="r")
        return np.asarray(array[row])
    # zarr and its codecs raise several types for damaged bytes.
    except (ValueError, RuntimeError, OSError, IndexError) as error:
        raise_disk_error(error, store / name)
        logger.debug("%s, row %d: %s", store / name, row, error)
        return None


def write_shard_files(
    store: Path, shard: int, arrays: Mapping[str, NDArray[Any]], confirm: Callable[[], None]
) -> dict[str, FileIdentity | None]:
    """Write a shard of each array.

    Parameters
    ----------
    store : Path
        Folder of the store.
    shard : int
    arrays : dict of str to array
        All rows of the shard, by name of the array.
    confirm : callable
        Called when all files are written, just before they are renamed; its exception prevents that.

    Returns
    -------
    dict of str to FileIdentity or None
        None for an array without values, which needs no file.
    """
    identities: dict[str, FileIdentity | None] = {}
    with ExitStack() as stack:
        for name, values in arrays.items():
            encoded = encode_shard(store / name, values)
            identities[name] = None
            if encoded is not None:
                temporary = stack.enter_context(atomic_path(shard_path(store, name, shard)))
                temporary.write_bytes(encoded)
                identities[name] = file_identity(temporary)
        confirm()
    for name, identity in identities.items():
        if identity is None:
            shard_path(store, name, shard).unlink(missing_ok=True)
    return identities


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
