"""Creation of a cohort store without rows, and the growth of its arrays."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.cohort_store.store.description import (
    StoreDescription,
    hash_contrasts,
    is_store,
    write_contrasts,
)
from bids_deeptaskgen.cohort_store.store.layout import (
    ATTRIBUTES,
    MAPS,
    MASK,
    ROI_CONNECTOMES,
    TABLES,
    ZARR_JSON,
    create_folder,
    fill_folder,
    is_unfinished,
    record_path,
    rows_folder,
)
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import remove_stale_siblings, write_json
from bids_deeptaskgen.io.json_file import read_json

# A folder is filled within milliseconds.
_N_LOOKS, _PAUSE_S = 20, 0.05


def create_store(store: Path, description: StoreDescription, software_version: str = "") -> bool:
    """Create a store without rows, unless it exists.

    Parameters
    ----------
    store : Path
        Folder of the store.
    description : StoreDescription
    software_version : str

    Returns
    -------
    bool
        Whether this process has created it; otherwise, it exists.

    Raises
    ------
    UserError
        If the folder exists and holds something else.
    """
    refuse_other_content(store)
    if is_store(store):
        return False
    # A link stands for its folder, which may not exist yet.
    folder = store.resolve()
    create = fill_folder if folder.is_dir() else create_folder
    is_created = create(folder, lambda target: _fill(target, description, software_version))
    refuse_other_content(store)
    return is_created


def remove_stale_creations(store: Path) -> None:
    """Remove the temporary folders of processes that were killed while they created a store.

    Parameters
    ----------
    store : Path
        Folder of the store; files of other names next to it stay.
    """
    remove_stale_siblings(store.resolve())


def refuse_other_content(store: Path) -> None:
    """Refuse a folder with other files than those of a cohort store.

    Parameters
    ----------
    store : Path
        Folder of the store; may not exist.

    Raises
    ------
    UserError
    """
    for _ in range(_N_LOOKS):
        if is_store(store) or not store.exists():
            return
        names = {path.name for path in store.iterdir() if not is_unfinished(path)} if store.is_dir() else None
        if names is not None and not names:
            return
        # Another process may have begun to fill the folder, or has just ended.
        if names and MAPS in names:
            time.sleep(_PAUSE_S)
    if not is_store(store):
        message = f"{store}: exists and is not a cohort store. Choose another folder."
        raise UserError(message)


def _fill(folder: Path, description: StoreDescription, software_version: str) -> None:
    from zarr.storage import MemoryStore

    write_contrasts(folder, description.contrasts)
    facts = description.to_attributes(software_version) | {"ContrastsSha256": hash_contrasts(folder)}
    # Zarr would write files in threads, which continue after an error or a signal.
    content: dict[str, Any] = {}
    _create_arrays(MemoryStore(content), description, {ATTRIBUTES: facts})
    for name, buffer in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.to_bytes())
    rows_folder(folder).mkdir()
    record_path(folder, 0).parent.mkdir()


def _create_arrays(store: Any, description: StoreDescription, attributes: Any) -> None:
    """Create the groups, the arrays without rows, and the mask."""
    import zarr

    zarr.create_group(store, attributes=attributes)
    zarr.create_group(store, path=TABLES)
    n_contrasts, n_voxels, n_rois = len(description.contrasts), description.n_voxels, description.n_rois
    _create_rows_array(
        store,
        MAPS,
        (n_contrasts, n_voxels),
        chunk=(1, n_voxels),
        description=description,
        dtype=description.dtype,
        names=("row", "contrast", "voxel"),
    )
    if n_rois:
        _create_rows_array(
            store,
            ROI_CONNECTOMES,
            (n_rois, n_rois),
            chunk=(n_rois, n_rois),
            description=description,
            dtype=np.dtype(np.float32),
            # xarray refuses two dimensions of the same name.
            names=("row", "roi", "roi_column"),
        )
    mask = zarr.create_array(
        store,
        name=MASK,
        shape=description.mask.shape,
        chunks=description.mask.shape,
        dtype=bool,
        compressors=_compressors(),
        dimension_names=("i", "j", "k"),
    )
    mask[...] = description.mask


def _compressors() -> Any:
    """Return the codecs of a chunk: lz4 is the fastest, and the checksum lets every reader find damage."""
    from zarr.codecs import BloscCodec, Crc32cCodec

    return [BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"), Crc32cCodec()]


def _create_rows_array(
    store: Any,
    name: str,
    shape: tuple[int, int],
    *,
    chunk: tuple[int, int],
    description: StoreDescription,
    dtype: np.dtype[Any],
    names: tuple[str, ...],
) -> None:
    """Create an array of no rows, a shard of which holds some rows as a whole."""
    import zarr

    zarr.create_array(
        store,
        name=name,
        shape=(0, *shape),
        chunks=(1, *chunk),
        shards=(description.rows_per_shard, *shape),
        dtype=dtype,
        fill_value=float("nan"),
        compressors=_compressors(),
        dimension_names=names,
        chunk_key_encoding={"name": "default", "separator": "."},
    )


def extend_arrays(store: Path, n_rows: int) -> None:
    """Set the number of rows in the metadata of the arrays; they never shrink.

    Zarr's ``resize`` would delete shards if a process with an earlier table of rows called it.

    Parameters
    ----------
    store : Path
        Folder of the store.
    n_rows : int
        Number of rows in the tables.
    """
    for name in (MAPS, ROI_CONNECTOMES):
        path = store / name / ZARR_JSON
        if path.is_file():
            metadata = read_json(path)
            if metadata["shape"][0] < n_rows:
                metadata["shape"][0] = n_rows
                write_json(path, metadata)
