"""Files of a cohort store, and the publication of complete folders.

::

    STORE/zarr.json                      attributes: what the store holds
    STORE/maps/zarr.json, c.0.0.0 ...    one file for each shard: some rows, all contrasts
    STORE/roi_connectomes/...            shards of the same rows
    STORE/mask/...                       voxels of the maps
    STORE/tables/contrasts.tsv
    STORE/tables/rows/0001/rows.tsv      sessions and runs of the first `pack`, then 0002 ...
    STORE/tables/shards/000000.json      record of a complete shard

The tables are in a Zarr group of their own, since Zarr warns of files in a group that are no arrays.
"""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

from bids_deeptaskgen.io.atomic import finish, name_errors, temporary_sibling
from bids_deeptaskgen.io.marked_folder import mark_folder, remove_mark

FORMAT_VERSION = 1
# Key of the attributes of the Zarr group.
ATTRIBUTES = "deeptaskgen"
MAPS, MASK, ROI_CONNECTOMES = "maps", "mask", "roi_connectomes"
TABLES = "tables"
ZARR_JSON = "zarr.json"


def contrasts_path(store: Path) -> Path:
    """Return the path of the table of contrasts.

    Parameters
    ----------
    store : Path
        Folder of the store.

    Returns
    -------
    Path
    """
    return store / TABLES / "contrasts.tsv"


def rows_folder(store: Path) -> Path:
    """Return the folder of the tables of rows.

    Parameters
    ----------
    store : Path
        Folder of the store.

    Returns
    -------
    Path
    """
    return store / TABLES / "rows"


def record_path(store: Path, shard: int) -> Path:
    """Return the path of the record of a shard.

    Parameters
    ----------
    store : Path
        Folder of the store.
    shard : int
        From 0.

    Returns
    -------
    Path

    Examples
    --------
    >>> record_path(Path("store"), 12).as_posix()
    'store/tables/shards/000012.json'
    """
    return store / TABLES / "shards" / f"{shard:06d}.json"


def shard_path(store: Path, array: str, shard: int) -> Path:
    """Return the path of a shard.

    Parameters
    ----------
    store : Path
        Folder of the store.
    array : {"maps", "roi_connectomes"}
    shard : int
        From 0.

    Returns
    -------
    Path

    Examples
    --------
    >>> shard_path(Path("store"), "maps", 12).as_posix()
    'store/maps/c.12.0.0'
    """
    return store / array / f"c.{shard}.0.0"


def create_folder(folder: Path, fill: Callable[[Path], None]) -> bool:
    """Create a folder with its content at once, unless another process creates it first.

    A folder is renamed to `folder` when it is complete. Unlike a hard link, that needs no support of the
    file system, and it fails if `folder` has content.

    Parameters
    ----------
    folder : Path
        Its parent is created.
    fill : callable
        Writes the content into the folder that it is called with; it must write something.

    Returns
    -------
    bool
        Whether this process has created it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_sibling(folder, "new")
    # A process of a restarted container may have the number of a killed one.
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        with name_errors(folder), mark_folder(temporary):
            fill(temporary)
            remove_mark(temporary)
        temporary.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not folder.is_dir():
            raise
        return False
    finally:
        finish(lambda: shutil.rmtree(temporary, ignore_errors=True))
    return True


def fill_folder(folder: Path, fill: Callable[[Path], None]) -> bool:
    """Fill an empty folder that cannot be replaced, such as a mount point, with the parts of a store.

    ``maps`` is the first part, which fails if another process was first; ``tables`` is the last, which makes
    the folder a store.

    Parameters
    ----------
    folder : Path
    fill : callable
        See `create_folder`.

    Returns
    -------
    bool
        Whether this process has filled it.
    """
    temporary = temporary_sibling(folder / "store", "new")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        with name_errors(folder), mark_folder(temporary):
            fill(temporary)
            remove_mark(temporary)
        parts = sorted(temporary.iterdir(), key=lambda path: (path.name != MAPS, path.name == TABLES))
        for part in parts:
            part.rename(folder / part.name)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    finally:
        finish(lambda: shutil.rmtree(temporary, ignore_errors=True))
    return True


def is_unfinished(path: Path) -> bool:
    """Return whether a path is the temporary folder of a process that fills a folder; see `fill_folder`.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bool
    """
    return path.name.startswith(".store.new.")
