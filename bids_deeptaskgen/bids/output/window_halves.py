"""Coarse mean maps of both halves of a session's windows, as one compressed file of arrays.

Full maps of the halves would double the size of a dataset. Means over blocks of 4x4x4 voxels (8 mm) suffice
to identify participants between halves (``docs/explanation/uncertainty.md``).
Keys of the file: ``facts`` (JSON text), ``contrasts``, ``blocks``, ``values`` (int16) and ``scales``.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID, model_to_output, unmask
from bids_deeptaskgen.io.atomic import atomic_path
from bids_deeptaskgen.stats.block_means import BlockMeans, number_blocks

Floats = NDArray[np.float32]

# Edge of a block in voxels of the maps' grid.
BLOCK_SIZE = 4
_NO_VALUE = np.int16(-32768)
_LARGEST = 32767


@dataclass(frozen=True)
class WindowHalves:
    """Coarse mean maps of both halves of a session's windows.

    Attributes
    ----------
    contrasts : tuple of str
        Labels.
    values : float32 array of shape (2, n_contrasts, n_blocks)
        First half of the windows, then second, in the units of the maps; NaN for blocks without values.
    blocks : integer array of shape (n_blocks, 3)
        Indices i, j, k of the blocks: block (i, j, k) starts at voxel (4 i, 4 j, 4 k) of ``OUTPUT_GRID``.
    n_windows : tuple of (int, int)
        Windows in each half; of an odd number, the middle window is in the first half.
    settings_hash : str
        Hash of settings and model; halves with equal hashes are comparable.
    """

    contrasts: tuple[str, ...]
    values: Floats
    blocks: NDArray[np.intp]
    n_windows: tuple[int, int]
    settings_hash: str


def map_blocks(output_mask: NDArray[np.bool_]) -> tuple[BlockMeans, NDArray[np.intp]]:
    """Assign the voxels of a model's maps to blocks of the maps' grid.

    Parameters
    ----------
    output_mask : boolean array on ``MODEL_GRID``

    Returns
    -------
    means : BlockMeans
        Of the voxels of the mask, in C order.
    blocks : integer array of shape (n_blocks, 3)
        See `WindowHalves`.
    """
    numbers = np.arange(1, int(output_mask.sum()) + 1)
    volume = model_to_output(unmask(numbers, output_mask))
    points = np.argwhere(volume)
    positions = np.empty_like(points)
    positions[volume[volume > 0] - 1] = points
    return number_blocks(positions, BLOCK_SIZE)


def save_halves(path: Path, halves: WindowHalves) -> None:
    """Save coarse maps of the halves, atomically; equal values give equal bytes.

    Parameters
    ----------
    path : Path
        Path of the ``.npz`` file; its folder is created.
    halves : WindowHalves
        Values are stored as int16 with a scale for each map: an error of at most 1/65534 of its maximum.
    """
    limits = np.nanmax(np.abs(halves.values), axis=2, initial=0, where=np.isfinite(halves.values))
    scales = np.where(limits > 0, limits, 1).astype(np.float32) / np.float32(_LARGEST)
    scaled = np.rint(halves.values / scales[..., None])
    is_finite = np.isfinite(scaled)
    values = np.where(is_finite, np.where(is_finite, scaled, 0).clip(-_LARGEST, _LARGEST), _NO_VALUE)
    facts = {
        "BlockSize": BLOCK_SIZE,
        "Grid": {
            "Shape": list(OUTPUT_GRID.shape),
            "Affine": [list(row) for row in OUTPUT_GRID.affine],
        },
        "WindowsPerHalf": list(halves.n_windows),
        "SettingsHash": halves.settings_hash,
    }
    arrays: dict[str, Any] = {
        "facts": np.array(json.dumps(facts)),
        "contrasts": np.array(halves.contrasts, dtype=np.str_),
        "blocks": halves.blocks.astype(np.uint8),
        "values": values.astype(np.int16),
        "scales": scales,
    }
    # Entries of the archive have no time.
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_halves(path: Path) -> WindowHalves:
    """Read coarse maps of the halves of a session's windows.

    Parameters
    ----------
    path : Path
        Written by `save_halves`: ``*_desc-halves_maps.npz``.

    Returns
    -------
    WindowHalves

    Raises
    ------
    InputError
        If the file is missing, damaged or of another grid.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        halves, problem = _convert(arrays)
    except Exception as error:  # a damaged archive raises errors of zipfile, zlib, struct, NumPy ...
        message = (
            f"{path}: the maps of halves cannot be read ({type(error).__name__}: {error}).\n{_remedy(path)}"
        )
        raise InputError(message) from error
    if problem:
        message = f"{path}: {problem}.\n{_remedy(path)}"
        raise InputError(message)
    return halves


def _remedy(path: Path) -> str:
    return f"Re-run this participant with --overwrite, or delete {path.name}: the maps do not depend on it."


def _convert(arrays: dict[str, NDArray[Any]]) -> tuple[WindowHalves, str]:
    """Convert the arrays of a file, and describe what makes them unusable."""
    facts = json.loads(str(arrays["facts"]))
    integers, scales = arrays["values"], arrays["scales"]
    values = np.where(integers == _NO_VALUE, np.float32(np.nan), integers * scales[..., None])
    first, second = facts["WindowsPerHalf"]
    halves = WindowHalves(
        contrasts=tuple(map(str, arrays["contrasts"])),
        values=values.astype(np.float32),
        blocks=arrays["blocks"].astype(np.intp),
        n_windows=(int(first), int(second)),
        settings_hash=str(facts["SettingsHash"]),
    )
    shape = (2, len(halves.contrasts), len(halves.blocks))
    if halves.values.shape != shape:
        return halves, f"has values of shape {halves.values.shape}, not {shape}"
    grid = facts["Grid"]
    same_grid = tuple(grid["Shape"]) == OUTPUT_GRID.shape and np.allclose(grid["Affine"], OUTPUT_GRID.matrix)
    if facts["BlockSize"] != BLOCK_SIZE or not same_grid:
        return halves, "has blocks of another size or grid"
    return halves, ""
