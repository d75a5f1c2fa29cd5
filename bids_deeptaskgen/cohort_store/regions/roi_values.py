"""Values of maps in the regions of an atlas: mean, standard deviation, number of voxels, coverage."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.atlases.atlas import Atlas

# Probabilistic regions: their variance is a difference of mean squares. Below this share of the first, the
# square of the relative resolution of float32 maps, it is rounding, as that of a region of one voxel.
_MIN_VARIANCE = float(np.finfo(np.float32).eps) ** 2

Values = NDArray[np.float64]


class RegionValues(NamedTuple):
    """Values of maps in regions.

    Attributes
    ----------
    mean, sd : float64 array of shape (n_contrasts, n_regions)
        In the units of the maps; NaN in regions without a value. The standard deviation divides by the number
        of voxels (or the sum of the weights).
    n_voxels : integer array of shape (n_contrasts, n_regions)
        Voxels of the region with a value.
    coverage : float64 array of shape (n_contrasts, n_regions)
        Weight of the voxels with a value, as a share of the weight of the region on the whole grid.
    """

    mean: Values
    sd: Values
    n_voxels: NDArray[np.int64]
    coverage: Values


def region_values(maps: NDArray[np.floating], atlas: Atlas) -> RegionValues:
    """Compute mean, standard deviation, number of voxels and coverage of maps in each region.

    All contrasts are multiplied at once: one sparse product each for sums, squares and counts. Means of
    probabilistic regions are weighted by the probabilities, each region by itself; regions that overlap share
    voxels. This is not the least-squares fit of all regions of nilearn's ``NiftiMapsMasker``.

    Parameters
    ----------
    maps : array of shape (n_contrasts, n_voxels)
        Voxels of the mask of the maps in C order; NaN where a map has no value.
    atlas : Atlas

    Returns
    -------
    RegionValues

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> weights = csr_array([[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    >>> atlas = Atlas("A", "a.nii", "", (1, 2), ("V1", "V2"), weights, np.array([3.0, 2.0]))
    >>> values = region_values(np.array([[1.0, 3.0, np.nan, np.nan]]), atlas)
    >>> values.mean, values.sd, values.n_voxels
    (array([[ 2., nan]]), array([[ 1., nan]]), array([[2, 0]]))
    >>> values.coverage
    array([[0.66666667, 0.        ]])
    """
    weights, membership = atlas.weights, atlas.weights.astype(bool).astype(np.float64)
    is_valid = ~np.isnan(maps.T, order="C")
    # Maps of a session usually have the same voxels, which are then counted once.
    counted = (is_valid[:, :1] if (is_valid == is_valid[:, :1]).all() else is_valid).astype(np.float64)
    totals = np.broadcast_to(weights @ counted, (len(atlas.numbers), len(maps)))
    n_voxels = np.broadcast_to(np.rint(membership @ counted).astype(np.int64), totals.shape)
    # Sums of centred values lose no digits.
    values = np.where(is_valid, maps.T, 0).astype(np.float64, order="C")
    centres = values.sum(axis=0) / np.maximum(is_valid.sum(axis=0), 1)
    np.subtract(values, centres, out=values, where=is_valid)
    with np.errstate(invalid="ignore", divide="ignore"):
        offsets = (weights @ values) / totals
        if not atlas.is_probabilistic:
            # A voxel has one label, so the mean of its region can be subtracted.
            np.subtract(values, membership.T @ np.nan_to_num(offsets), out=values, where=is_valid)
        values *= values
        squares = (weights @ values) / totals
    variances = squares - offsets**2 if atlas.is_probabilistic else squares
    sd = np.sqrt(np.where(variances < _MIN_VARIANCE * squares, 0, variances))
    coverage = totals / np.where(atlas.total_weights > 0, atlas.total_weights, 1)[:, None]
    return RegionValues((offsets + centres).T, sd.T, n_voxels.T, coverage.T)
