"""ROI maps around coordinates, for simulated data and models without published maps."""

import numpy as np
from nilearn import datasets
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from bids_deeptaskgen.connectome.template_masks import brain_mask
from bids_deeptaskgen.grid import MODEL_GRID, Grid

ROI_SIGMA_MM = 6.5
# Two widths: smooth enough, and small on disk.
ROI_RADIUS_MM = 13.0


def mirror_groups(points_mm: NDArray[np.float64], n_groups: int) -> NDArray[np.intp]:
    """Group points that are close to each other, or to the mirror image of each other.

    Ward's clustering after the right half has been folded onto the left one, so that homologous regions of
    both hemispheres come together, as they do in group ICA.

    Parameters
    ----------
    points_mm : array of shape (n_points, 3)
        MNI coordinates in mm, x to the right.
    n_groups : int
        Number of groups, at most the number of points.

    Returns
    -------
    integer array of shape (n_points,)
        Group of each point, 0 to ``n_groups - 1``, numbered by their first point.

    Raises
    ------
    ValueError
        If `n_groups` is below 1 or above the number of points.
    """
    if not 1 <= n_groups <= len(points_mm):
        msg = f"n_groups is {n_groups}, but must be 1 to {len(points_mm)}, the number of points."
        raise ValueError(msg)
    if len(points_mm) == 1:
        return np.zeros(1, np.intp)
    left_points = np.abs(points_mm) * (1, 0, 0) + points_mm * (0, 1, 1)
    groups = fcluster(linkage(left_points, "ward"), n_groups, "maxclust")
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def axes_mm(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the MNI coordinates of the voxels along each axis of an unrotated grid, in mm.

    Parameters
    ----------
    grid : Grid
        Its affine is diagonal but for the origin.

    Returns
    -------
    x, y, z : arrays of shape (n_voxels_along_axis,)

    Examples
    --------
    >>> grid = Grid((3, 2, 1), ((2, 0, 0, -2), (0, 2, 0, 10), (0, 0, 2, 0), (0, 0, 0, 1)))
    >>> [axis.tolist() for axis in axes_mm(grid)]
    [[-2, 0, 2], [10, 12], [0]]
    """
    steps, origin = np.diag(grid.matrix)[:3], grid.matrix[:3, 3]
    x, y, z = (start + step * np.arange(n) for start, step, n in zip(origin, steps, grid.shape, strict=True))
    return x, y, z


def box_around(
    point_mm: NDArray[np.float64], axes: tuple[NDArray[np.floating], ...], reach_mm: float
) -> tuple[slice, slice, slice]:
    """Find the part of a grid around a point.

    Parameters
    ----------
    point_mm : array of shape (3,)
        Coordinates in mm.
    axes : tuple of three arrays
        Coordinates of the voxels along each axis, see `axes_mm`.
    reach_mm : float
        Half the edge of the box.

    Returns
    -------
    tuple of three slices
        Empty where the point is too far outside the grid.
    """
    spans = [
        np.flatnonzero(np.abs(axis - centre) <= reach_mm) for axis, centre in zip(axes, point_mm, strict=True)
    ]
    x, y, z = (slice(int(span[0]), int(span[-1]) + 1) if span.size else slice(0, 0) for span in spans)
    return x, y, z


def truncated_gaussian(
    squared_mm: NDArray[np.floating], sigma_mm: float, radius_mm: float
) -> NDArray[np.floating]:
    """Compute a Gaussian of the distance that falls to exactly 0 at a radius, without a step.

    Parameters
    ----------
    squared_mm : array
        Squared distances in mm2.
    sigma_mm, radius_mm : float
        Width and radius of the Gaussian in mm.

    Returns
    -------
    array
        From 0 to 1; 1 at distance 0.
    """
    floor = np.float32(np.exp(-0.5 * (radius_mm / sigma_mm) ** 2))
    values = np.maximum(np.exp(squared_mm * np.float32(-0.5 / sigma_mm**2)) - floor, 0)
    return np.asarray(values / (1 - floor))


def coordinate_rois(n_rois: int = 50) -> NDArray[np.float32]:
    """Build smooth ROI maps, mostly bilateral, from the 160 regions of Dosenbach et al. (2010).

    They replace group-ICA maps where these are not available. The regions (Science 329:1358;
    coordinates shipped by nilearn) are grouped with their neighbours and mirror images; a map is the sum
    of Gaussians around the regions of a group.

    Parameters
    ----------
    n_rois : int
        Number of maps, 1 to 160.

    Returns
    -------
    array of shape (n_rois, 76, 93, 78)
        On the model's grid, 0 to 1, each map with maximum 1; 0 outside the brain mask.
    """
    points = np.asarray(datasets.fetch_coords_dosenbach_2010().rois[["x", "y", "z"]], np.float64)
    groups = mirror_groups(points, n_rois)
    rois = np.zeros((n_rois, *MODEL_GRID.shape), np.float32)
    axes = axes_mm(MODEL_GRID)
    for group, point in zip(groups, points, strict=True):
        box = box_around(point, axes, ROI_RADIUS_MM)
        dx, dy, dz = (axis[span] - centre for axis, span, centre in zip(axes, box, point, strict=True))
        squared = (dx**2)[:, None, None] + (dy**2)[:, None] + dz**2
        rois[(group, *box)] += truncated_gaussian(squared, ROI_SIGMA_MM, ROI_RADIUS_MM)
    rois *= brain_mask()
    rois /= rois.max(axis=(1, 2, 3), keepdims=True)
    return rois
