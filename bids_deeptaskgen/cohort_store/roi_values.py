"""Values of maps in the regions of an atlas: mean, standard deviation, number of voxels, coverage."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.atlas import Atlas

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
    is_valid = ~np.isnan(maps)
    weights, is_in_region = atlas.weights, atlas.weights.astype(bool).astype(np.float64)
    totals = weights @ is_valid.T.astype(np.float64)
    n_voxels = np.rint(is_in_region @ is_valid.T.astype(np.float64)).astype(np.int64)
    # The centre of the maps is subtracted first, and that of each region below, against cancellation.
    values = np.where(is_valid, maps, 0).astype(np.float64)
    centres = values.sum(axis=1) / np.maximum(is_valid.sum(axis=1), 1)
    values = np.where(is_valid, values - centres[:, None], 0).T
    with np.errstate(invalid="ignore", divide="ignore"):
        offsets = (weights @ values) / totals
        variances = (weights @ values**2) / totals - offsets**2
    mean, sd = offsets + centres, np.sqrt(variances.clip(min=0))
    coverage = totals / np.where(atlas.total_weights > 0, atlas.total_weights, 1)[:, None]
    return RegionValues(mean.T, sd.T, n_voxels.T, coverage.T)
