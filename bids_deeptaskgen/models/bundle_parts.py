"""Reader of a new bundle's ROI maps and masks, from images to the model grid."""

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
    """Read the brain mask and the output mask of a new bundle.

    Parameters
    ----------
    output_mask : Path or None
        3-D image of the voxels where maps are written; None for nilearn's grey-matter mask.

    Returns
    -------
    brain_mask, output_mask : boolean array of shape (76, 93, 78)

    Raises
    ------
    UserError
        If the image cannot be read, is on another grid or is empty.
    """
    return brain_mask(), grey_matter_mask() if output_mask is None else read_output_mask(output_mask)


def read_output_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask onto the model grid.

    Parameters
    ----------
    path : Path
        3-D image in any orientation, at the voxel positions of the model grid; nonzero voxels form the mask.

    Returns
    -------
    boolean array of shape (76, 93, 78)

    Raises
    ------
    UserError
        If the image is on another grid or has no nonzero voxel within the model grid.
    """
    image = load_image(path)
    try:
        if image.header.n_volumes > 1:
            message = f"The image has shape {image.shape}; it must have three axes."
            raise ValueError(message)
        mask: NDArray[np.bool_] = on_grid(image, MODEL_GRID) != 0
    except ValueError as error:
        message = f"{path}: is not a valid output mask. {error}\nPass a 3-D mask on the model's 2 mm grid."
        raise UserError(message) from error
    if not mask.any():
        message = (
            f"{path}: is not a valid output mask: no voxel of the model grid is nonzero. Pass a mask that "
            "overlaps the model grid."
        )
        raise UserError(message)
    return mask


def read_rois(path: Path, brain: NDArray[np.bool_], n_rois: int | None = None) -> NDArray[np.float32]:
    """Read ROI maps onto the model grid.

    Non-finite values are set to zero, as in nilearn and in the published pipeline.

    Parameters
    ----------
    path : Path
        4-D image with one map per volume, on the full 2 mm grid or the cropped model grid.
    brain : boolean array of shape (76, 93, 78)
        Brain mask; maps are zero outside.
    n_rois : int or None
        Required number of maps; None accepts any.

    Returns
    -------
    array of shape (n_rois, 76, 93, 78), float32

    Raises
    ------
    UserError
        If the image is damaged, not 4-D or on another grid, has another number of maps, or if maps are
        constant or nearly linearly dependent.
    """
    shape = load_image(path).shape
    if len(shape) != 4 or shape[3] < 2:
        message = (
            f"{path}: has shape {'x'.join(map(str, shape))}; expected a 4-D image with one map per ROI, "
            "at least 2.\nConvert a label image into one map per label."
        )
        raise UserError(message)
    maps = np.nan_to_num(read_roi_maps(path, brain), copy=False, posinf=0, neginf=0)
    if n_rois is not None and len(maps) != n_rois:
        message = (
            f"{path}: has {len(maps)} ROI maps, but the network takes {n_rois}.\n"
            "Pass the maps that the network was trained with, in the same order."
        )
        raise UserError(message)
    try:
        roi_projection(maps)
    except UserError as error:
        message = f"{path}: {error}"
        raise UserError(message) from error
    rois: NDArray[np.float32] = unmask(maps.astype(np.float32), brain)
    return rois
