"""Axial slices for display: the same points of space for every image, whatever its grid.

Rows run from anterior to posterior and columns from left to right, so the left hemisphere is on the left.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.grid import OUTPUT_GRID, Grid

# From the lower temporal lobe and the cerebellum to the vertex.
SLICES_MM = (-46, -36, -26, -16, -6, 4, 14, 24, 34, 44, 54, 64)


def slice_points(step: int = 1) -> NDArray[np.float64]:
    """Return the points of the slices.

    Parameters
    ----------
    step : int
        Use every n-th voxel of ``OUTPUT_GRID`` along both axes of a slice.

    Returns
    -------
    array of shape (n_slices, n_rows, n_columns, 3)
        Position in mm.

    Examples
    --------
    >>> slice_points().shape
    (12, 109, 91, 3)
    >>> slice_points()[0, 0, 0].tolist()  # anterior, left
    [-90.0, 90.0, -46.0]
    """
    n_x, n_y, _ = OUTPUT_GRID.shape
    x = OUTPUT_GRID.matrix[0, 3] + 2.0 * np.arange(0, n_x, step)
    y = OUTPUT_GRID.matrix[1, 3] + 2.0 * np.arange(n_y - 1, -1, -step)
    grids = np.meshgrid(np.array(SLICES_MM, np.float64), y, x, indexing="ij")
    return np.stack([grids[2], grids[1], grids[0]], axis=-1)


@lru_cache(maxsize=8)
def slice_indices(grid: Grid, step: int = 1) -> NDArray[np.intp]:
    """Find the voxel of a grid that is nearest to each point of the slices.

    Parameters
    ----------
    grid : Grid
    step : int
        See `slice_points`.

    Returns
    -------
    integer array of shape (n_slices, n_rows, n_columns)
        Flat indices with the first axis fastest; -1 outside the grid. The array is shared and read-only.
    """
    points = slice_points(step)
    inverse = np.linalg.inv(grid.matrix)
    voxels = np.rint(points @ inverse[:3, :3].T + inverse[:3, 3]).astype(np.intp)
    is_inside = ((voxels >= 0) & (voxels < np.array(grid.shape))).all(axis=-1)
    n_x, n_y, _ = grid.shape
    flat: NDArray[np.intp] = voxels @ np.array([1, n_x, n_x * n_y], np.intp)
    indices = np.where(is_inside, flat, -1)
    indices.flags.writeable = False
    return indices


def take_slices(volume: NDArray[np.generic], indices: NDArray[np.intp]) -> NDArray[np.generic]:
    """Select the slices of a volume; 0 outside its grid.

    Parameters
    ----------
    volume : array of the grid's shape, or flat with the first axis fastest
    indices : integer array of shape (n_slices, n_rows, n_columns)
        From `slice_indices`.

    Returns
    -------
    array of shape (n_slices, n_rows, n_columns)
    """
    flat = volume.ravel(order="F")
    return np.where(indices >= 0, flat.take(np.maximum(indices, 0)), np.zeros(1, flat.dtype))
