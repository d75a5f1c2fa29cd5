"""Correlations of predicted with measured maps over the voxels of ROIs, and means of ROIs.

Voxels of a probabilistic ROI are weighted by their probability. Only a block of rows is read at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.stats.map_rows import Maps, Rows, row_blocks, select_rows

Scores = NDArray[np.float64]

# r over fewer voxels of smooth maps is noise.
MIN_VOXELS = 10
# An SD below this share of the mean is constant but for rounding.
_FLAT = 1e-9
# Squares below this share of the squares that they are a difference of are rounding of float64.
_ROUNDING = 1e-12


class Roi(NamedTuple):
    """Voxels of an ROI.

    Attributes
    ----------
    voxels : integer array of shape (n_roi_voxels,)
        Columns of the maps.
    weights : array of shape (n_roi_voxels,), or None
        Probabilities; None for equal weights.
    """

    voxels: NDArray[np.intp]
    weights: NDArray[np.float64] | None = None


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


def score_rois(
    measured: Maps, predicted: Maps | Rows, average: Maps | Rows, rois: Sequence[Roi]
) -> RoiScores:
    """Score predicted maps in each ROI.

    Parameters
    ----------
    measured : array of shape (n_participants, n_voxels)
        Measured maps; a row of NaN is a participant without a map.
    predicted : array of shape (n_participants, n_voxels) or (n_voxels,), or Rows
        One prediction per participant, or one for all.
    average : array of shape (n_voxels,), or Rows
        Group average.
    rois : sequence of Roi
        ROIs with fewer than ``MIN_VOXELS`` voxels are not scored.

    Returns
    -------
    RoiScores

    Examples
    --------
    >>> measured = np.arange(20.0)[None]
    >>> scores = score_rois(measured, -measured, np.zeros(20), [Roi(np.arange(10)), Roi(np.arange(3))])
    >>> scores.r.round(6), scores.predicted_mean
    (array([[-1., nan]]), array([[-4.5,  nan]]))
    """
    shape = len(measured), len(rois)
    results = [np.full(shape, np.nan) for _ in range(4)]
    numbers = [number for number, roi in enumerate(rois) if len(roi.voxels) >= MIN_VOXELS]
    for rows in row_blocks(len(measured)):
        x, y = (np.atleast_2d(select_rows(maps, rows)) for maps in (measured, predicted))
        # The group average itself has no residual.
        base = None if predicted is average else np.atleast_2d(select_rows(average, rows))
        for number in numbers:
            values = _score_roi(x, y, base, rois[number])
            for result, column in zip(results, values, strict=True):
                result[rows, number] = column
    return RoiScores(*results)


def _score_roi(x: Maps, y: Maps, base: Maps | None, roi: Roi) -> tuple[Scores | float, ...]:
    """Return r, residual r, and means of measured (x) and predicted (y) maps of a block in an ROI.

    All scores follow from sums of products, so each map is read once. The sums are those of values minus a
    number near their mean, which keeps the digits.
    """
    centre = float(np.nan_to_num(x[:1, roi.voxels].mean()))
    x_sums, y_sums = (_Sums.of_maps(maps, roi, centre) for maps in (x, y))
    xx, yy, xy = (_covariance(*pair) for pair in ((x_sums, x_sums), (y_sums, y_sums), (x_sums, y_sums)))
    r = _correlation(xy, xx, yy, _floor(x_sums, centre), _floor(y_sums, centre))
    means = x_sums.mean + centre, y_sums.mean + centre
    if base is None:
        return r, float("nan"), *means
    base_sums = _Sums.of_maps(base, roi, centre)
    bb, xb, yb = (_covariance(item, base_sums) for item in (base_sums, x_sums, y_sums))
    floors = [
        _ROUNDING * (squares + bb) + _FLAT**2 * sums.weight * (sums.mean - base_sums.mean) ** 2
        for squares, sums in ((xx, x_sums), (yy, y_sums))
    ]
    residual_r = _correlation(xy - xb - yb + bb, xx - 2 * xb + bb, yy - 2 * yb + bb, *floors)
    return r, residual_r, *means


class _Sums(NamedTuple):
    """Maps in an ROI minus a number, times the root of the weights, so that products are weighted.

    Attributes
    ----------
    values : array of shape (n_rows, n_roi_voxels)
    mean : array of shape (n_rows,)
    weight : float
        Sum of the weights.
    """

    values: Scores
    mean: Scores
    weight: float

    @classmethod
    def of_maps(cls, maps: Maps, roi: Roi, centre: float) -> "_Sums":
        values = np.subtract(maps.take(roi.voxels, axis=1), centre, dtype=np.float64)
        if roi.weights is None:
            return cls(values, values.mean(axis=1), float(len(roi.voxels)))
        weight = float(roi.weights.sum())
        mean = values @ roi.weights / weight
        values *= np.sqrt(roi.weights)
        return cls(values, mean, weight)


def _covariance(first: _Sums, second: _Sums) -> Scores:
    """Sum the products of deviations from the mean, of the same rows or of one row."""
    if len(second.values) == 1:
        products = first.values @ second.values[0]
    elif len(first.values) == 1:
        products = second.values @ first.values[0]
    else:
        products = np.einsum("pv,pv->p", first.values, second.values)
    return np.asarray(products - first.weight * first.mean * second.mean)


def _floor(sums: _Sums, centre: float) -> Scores:
    """Return the sum of squares up to which a map is constant but for rounding."""
    return np.asarray(sums.weight * (_FLAT**2 * (sums.mean + centre) ** 2 + _ROUNDING * sums.mean**2))


def _correlation(xy: Scores, xx: Scores, yy: Scores, x_floor: Scores, y_floor: Scores) -> Scores:
    """Divide sums of products by the lengths; NaN for maps that are constant or not finite."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((xx > x_floor) & (yy > y_floor), xy / np.sqrt(xx * yy), np.nan)
