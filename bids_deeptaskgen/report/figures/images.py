"""Images that figures accept: files, nibabel images, and arrays on known grids."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.axial_slices import SLICES_MM, slice_indices, take_slices
from bids_deeptaskgen.grid import MODEL_GRID, OUTPUT_GRID, Grid
from bids_deeptaskgen.io.nifti_reader import load_image

Image = Any


def as_nibabel(image: Image) -> Any:
    """Convert an image to a nibabel image.

    Parameters
    ----------
    image : str, Path, nibabel image or array
        A 3-D NIfTI file, an image, or values on the grid of the output (91 x 109 x 91) or of the models
        (76 x 93 x 78).

    Returns
    -------
    nibabel.Nifti1Image
        With values as float32.

    Raises
    ------
    ValueError
        If the image has not three dimensions, or an array is on neither grid.

    Examples
    --------
    >>> as_nibabel(np.zeros((91, 109, 91))).affine[:3, 3].tolist()
    [-90.0, -126.0, -72.0]
    """
    import nibabel

    if isinstance(image, str | Path):
        content = load_image(Path(image))
        values, affine = content.values(), content.affine
    elif hasattr(image, "affine"):
        values, affine = np.asanyarray(image.dataobj), image.affine
    else:
        values = np.asarray(image)
        affine = _grid_of_shape(values.shape).matrix
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        msg = f"The image has the shape {values.shape}. Select a volume, for example with `image[..., 0]`."
        raise ValueError(msg)
    return nibabel.Nifti1Image(np.asarray(values, np.float32), affine)


def as_slices(image: Image) -> NDArray[np.float32]:
    """Convert an image to the axial slices of `connectome.axial_slices`.

    Parameters
    ----------
    image : str, Path, nibabel image or array
        See `as_nibabel`; an array of shape (n_slices, n_rows, n_columns) with the number of `SLICES_MM` is
        returned as it is.

    Returns
    -------
    array of shape (n_slices, n_rows, n_columns)
        Rows from anterior to posterior, columns from left to right.

    Examples
    --------
    >>> as_slices(np.ones((91, 109, 91))).shape
    (12, 109, 91)
    """
    if getattr(image, "shape", ())[:1] == (len(SLICES_MM),) and not hasattr(image, "affine"):
        return np.asarray(image, np.float32)
    content = as_nibabel(image)
    grid = Grid.from_image(content.shape, content.affine)
    slices = take_slices(np.asarray(content.dataobj), slice_indices(grid))
    return np.asarray(slices, np.float32)


def robust_limit(*images: NDArray[np.floating]) -> float:
    """Compute a colour limit: the 99.5th percentile of the magnitudes that are not 0.

    Parameters
    ----------
    images : arrays

    Returns
    -------
    float
        1 if all values are 0.

    Examples
    --------
    >>> robust_limit(np.array([0.0, -2.0, np.nan]))
    2.0
    """
    values = np.abs(np.concatenate([np.ravel(image) for image in images]))
    values = values[np.isfinite(values) & (values > 0)]
    return float(np.quantile(values, 0.995)) if values.size else 1.0


def _grid_of_shape(shape: tuple[int, ...]) -> Grid:
    for grid in (OUTPUT_GRID, MODEL_GRID):
        if shape[:3] == grid.shape:
            return grid
    msg = (
        f"An array of shape {shape} is on neither the grid of the output {OUTPUT_GRID.shape} nor that of the "
        f"models {MODEL_GRID.shape}. Pass a nibabel image, which has an affine."
    )
    raise ValueError(msg)
