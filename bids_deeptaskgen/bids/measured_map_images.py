"""Values of measured task maps at the model's voxels, with checks of their space."""

import json
import logging
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.bids.measured_map_selection import StatmapFile
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.connectome.template_warp import MODEL_SPACE
from bids_deeptaskgen.errors import InputError, raise_disk_error
from bids_deeptaskgen.grid import (
    FULL_MODEL_GRID,
    MODEL_GRID,
    OUTPUT_GRID,
    Grid,
    Sampler,
    make_sampler,
)
from bids_deeptaskgen.io.nifti_reader import NiftiImage, check_orientation, load_image

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]

# An image that covers a smaller fraction of the model's voxels is in another space, despite its name.
MIN_COVERED_FRACTION = 0.5


def read_statmap(file: StatmapFile, mask: NDArray[np.bool_]) -> Floats:
    """Read a measured map at the voxels of a mask.

    Parameters
    ----------
    file : StatmapFile
    mask : boolean array of shape (76, 93, 78)
        Output mask of a model bundle, on ``MODEL_GRID``.

    Returns
    -------
    float32 array of shape (n_voxels,)
        In C order of the mask, in the units of the map. NaN if the map has NaN or an infinite value, or does
        not cover the voxel. Values are copied if the image has the points of the model's grid, in any order
        of axes; otherwise they are interpolated linearly, which is logged once for each grid.

    Raises
    ------
    InputError
        If the image cannot be read, is not a map by its shape, is in another space, or holds only 0 and NaN.
    """
    values: Floats = read_statmaps([file], mask)[0]
    return values


def read_statmaps(files: Sequence[StatmapFile], mask: NDArray[np.bool_]) -> Floats:
    """Read several maps at the voxels of a mask; volumes of a 4-D image are read in one pass.

    Parameters
    ----------
    files : sequence of StatmapFile
        Volumes of the same image must be consecutive.
    mask : boolean array of shape (76, 93, 78)
        Output mask of a model bundle, on ``MODEL_GRID``.

    Returns
    -------
    float32 array of shape (n_files, n_voxels)
        See `read_statmap`.

    Raises
    ------
    InputError
        As in `read_statmap`.
    """
    maps = np.full((len(files), int(mask.sum())), np.nan, np.float32)
    start = 0
    for path, group in groupby(files, key=lambda file: file.path):
        members = list(group)
        image = load_image(path)
        check_space(path, image.grid)
        check_orientation(path, image.header)
        sampler = _sampler_of(path, image, mask)
        for file, volume in zip(members, _volumes(image, members), strict=True):
            values = np.empty((1, int(sampler.is_covered.sum())))
            sampler.take([volume.ravel(order="F")], values)
            values[~np.isfinite(values)] = np.nan
            if not np.nansum(np.abs(values)):
                message = (
                    f"{file.name}: the task map is 0 or NaN in all of the model's voxels ({path}).\n"
                    "Inspect it in a viewer, and exclude it if the task model failed."
                )
                raise InputError(message)
            maps[start, sampler.is_covered] = values[0]
            start += 1
    return maps


def read_usable_statmaps(files: Sequence[StatmapFile], mask: NDArray[np.bool_]) -> dict[StatmapFile, Floats]:
    """Read the maps that can be used; the others are reported in the log.

    Parameters
    ----------
    files : sequence of StatmapFile
        In any order; all volumes of an image are read together.
    mask : boolean array of shape (76, 93, 78)
        Output mask of a model bundle, on ``MODEL_GRID``.

    Returns
    -------
    dict of StatmapFile to float32 array of shape (n_voxels,)
        See `read_statmap`. Files that cannot be used are not among the keys.
    """
    values: dict[StatmapFile, Floats] = {}
    for _, group in groupby(sorted(files, key=lambda file: str(file.path)), key=lambda file: file.path):
        volumes = list(group)
        try:
            values |= dict(zip(volumes, read_statmaps(volumes, mask), strict=True))
        except InputError:
            # A volume that is 0 throughout must not exclude the other volumes of its image.
            for volume in volumes:
                try:
                    values[volume] = read_statmap(volume, mask)
                except InputError as error:
                    logger.warning("%s", error)
    return values


def _volumes(image: NiftiImage, files: Sequence[StatmapFile]) -> list[NDArray[Any]]:
    """Read the requested volumes of one image."""
    path, shape = files[0].path, image.shape
    n_volumes = shape[3] if len(shape) == 4 else 1
    indices = [file.volume or 0 for file in files]
    if len(shape) not in (3, 4) or max(indices) >= n_volumes or (n_volumes > 1 and files[0].volume is None):
        volume = "one volume" if files[0].volume is None else f"volume {max(indices)}"
        message = (
            f"{path}: has the shape {'x'.join(map(str, shape))}, but {volume} was requested.\n"
            "Name a 3-D image of one contrast, or a 4-D image with a JSON sidecar that lists its contrasts."
        )
        raise InputError(message)
    if len(shape) == 3:
        return [image.values()]
    # One slice, since each read of a volume decompresses all volumes that precede it.
    first = min(indices)
    values = image.values(slice(first, max(indices) + 1))
    return [values[..., index - first] for index in indices]


def check_space(path: Path, grid: Grid) -> None:
    """Check that an image is in the space of the model.

    Parameters
    ----------
    path : Path
        The ``space-`` of its name tells the space, else ``SpatialReference`` or ``Space`` of its sidecar.
        Without these, the grid must be one of the model's: grids of other templates have other shapes.
    grid : Grid
        Grid of the image.

    Raises
    ------
    InputError
        If the image is in another space, or its space cannot be determined.
    """
    space = parse_name(path.name).get("space") or _space_in_sidecar(sidecar_path(path))
    if MODEL_SPACE in space:
        return
    if space:
        message = (
            f"{path}: the task map is in {space}, but must be in {MODEL_SPACE}.\nRe-run fMRIPrep with "
            f"--output-spaces {MODEL_SPACE}:res-2, and the task model on its output."
        )
        raise InputError(message)
    if not any(grid.fits(model_grid) for model_grid in (OUTPUT_GRID, FULL_MODEL_GRID, MODEL_GRID)):
        message = (
            f"{path}: neither the name nor the JSON tells the space of the task map, and its grid is not the "
            f"model's.\nFound: {grid}.\nExpected: {OUTPUT_GRID}.\n"
            f"If it is in {MODEL_SPACE}, add space-{MODEL_SPACE} to its name."
        )
        raise InputError(message)


def _space_in_sidecar(sidecar: Path) -> str:
    try:
        content = json.loads(sidecar.read_text("utf-8"))
        return str(content.get("SpatialReference") or content.get("Space") or "")
    except (OSError, ValueError, AttributeError) as error:
        raise_disk_error(error, sidecar)
        return ""


def _sampler_of(path: Path, image: NiftiImage, mask: NDArray[np.bool_]) -> Sampler:
    grid = image.grid
    sampler = _cached_sampler(grid, np.packbits(mask).tobytes())
    fraction = float(sampler.is_covered.mean())
    if fraction < MIN_COVERED_FRACTION:
        message = (
            f"{path}: the task map covers {fraction:.0%} of the model's voxels; at least "
            f"{MIN_COVERED_FRACTION:.0%} are required.\nFound: {grid}.\n"
            f"Check that it covers the whole brain and is in {MODEL_SPACE}."
        )
        raise InputError(message)
    return sampler


# Participants share a few grids, and finding the voxels takes longer than reading them.
@lru_cache(maxsize=4)
def _cached_sampler(grid: Grid, packed_mask: bytes) -> Sampler:
    bits = np.unpackbits(np.frombuffer(packed_mask, np.uint8), count=int(np.prod(MODEL_GRID.shape)))
    sampler = make_sampler(grid, MODEL_GRID, bits.reshape(MODEL_GRID.shape).astype(bool))
    if sampler.resamples:
        logger.warning("Task maps on another grid are resampled to the model's (linear): %s.", grid)
    return sampler
