"""Masks on the model's grid, from files that nilearn ships: nothing is downloaded."""

from functools import cache

import nibabel as nib
import numpy as np
from nilearn import datasets
from numpy.typing import NDArray

from bids_deeptaskgen.grid import MODEL_GRID, Grid, make_sampler
from bids_deeptaskgen.io.nifti_reader import NiftiImage


def on_grid(image: nib.Nifti1Image | NiftiImage, grid: Grid) -> NDArray[np.float32]:
    """Extract the voxels of a grid from an image, without interpolation.

    Parameters
    ----------
    image : nibabel.Nifti1Image or NiftiImage
        3-D, sampled at the points of `grid` and more, in any orientation.
    grid : Grid
        Grid of the result.

    Returns
    -------
    array of the grid's shape
        The image's values; 0 outside the image.

    Raises
    ------
    ValueError
        If the image is sampled at other points.
    """
    is_needed = np.ones(grid.shape, bool)
    source = Grid.from_image(image.shape, np.asarray(image.affine))
    sampler = make_sampler(source, grid, is_needed)
    if sampler.resamples:
        msg = f"The image's grid ({source}) and the required grid ({grid}) have different points in space."
        raise ValueError(msg)
    values = np.zeros(is_needed.size, np.float32)
    volume = image.values() if isinstance(image, NiftiImage) else np.asarray(image.dataobj, np.float32)
    values[sampler.is_covered] = volume.ravel(order="F")[sampler.corners[0]]
    return values.reshape(grid.shape)


@cache
def _mask(name: str, grid: Grid) -> NDArray[np.bool_]:
    load = {"brain": datasets.load_mni152_brain_mask, "grey matter": datasets.load_mni152_gm_mask}[name]
    mask = on_grid(load(resolution=2), grid) > 0
    mask.flags.writeable = False
    return mask


def brain_mask(grid: Grid = MODEL_GRID) -> NDArray[np.bool_]:
    """Return the brain mask within which connectomes are computed.

    nilearn's MNI152 brain mask at 2 mm; on the model's grid it equals the published mask.

    Parameters
    ----------
    grid : Grid
        A grid whose points are those of the 2 mm MNI152 template.

    Returns
    -------
    boolean array of the grid's shape, read-only
        235,375 voxels on the model's grid.
    """
    return _mask("brain", grid)


@cache
def grey_matter_mask(grid: Grid = MODEL_GRID) -> NDArray[np.bool_]:
    """Return the mask to which predicted maps are restricted.

    nilearn's MNI152 grey-matter mask at 2 mm, within the brain mask. The published grey-matter mask
    differs.

    Parameters
    ----------
    grid : Grid
        A grid whose points are those of the 2 mm MNI152 template.

    Returns
    -------
    boolean array of the grid's shape, read-only
        202,292 voxels on the model's grid.
    """
    mask = _mask("grey matter", grid) & brain_mask(grid)
    mask.flags.writeable = False
    return mask
