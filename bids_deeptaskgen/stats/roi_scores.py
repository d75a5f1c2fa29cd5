"""Correlations of predicted with measured maps over the voxels of ROIs, and means of ROIs.

Voxels of a probabilistic ROI are weighted by their probability. Only a block of rows is read at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from bids_deeptaskgen.stats.map_rows import Maps, Rows, select_rows

Scores = NDArray[np.float64]

# r over fewer voxels of smooth maps is noise.
MIN_VOXELS = 10
# Rows of the blocks of float64 in memory.
_N_ROWS = 8
# Weights with more values than this share that are not 0 are used as a dense array, up to this size.
_MIN_DENSITY, _MAX_DENSE = 0.1, 50_000_000
# An SD below this share of the mean is constant but for rounding.
_FLAT = 1e-9
# Squares below this share of the squares that they are a difference of are rounding of float64.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class RoiScores:
    """Scores of each participant in each ROI, NaN where undefined.

    Attributes
    ----------
    r : array of shape (n_participants, n_rois)
        Pearson r over the voxels of the ROI.
    residual_r : array of shape (n_participants, n_rois)
        The same after subtraction of the group average from both maps.
    measured_mean : array of shape (n_participants, n_rois)
        Mean of the measured map.
    predicted_mean : array of shape (n_participants, n_rois)
        Mean of the predicted map.
    """

    r: Scores
    residual_r: Scores
    measured_mean: Scores
    predicted_mean: Scores


def score_rois(measured: Maps, predicted: Maps | Rows, average: Maps | Rows, weights: csr_array) -> RoiScores:
    """Score predicted maps in each ROI.

    Parameters
    ----------
    measured : array of shape (n_participants, n_voxels)
        Measured maps; a row of NaN is a participant without a map.
    predicted : array of shape (n_participants, n_voxels) or (n_voxels,), or Rows
        One prediction per participant, or one for all.
    average : array of shape (n_voxels,), or Rows
        Group average.
    weights : sparse array of shape (n_rois, n_voxels)
        Weight of each voxel in each ROI: 1 for labels, or the probability. ROIs with fewer than
        ``MIN_VOXELS`` voxels are not scored.

    Returns
    -------
    RoiScores

    Examples
    --------
    >>> measured = np.arange(20.0)[None]
    >>> weights = csr_array([[1.0] * 10 + [0.0] * 10, [0.0] * 17 + [1.0] * 3])
    >>> scores = score_rois(measured, -measured, np.zeros(20), weights)
    >>> scores.r.round(6), scores.predicted_mean
    (array([[-1., nan]]), array([[-4.5,  nan]]))
    """
    results = [np.full((len(measured), weights.shape[0]), np.nan) for _ in range(4)]
    numbers = np.flatnonzero(np.diff(weights.indptr) >= MIN_VOXELS)
    rois = _Rois(weights[numbers])
    for start in range(0, len(measured), _N_ROWS):
        rows = slice(start, start + _N_ROWS)
        x, y = (_float_rows(maps, rows) for maps in (measured, predicted))
        # The group average itself has no residual.
        base = None if predicted is average else _float_rows(average, rows)
        for result, values in zip(results, _score_block(x, y, base, rois), strict=True):
            result[rows, numbers] = values
    return RoiScores(*results)


def _float_rows(maps: Maps | Rows, rows: slice) -> Scores:
    """Return rows of maps, or the map for all as one row, in float64."""
    return np.atleast_2d(np.asarray(select_rows(maps, rows), np.float64))


class _Rois:
    """Sums over the voxels of ROIs. Weights that are mostly not 0 are faster as a dense array.

    Parameters
    ----------
    weights : sparse array of shape (n_rois, n_voxels)
    """

    def __init__(self, weights: csr_array) -> None:
        size = weights.shape[0] * weights.shape[1]
        is_dense = weights.nnz > _MIN_DENSITY * size and size <= _MAX_DENSE
        self._weights = weights.toarray() if is_dense else weights.astype(np.float64)
        self.total: Scores = np.asarray(weights.sum(axis=1), np.float64)

    def sum(self, values: Scores) -> Scores:
        """Add up the weighted values, of shape (n_rows, n_voxels), in each ROI: (n_rows, n_rois)."""
        if isinstance(self._weights, np.ndarray):
            return np.asarray(values @ self._weights.T)
        return np.stack([self._weights @ row for row in values])

    def covariance(self, x: Scores, y: Scores, x_sum: Scores, y_sum: Scores) -> Scores:
        """Add up the products of deviations from the means, which follow from the sums of x and y."""
        return np.asarray(self.sum(x * y) - x_sum * y_sum / self.total)


def _score_block(x: Scores, y: Scores, base: Scores | None, rois: _Rois) -> Iterator[Scores]:
    """Yield r, residual r, and means of measured (x) and predicted (y) maps of a block in each ROI."""
    # Values minus a number near their mean keep the digits of sums of squares.
    centre = float(np.nan_to_num(x).mean())
    x_centred, y_centred = x - centre, y - centre
    x_sum, y_sum = rois.sum(x_centred), rois.sum(y_centred)
    xx = rois.covariance(x_centred, x_centred, x_sum, x_sum)
    yy = rois.covariance(y_centred, y_centred, y_sum, y_sum)
    xy = rois.covariance(x_centred, y_centred, x_sum, y_sum)
    means = [z_sum / rois.total for z_sum in (x_sum, y_sum)]
    floors = [rois.total * (_FLAT**2 * (mean + centre) ** 2 + _ROUNDING * mean**2) for mean in means]
    yield _correlation(xy, xx, yy, *floors)
    if base is None:
        yield np.full(xx.shape, np.nan)
    else:
        d, e = x - base, y - base
        d_sum, e_sum = rois.sum(d), rois.sum(e)
        dd, ee = rois.covariance(d, d, d_sum, d_sum), rois.covariance(e, e, e_sum, e_sum)
        # A residual that is small against the map is rounding.
        floors = [
            _ROUNDING * (squares + total**2 / rois.total) + _FLAT**2 * total**2 / rois.total
            for squares, total in ((xx, d_sum), (yy, e_sum))
        ]
        yield _correlation(rois.covariance(d, e, d_sum, e_sum), dd, ee, *floors)
    yield from (np.broadcast_to(mean + centre, xx.shape) for mean in means)


def _correlation(xy: Scores, xx: Scores, yy: Scores, x_floor: Scores, y_floor: Scores) -> Scores:
    """Divide sums of products by the lengths; NaN for maps that are constant or not finite."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((xx > x_floor) & (yy > y_floor), xy / np.sqrt(xx * yy), np.nan)
