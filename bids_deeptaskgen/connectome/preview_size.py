"""Sizes of the preview of a run, which determine its memory."""

from collections.abc import Sequence

N_CARPET_ROWS = 220
# A grid is finer than the model's if a side of its voxels is shorter by this.
MODEL_VOXEL_MM, FINER_BY_MM = 2.0, 0.05


def is_fine(voxel_sizes_mm: Sequence[float]) -> bool:
    """Return whether a grid is finer than the model's: then most voxels are nearest to no voxel of the model.

    Parameters
    ----------
    voxel_sizes_mm : sequence of float

    Returns
    -------
    bool

    Examples
    --------
    >>> is_fine((1.0, 1.0, 1.0)), is_fine((2.0, 2.0, 2.0))
    (True, False)
    """
    return min(voxel_sizes_mm) <= MODEL_VOXEL_MM - FINER_BY_MM
