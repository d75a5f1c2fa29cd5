"""Measured task maps read onto the model's voxels, after checking that they are in its space."""

import json
import logging
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.bids.measured_maps import StatmapFile
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.connectome.template_warp import MODEL_SPACE
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import (
    FULL_MODEL_GRID,
    MODEL_GRID,
    OUTPUT_GRID,
    Grid,
    Sampler,
    make_sampler,
)
from bids_deeptaskgen.io.nifti_reader import check_orientation, load_image

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]

# With less of the model's voxels in it, an image is of another space, whatever its name says.
MIN_COVERED_SHARE = 0.5


def read_statmap(file: StatmapFile, mask: NDArray[np.bool_]) -> Floats:
    """Read a measured map at the voxels of a mask.

    Parameters
    ----------
    file : StatmapFile
    mask : boolean array of shape (76, 93, 78)
        On ``MODEL_GRID``: the output mask of a bundle.

    Returns
    -------
    float32 array of shape (n_voxels,)
        In C order of the mask. NaN where the map has none or an infinite value, or does not reach. Values are
        copied where the image has the points of the model's grid, whatever the order of its axes; otherwise
        they are interpolated (linear), which the log says once for each grid.

    Raises
    ------
    InputError
        If the image cannot be read, has not the shape of a map, is of another space, or holds nothing.
    """
    values: Floats = read_statmaps([file], mask)[0]
    return values


def read_statmaps(files: Sequence[StatmapFile], mask: NDArray[np.bool_]) -> Floats:
    """Read several maps as `read_statmap` does; the volumes of a 4-D image cost one pass through it.

    Parameters
    ----------
    files : sequence of StatmapFile
        Volumes of one image one after another.
    mask : boolean array of shape (76, 93, 78)

    Returns
    -------
    float32 array of shape (n_files, n_voxels)
    """
    maps = np.full((len(files), int(mask.sum())), np.nan, np.float32)
    start = 0
    for path, group in groupby(files, key=lambda file: file.path):
        members = list(group)
        image = load_image(path)
        check_space(path, Grid.of(image.shape, image.affine))
        check_orientation(path)
        sampler = _sampler_of(path, image, mask)
        for file, volume in zip(members, _volumes(image, members), strict=True):
            taken = np.empty((1, int(sampler.inside.sum())))
            sampler.take([volume.ravel(order="F")], taken)
            taken[~np.isfinite(taken)] = np.nan
            if not np.nansum(np.abs(taken)):
                message = (
                    f"{file.name}: the task map is 0 or NaN in all of the model's voxels ({path}).\n"
                    "Look at it in a viewer; leave it out if the task model failed."
                )
                raise InputError(message)
            maps[start, sampler.inside] = taken[0]
            start += 1
    return maps


def _volumes(image: nib.Nifti1Image, files: Sequence[StatmapFile]) -> list[NDArray[Any]]:
    """Read what is asked for of one image: itself, or some of its volumes."""
    path, shape = files[0].path, image.shape
    n_volumes = shape[3] if len(shape) == 4 else 1
    numbers = [file.volume or 0 for file in files]
    if len(shape) not in (3, 4) or max(numbers) >= n_volumes or (n_volumes > 1 and files[0].volume is None):
        wanted = "one volume" if files[0].volume is None else f"volume {max(numbers)}"
        message = (
            f"{path}: has the shape {'x'.join(map(str, shape))}; {wanted} is wanted.\n"
            "A task map is a 3-D image of one contrast, or a 4-D one with the JSON that lists its contrasts."
        )
        raise InputError(message)
    try:
        if len(shape) == 3:
            return [np.asarray(image.dataobj, np.float32)]
        # One slice, since to come to a volume all that stands before it must be inflated.
        first = min(numbers)
        values = np.asarray(image.dataobj[..., first : max(numbers) + 1], np.float32)
    except Exception as error:
        message = f"{path}: the task map cannot be read ({error}).\nCopy it again from its source."
        raise InputError(message) from error
    return [values[..., number - first] for number in numbers]


def check_space(path: Path, grid: Grid) -> None:
    """Refuse an image that is in another space than the model's, or that does not say and cannot be known.

    Parameters
    ----------
    path : Path
        Its ``space-`` tells; else the ``SpatialReference`` or ``Space`` of the JSON beside it; else the grid
        must be one of the model's, point by point: those of other templates have other shapes.
    grid : Grid

    Raises
    ------
    InputError
    """
    said = parse_name(path.name).get("space") or _said_by_json(sidecar_path(path))
    if MODEL_SPACE in said:
        return
    if said:
        message = (
            f"{path}: the task map is in {said}; {MODEL_SPACE} is wanted.\nRe-run fMRIPrep with "
            f"--output-spaces {MODEL_SPACE}:res-2, and the task model on what it writes."
        )
        raise InputError(message)
    if not any(grid.fits(known) for known in (OUTPUT_GRID, FULL_MODEL_GRID, MODEL_GRID)):
        message = (
            f"{path}: neither the name nor the JSON says in which space the task map is, and its grid is not "
            f"the model's.\nFound: {grid}.\nWanted: {OUTPUT_GRID}.\n"
            f"If it is in {MODEL_SPACE}, put space-{MODEL_SPACE} into its name."
        )
        raise InputError(message)


def _said_by_json(sidecar: Path) -> str:
    try:
        content = json.loads(sidecar.read_text("utf-8"))
        return str(content.get("SpatialReference") or content.get("Space") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def _sampler_of(path: Path, image: nib.Nifti1Image, mask: NDArray[np.bool_]) -> Sampler:
    grid = Grid.of(image.shape, image.affine)
    sampler = _cached_sampler(grid, np.packbits(mask).tobytes())
    share = float(sampler.inside.mean())
    if share < MIN_COVERED_SHARE:
        message = (
            f"{path}: the task map covers {share:.0%} of the model's voxels; at least "
            f"{MIN_COVERED_SHARE:.0%} is wanted.\nFound: {grid}.\n"
            f"Is it of the whole brain, and in {MODEL_SPACE}?"
        )
        raise InputError(message)
    return sampler


# People have the same few grids: to find the voxels takes longer than to read them.
@lru_cache(maxsize=4)
def _cached_sampler(grid: Grid, packed_mask: bytes) -> Sampler:
    bits = np.unpackbits(np.frombuffer(packed_mask, np.uint8), count=int(np.prod(MODEL_GRID.shape)))
    sampler = make_sampler(grid, MODEL_GRID, bits.reshape(MODEL_GRID.shape).astype(bool))
    if sampler.resamples:
        logger.warning("Task maps on another grid are resampled to the model's (linear): %s.", grid)
    return sampler
