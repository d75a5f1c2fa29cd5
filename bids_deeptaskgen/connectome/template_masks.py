"""Masks and ROI maps on the model's grid, made of what nilearn ships: nothing is downloaded."""

from functools import cache

import nibabel as nib
import numpy as np
from nilearn import datasets
from numpy.typing import NDArray

from bids_deeptaskgen.grid import MODEL_GRID, Grid, make_sampler


def on_grid(image: nib.Nifti1Image, grid: Grid) -> NDArray[np.float32]:
    """Take the voxels of a grid out of an image that has them.

    Parameters
    ----------
    image : Nifti1Image
        3-D, sampled at the points of `grid` and more, in any orientation.
    grid : Grid
        The voxels that are wanted.

    Returns
    -------
    array of the grid's shape
        The image's values, not interpolated; 0 where the image does not reach.

    Raises
    ------
    ValueError
        If the image is sampled at other points.
    """
    wanted = np.ones(grid.shape, bool)
    source = Grid.of(image.shape, np.asarray(image.affine))
    sampler = make_sampler(source, grid, wanted)
    if sampler.resamples:
        msg = f"The image's grid ({source}) is not at the same points of space as the grid wanted ({grid})."
        raise ValueError(msg)
    values = np.zeros(wanted.size, np.float32)
    volume = np.asarray(image.dataobj, np.float32)
    values[sampler.inside] = volume.ravel(order="F")[sampler.corners[0]]
    return values.reshape(grid.shape)


@cache
def _mask(name: str, grid: Grid) -> NDArray[np.bool_]:
    load = {"brain": datasets.load_mni152_brain_mask, "grey matter": datasets.load_mni152_gm_mask}[name]
    mask = on_grid(load(resolution=2), grid) > 0
    mask.flags.writeable = False
    return mask


def brain_mask(grid: Grid = MODEL_GRID) -> NDArray[np.bool_]:
    """Give the brain mask within which connectomes are computed.

    nilearn's MNI152 brain mask at 2 mm; on the model's grid these are the voxels of the published mask.

    Parameters
    ----------
    grid : Grid
        A grid with the points of the 2 mm MNI152 template.

    Returns
    -------
    boolean array of the grid's shape, read-only
        235,375 voxels on the model's grid.
    """
    return _mask("brain", grid)


@cache
def grey_matter_mask(grid: Grid = MODEL_GRID) -> NDArray[np.bool_]:
    """Give the mask to which predicted maps are confined.

    nilearn's MNI152 grey-matter mask at 2 mm, within the brain mask. The published grey-matter mask is
    another one.

    Parameters
    ----------
    grid : Grid
        A grid with the points of the 2 mm MNI152 template.

    Returns
    -------
    boolean array of the grid's shape, read-only
        202,292 voxels on the model's grid.
    """
    mask = _mask("grey matter", grid) & brain_mask(grid)
    mask.flags.writeable = False
    return mask
