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
# Residuals below this share of the maps are rounding of float64.
_ROUNDING = 1e-13


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
        x, y, base = (np.atleast_2d(select_rows(maps, rows)) for maps in (measured, predicted, average))
        for number in numbers:
            values = _score_roi(x, y, base, rois[number])
            for result, column in zip(results, values, strict=True):
                result[rows, number] = column
    return RoiScores(*results)


def _score_roi(measured: Maps, predicted: Maps, average: Maps, roi: Roi) -> tuple[Scores, ...]:
    """Return r, residual r, and means of both maps of a block of participants in an ROI."""
    x, y, base = (_Centred.in_roi(maps, roi) for maps in (measured, predicted, average))
    r = _correlate(x.values, y.values, x.floor, y.floor)
    residuals = x.minus(base), y.minus(base)
    residual_r = _correlate(*(item.values for item in residuals), *(item.floor for item in residuals))
    return r, residual_r, x.mean, y.mean


class _Centred(NamedTuple):
    """Maps in an ROI minus their mean, times the root of the weights, so that products are covariances.

    Attributes
    ----------
    values : array of shape (n_rows, n_roi_voxels)
    mean : array of shape (n_rows,)
    weight : float
        Sum of the weights.
    rounding : array of shape (n_rows,)
        Sum of squares that may be rounding.
    """

    values: Scores
    mean: Scores
    weight: float
    rounding: Scores | float = 0.0

    @classmethod
    def in_roi(cls, maps: Maps, roi: Roi) -> "_Centred":
        values = maps[:, roi.voxels].astype(np.float64)
        if roi.weights is None:
            mean, weight = values.mean(axis=1), float(len(roi.voxels))
            values -= mean[:, None]
        else:
            weight = float(roi.weights.sum())
            mean = values @ roi.weights / weight
            values -= mean[:, None]
            values *= np.sqrt(roi.weights)
        return cls(values, mean, weight)

    @property
    def floor(self) -> Scores:
        """Return the sum of squares up to which values are constant."""
        floor: Scores = _FLAT**2 * self.weight * self.mean**2 + self.rounding
        return floor

    def minus(self, base: "_Centred") -> "_Centred":
        """Remove other maps, of the same rows or of one row, from these."""
        squares = [np.einsum("pv,pv->p", item.values, item.values) for item in (self, base)]
        means = [self.weight * item.mean**2 for item in (self, base)]
        rounding = _ROUNDING**2 * (squares[0] + squares[1] + means[0] + means[1])
        return _Centred(self.values - base.values, self.mean - base.mean, self.weight, rounding)


def _correlate(x: Scores, y: Scores, x_floor: Scores, y_floor: Scores) -> Scores:
    """Correlate rows; NaN for rows that are constant or not finite."""
    xx, yy = np.einsum("pv,pv->p", x, x), np.einsum("pv,pv->p", y, y)
    xy = np.einsum("pv,pv->p", x, np.broadcast_to(y, x.shape))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((xx > x_floor) & (yy > y_floor), xy / np.sqrt(xx * yy), np.nan)
