"""Small atlases, and the mask of the maps that they are read with."""

import nibabel as nib
import numpy as np

from bids_deeptaskgen.grid import OUTPUT_GRID

SPACE = "space-MNI152NLin6Asym"
# Boxes in the middle of the grid: the mask of the maps has all of region 1, half of region 2, and none of 7.
BOXES = {
    1: np.s_[40:44, 50:54, 30:34],
    2: np.s_[46:50, 50:54, 30:34],
    7: np.s_[60:62, 50:54, 30:34],
}


def label_volume():
    """Return labels on the grid of the maps."""
    labels = np.zeros(OUTPUT_GRID.shape, np.int16)
    for number, box in BOXES.items():
        labels[box] = number
    return labels


def output_mask():
    """Return the mask of the maps."""
    mask = np.zeros(OUTPUT_GRID.shape, bool)
    mask[30:48, 40:60, 20:40] = True
    return mask


def write_image(path, values, affine=None, dtype=None):
    """Write an image; its type is that of the values unless another is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.asarray(values)
    nib.save(
        nib.Nifti1Image(
            values.astype(dtype or values.dtype), OUTPUT_GRID.matrix if affine is None else affine
        ),
        path,
    )
    return path
