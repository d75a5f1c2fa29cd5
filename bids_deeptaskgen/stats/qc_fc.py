"""Relation of connectivity to motion over participants (QC-FC).

QC-FC is the correlation over participants of mean FD with a measure of connectivity, for each edge. The
benchmarks are the share of edges that are related to motion, the median of absolute correlations, and the
dependence of correlations on the distance of the ROIs (Ciric et al. 2017, NeuroImage 154:174; first described
by Power et al. 2012, NeuroImage 59:2142, and Satterthwaite et al. 2012, NeuroImage 60:623).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr

from bids_deeptaskgen.stats.paired_tests import fdr
from bids_deeptaskgen.stats.running_correlation import RunningCorrelation, p_of_r

Scores = NDArray[np.float64]

ALPHA = 0.05
# Ranks of two edges correlate by 1 or -1 by construction.
MIN_EDGES = 3


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
    correlation = RunningCorrelation(values.shape[1:], is_zero_missing=False)
    for number, row in zip(np.asarray(numbers, np.float64), values, strict=True):
        if np.isfinite(number):
            correlation.add(float(number), row)
    return correlation.r, correlation.count


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
