"""Brain voxels of a run: the model's voxels inside the participant's mask."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.inputs import RunInputs
from bids_deeptaskgen.connectome.template_warp import WARPED_SPACE, to_warped_space
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import MODEL_GRID, Grid, Sampler, make_sampler
from bids_deeptaskgen.io.nifti_reader import load_image, open_series

# Below this overlap with the model's brain mask, the mask is in another space or of another participant.
MIN_DICE = 0.8


class MaskedSampler(NamedTuple):
    """Sampler of the model's voxels inside a participant's mask.

    Attributes
    ----------
    sampler : Sampler
    mask : boolean array of the BOLD grid's shape
        The participant's mask.
    model_voxels : integer array
        Flat indices, first axis fastest, of the voxels nearest to the model's brain voxels, inside the mask
        or not.
    """

    sampler: Sampler
    mask: NDArray[np.bool_]
    model_voxels: NDArray[np.intp]


def mask_sampler(run: RunInputs, grid: Grid, brain_mask: NDArray[np.bool_]) -> MaskedSampler:
    """Find the model's voxels inside the participant's mask, and build their sampler.

    Parameters
    ----------
    run : RunInputs
    grid : Grid
        Grid of the BOLD series.
    brain_mask : boolean array on ``MODEL_GRID``

    Returns
    -------
    MaskedSampler

    Raises
    ------
    InputError
        If the mask is not on the BOLD's grid, is empty, or overlaps too little with the model's mask.
    """
    mask = read_mask(run.mask, grid) if run.mask else nonzero_voxels(run.bold, grid)
    warp = to_warped_space if run.space == WARPED_SPACE else None
    brain_sampler = make_sampler(grid, MODEL_GRID, brain_mask, warp)
    sampler = brain_sampler.restrict_to(mask)
    # In mm3, since the masks may differ in voxel size.
    volumes_mm3 = [
        float(np.prod(g.voxel_sizes_mm)) * n
        for g, n in (
            (grid, mask.sum()),
            (MODEL_GRID, brain_mask.sum()),
            (MODEL_GRID, sampler.is_covered.sum()),
        )
    ]
    dice = 2 * volumes_mm3[2] / max(volumes_mm3[0] + volumes_mm3[1], 1e-9)
    if dice < MIN_DICE:
        raise InputError(_no_overlap(run, int(mask.sum()), dice))
    return MaskedSampler(sampler, mask, brain_sampler.nearest_voxels)


def read_mask(path: Path, grid: Grid) -> NDArray[np.bool_]:
    """Read a brain mask, which must be on the BOLD's grid.

    Parameters
    ----------
    path : Path
        3-D NIfTI image; values above 0 are brain.
    grid : Grid
        Grid of the BOLD series.

    Returns
    -------
    boolean array of the grid's shape

    Raises
    ------
    InputError
        If the mask is on another grid, is empty, or cannot be read.
    """
    image = load_image(path)
    if image.header.n_volumes > 1:
        message = (
            f"{path}: the mask has {len(image.shape)} axes ({'x'.join(map(str, image.shape))}); a mask has "
            "3.\nPut the brain mask that fMRIPrep wrote for this run and space there."
        )
        raise InputError(message)
    try:
        values = image.values_on(grid, dtype=np.float64)
    except ValueError as error:
        message = (
            f"{path}: the mask is not on the BOLD's grid: it {error}.\n"
            "Put the brain mask that fMRIPrep wrote for this run and space there."
        )
        raise InputError(message) from error
    mask = values.reshape(grid.shape) > 0
    if not mask.any():
        message = (
            f"{path}: the mask is empty (0 voxels).\n"
            "Put the brain mask that fMRIPrep wrote for this run and space there."
        )
        raise InputError(message)
    return mask


def nonzero_voxels(bold: Path, grid: Grid) -> NDArray[np.bool_]:
    """Find the voxels that are not 0 in the first volume of a series that is masked already.

    Parameters
    ----------
    bold : Path
    grid : Grid
        Grid of the BOLD series.

    Returns
    -------
    boolean array of the grid's shape

    Raises
    ------
    InputError
        If the file is damaged.
    """
    series = open_series(bold)
    _, volumes = next(series.blocks(1))
    values = volumes[0].astype(np.float64)
    # The stored value of 0 depends on slope and intercept; for integer types it is the nearest integer.
    zero = -series.inter / series.slope
    zero = zero if series.dtype.kind == "f" else np.rint(zero)
    return np.asarray(np.isfinite(values) & (values != zero)).reshape(grid.shape, order="F")


def _no_overlap(run: RunInputs, n_voxels: int, dice: float) -> str:
    overlap = f"overlap the model's brain mask with Dice {dice:.2f}; at least {MIN_DICE} is required"
    if run.mask:
        return (
            f"{run.mask}: the mask's {n_voxels} voxels {overlap}.\nThe image is not in {run.space}, or the "
            "mask belongs to another run: look at both in a viewer."
        )
    return (
        f"{run.bold}: there is no brain mask, and the {n_voxels} voxels that are not 0 {overlap}.\nThe image "
        f"is not in {run.space}, or voxels outside the brain are not 0: name the fMRIPrep derivatives that "
        "contain the mask with -d fmriprep=PATH."
    )
