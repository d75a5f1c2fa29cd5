"""ROI maps and masks of a new bundle, read from a user's images onto the model's grid."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.roi_projection import read_roi_maps, roi_projection
from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask, on_grid
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import MODEL_GRID, unmask
from bids_deeptaskgen.io.nifti_reader import load_image

Masks = tuple[NDArray[np.bool_], NDArray[np.bool_]]


def read_masks(output_mask: Path | None) -> Masks:
    """Return the brain mask and the output mask of a new bundle.

    Parameters
    ----------
    output_mask : Path or None
        3-D image of the voxels where maps are written; None for nilearn's grey matter.

    Returns
    -------
    two boolean arrays of shape (76, 93, 78)

    Raises
    ------
    UserError
        If the image cannot be read, is on another grid or is empty.
    """
    return brain_mask(), grey_matter_mask() if output_mask is None else read_output_mask(output_mask)


def read_output_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask onto the model's grid, from an image of its points of space in any orientation.

    Parameters
    ----------
    path : Path
        3-D image; voxels that are not 0 belong to the mask.

    Returns
    -------
    boolean array of shape (76, 93, 78)

    Raises
    ------
    UserError
        If the image is on another grid or has no voxel on the model's.
    """
    image = load_image(path)
    try:
        if len(image.shape) != 3:
            message = f"The image has shape {image.shape}; three axes are wanted."
            raise ValueError(message)
        mask: NDArray[np.bool_] = on_grid(image, MODEL_GRID) != 0
    except ValueError as error:
        message = f"{path}: cannot be the output mask. {error}\nGive a 3-D mask on the model's 2 mm grid."
        raise UserError(message) from error
    if not mask.any():
        message = f"{path}: cannot be the output mask: no voxel of the model's grid is in it."
        raise UserError(message)
    return mask


def read_rois(path: Path, brain: NDArray[np.bool_], n_rois: int | None = None) -> NDArray[np.float32]:
    """Read ROI maps onto the model's grid; zero outside the brain and where they are not finite.

    Values that are not finite become zero as nilearn reads masked data and as the published pipeline did.

    Parameters
    ----------
    path : Path
        4-D image, a map per volume, on the whole 2 mm grid or its crop.
    brain : boolean array of shape (76, 93, 78)
    n_rois : int or None
        Number of maps that the network takes; None takes any.

    Returns
    -------
    array of shape (n_rois, 76, 93, 78), float32

    Raises
    ------
    UserError
        If the image is damaged, not 4-D or on another grid, has another number of maps, or its maps are
        constant or nearly linear combinations of each other.
    """
    shape = load_image(path).shape
    if len(shape) != 4 or shape[3] < 2:
        message = (
            f"{path}: has shape {'x'.join(map(str, shape))}; a 4-D image is wanted, with a map for each of "
            "at least 2 ROIs.\nSplit an image of labels into a map per label."
        )
        raise UserError(message)
    maps = np.nan_to_num(read_roi_maps(path, brain), copy=False, posinf=0, neginf=0)
    if n_rois is not None and len(maps) != n_rois:
        message = (
            f"{path}: has {len(maps)} ROI maps, but the network takes {n_rois}.\n"
            "Give the maps that the network was trained with, in the same order."
        )
        raise UserError(message)
    try:
        roi_projection(maps)
    except UserError as error:
        message = f"{path}: {error}"
        raise UserError(message) from error
    rois: NDArray[np.float32] = unmask(maps.astype(np.float32), brain)
    return rois
