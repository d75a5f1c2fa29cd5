"""Relation of connectivity to motion over participants (QC-FC).

QC-FC is the correlation over participants of mean FD with a measure of connectivity, for each edge. The
benchmarks are the share of edges that are related to motion, the median of absolute correlations, and the
dependence of correlations on the distance of the ROIs (Ciric et al. 2017, NeuroImage 154:174; first described
by Power et al. 2012, NeuroImage 59:2142, and Satterthwaite et al. 2012, NeuroImage 60:623).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr
from scipy.stats import spearmanr

from bids_deeptaskgen.stats.deviations import Deviations, deviations_from_mean
from bids_deeptaskgen.stats.paired_tests import fdr

Scores = NDArray[np.float64]

ALPHA = 0.05
# Ranks of two edges correlate by 1 or -1 by construction.
MIN_EDGES = 3
# r of two participants is 1 or -1 by construction.
MIN_PARTICIPANTS = 3
# Variances of less than this share of the squares are rounding: squares have 14 digits.
_FLAT = 1e-12


@dataclass(frozen=True)
class QcFcSummary:
    """Distribution of QC-FC correlations; all numbers are NaN without values.

    Attributes
    ----------
    n_participants : int
        Largest number of participants of a value.
    n_values : int
        Edges or voxels with a correlation.
    median_r, median_abs_r, max_abs_r : float
    share_p : float
        Share of values with p < 0.05, uncorrected; 0.05 is expected without a relation.
    share_fdr : float
        Share of values with q < 0.05 (false discovery rate).
    """

    n_participants: int
    n_values: int
    median_r: float
    median_abs_r: float
    max_abs_r: float
    share_p: float
    share_fdr: float


def correlate_columns(numbers: ArrayLike, values: NDArray[np.floating]) -> tuple[Scores, NDArray[np.int32]]:
    """Correlate a number per participant with each column, over participants with both.

    Parameters
    ----------
    numbers : array of shape (n_participants,)
        For example mean FD in mm. Participants whose number is not finite do not count.
    values : array of shape (n_participants, n_columns)
        For example the edges of connectomes. Values that are not finite do not count; 0 does.

    Returns
    -------
    r : array of shape (n_columns,)
        NaN for fewer than three participants, or if numbers or values are equal.
    count : integer array of shape (n_columns,)
        Number of participants.

    Examples
    --------
    >>> r, count = correlate_columns([0.1, 0.2, 0.3, np.nan], np.array([[3.0], [2.0], [1.0], [9.0]]))
    >>> r.round(6), count
    (array([-1.]), array([3], dtype=int32))
    """
    return correlate_deviations(numbers, deviations_from_mean(values, is_zero_missing=False))


def correlate_deviations(numbers: ArrayLike, deviations: Deviations) -> tuple[Scores, NDArray[np.int32]]:
    """Correlate a number per participant with each voxel, from deviations of maps from their mean.

    Parameters
    ----------
    numbers : array of shape (n_participants,)
        Participants whose number is not finite do not count.
    deviations : Deviations
        Of shape (n_participants, n_voxels).

    Returns
    -------
    r, count : array of shape (n_voxels,)
        As in `correlate_columns`.
    """
    x = np.asarray(numbers, np.float64)
    is_known = np.isfinite(x)
    if not is_known.any():
        return np.full(deviations.mean.shape, np.nan), np.zeros(deviations.mean.shape, np.int32)
    # The numbers are centred, so that sums over the participants with a value lose no digits.
    x = np.where(is_known, x - x[is_known].mean(), 0)
    x_values = np.stack([is_known, x])
    y = deviations.values
    count, sum_x, xx = _sums_of_numbers(x_values, deviations)
    sum_y, sum_xy = x_values.astype(y.dtype) @ y
    yy = deviations.squares if is_known.all() else is_known.astype(y.dtype) @ np.square(y)
    n = np.maximum(count, 1)
    xx, yy_centred = xx - sum_x**2 / n, yy - (0 if is_known.all() else sum_y**2 / n)
    rounding = np.square(np.finfo(y.dtype).eps * deviations.mean)
    is_usable = (count >= MIN_PARTICIPANTS) & (yy_centred > np.maximum(_FLAT * yy, n * rounding))
    is_usable &= xx > _FLAT * np.square(x).sum()
    r = np.full(len(n), np.nan)
    np.divide(sum_xy - sum_x * sum_y / n, np.sqrt(xx * np.maximum(yy_centred, 0)), out=r, where=is_usable)
    np.clip(r, -1, 1, out=r)
    return r, count


def _sums_of_numbers(x_values: Scores, deviations: Deviations) -> tuple[NDArray[np.int32], Scores, Scores]:
    """Count the participants with both, and sum their numbers and squared numbers, in each voxel."""
    is_known, x = x_values
    terms = np.stack([is_known, x, x**2])
    sums = np.repeat(terms.sum(axis=1, keepdims=True), len(deviations.mean), axis=1)
    is_partial = ~deviations.is_complete
    if is_partial.any():
        sums[:, is_partial] = terms @ deviations.has_value[:, is_partial].astype(np.float64)
    count, sum_x, xx = sums
    return np.rint(count).astype(np.int32), sum_x, xx


def summarise_qc_fc(r: ArrayLike, count: ArrayLike) -> QcFcSummary:
    """Compute the distribution of QC-FC correlations, see the module.

    Parameters
    ----------
    r : array
        Correlation of each edge or voxel with mean FD; NaN is no value.
    count : array of the shape of `r`
        Number of participants of each correlation.

    Returns
    -------
    QcFcSummary
    """
    r, count = np.asarray(r, np.float64), np.broadcast_to(count, np.shape(r))
    p = p_of_r(r, count)
    is_test = np.isfinite(p)
    if not is_test.any():
        return QcFcSummary(int(count.max(initial=0)), 0, *[float("nan")] * 5)
    r, p = r[is_test], p[is_test]
    magnitude = np.abs(r)
    return QcFcSummary(
        n_participants=int(count[is_test].max()),
        n_values=int(is_test.sum()),
        median_r=float(np.median(r)),
        median_abs_r=float(np.median(magnitude)),
        max_abs_r=float(magnitude.max()),
        share_p=float((p < ALPHA).mean()),
        share_fdr=float((fdr(p) < ALPHA).mean()),
    )


def distance_dependence(r: ArrayLike, distances: ArrayLike) -> float:
    """Compute Spearman's rank correlation of QC-FC with the distance of ROIs.

    A negative value means that motion raises connectivity of near ROIs relative to that of far ROIs.

    Parameters
    ----------
    r : array of shape (n_edges,)
        Correlation of each edge with mean FD.
    distances : array of shape (n_edges,)
        Distance of the two ROIs in mm.

    Returns
    -------
    float
        Over edges with both; NaN for fewer than three edges, or if r or distances are equal.

    Examples
    --------
    >>> distance_dependence([0.3, 0.1, -0.2], [10.0, 40.0, 80.0])
    -1.0
    """
    x, y = np.asarray(r, np.float64), np.asarray(distances, np.float64)
    has_both = np.isfinite(x) & np.isfinite(y)
    x, y = x[has_both], y[has_both]
    if len(x) < MIN_EDGES or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(spearmanr(x, y).statistic)


def p_of_r(r: ArrayLike, count: ArrayLike) -> Scores:
    """Compute two-sided p values of Pearson correlations (t distribution with n - 2 degrees of freedom).

    Parameters
    ----------
    r : array
    count : array of a shape that fits
        Number n of pairs of each r.

    Returns
    -------
    array
        NaN where r is NaN, or where there are fewer than three pairs.

    Examples
    --------
    >>> p_of_r([0.5, 1.0, np.nan], 10).round(3)
    array([0.141, 0.   ,   nan])
    """
    r, freedom = np.broadcast_arrays(np.asarray(r, np.float64), np.asarray(count, np.float64) - 2)
    p = np.full(r.shape, np.nan)
    is_test = np.isfinite(r) & (freedom >= 1)
    with np.errstate(divide="ignore"):
        t = np.abs(r[is_test]) * np.sqrt(freedom[is_test] / (1 - r[is_test] ** 2))
    p[is_test] = 2 * stdtr(freedom[is_test], -t)
    return p
