"""Reliability of measured maps, and the largest correlation that it allows a prediction.

A measured map is the participant's true map plus noise. If the noise of two measurements is independent and
equally strong, their correlation is the reliability, the share of the variance over voxels that is the true
map. The true map itself correlates with a measurement by the square root of the reliability (Spearman 1904,
correction for attenuation), which no other prediction exceeds but by chance.
"""

import numpy as np
from numpy.typing import ArrayLike

from bids_deeptaskgen.stats.map_rows import Scores
from bids_deeptaskgen.stats.paired_tests import resampling_batch

# With more resamples without a reliability, those that have one describe too few participants.
MAX_UNDEFINED = 0.05


def spearman_brown(r: ArrayLike) -> Scores:
    """Compute the reliability of a whole measurement from the correlation of its halves.

    Parameters
    ----------
    r : array of shape (n_participants,)
        Correlation of the two halves, -1 to 1.

    Returns
    -------
    array of shape (n_participants,)
        2 r / (1 + r) for r >= 0 (Spearman 1910, Brown 1910). A negative r is, by chance, an estimate of a
        reliability near 0. It is mirrored, 2 r / (1 - r): the formula would extrapolate it without limit, and
        0 in its place would raise the mean over participants.

    Examples
    --------
    >>> spearman_brown([0.5, 0.0, -0.5, -1.0]).round(6)
    array([ 0.666667,  0.      , -0.666667, -1.      ])
    """
    half_r = np.asarray(r, np.float64)
    return np.asarray(2 * half_r / (1 + np.abs(half_r)))


def ceiling(reliability: float) -> float:
    """Compute the expected correlation of a participant's true map with the measured map.

    Parameters
    ----------
    reliability : float
        Mean reliability of the measured maps.

    Returns
    -------
    float
        Square root of the reliability; NaN if it is not above 0.

    Examples
    --------
    >>> ceiling(0.64), ceiling(-0.1)
    (0.8, nan)
    """
    return float(np.sqrt(reliability)) if reliability > 0 else float("nan")


def share_interval(
    values: ArrayLike,
    reliabilities: ArrayLike,
    families: ArrayLike,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
) -> tuple[float, float]:
    """Estimate a percentile bootstrap interval of a mean correlation as a share of its ceiling.

    The share is the mean of `values` over the square root of the mean of `reliabilities`. Families are
    resampled once for both, since noisy maps lower both.

    Parameters
    ----------
    values : array of shape (n_participants,)
        Correlation of each participant's measured and predicted map; NaN if there is none.
    reliabilities : array of shape (n_participants,)
        Reliability of each participant's measured map; NaN if there is none.
    families : array of shape (n_participants,)
        Label of each participant's family; families are resampled as a whole.
    rng : Generator
        Source of the resamples.
    level : float
        Confidence level, between 0 and 1.
    n_resamples : int
        Number of resamples.

    Returns
    -------
    (float, float)
        Lower and upper bound. Resamples of families without a value or without a reliability are left out.
        A bound is NaN where the mean reliability of that many resamples is not above 0; both are NaN if there
        are fewer than two families, or more than ``MAX_UNDEFINED`` of the resamples are left out.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> share_interval([0.4] * 5, [0.64] * 5, list("abcde"), rng)
    (0.5, 0.5)
    """
    x, reliability = np.asarray(values, np.float64), np.asarray(reliabilities, np.float64)
    has_value, has_reliability = np.isfinite(x), np.isfinite(reliability)
    is_usable = has_value | has_reliability
    distinct_labels, numbers = np.unique(np.asarray(families)[is_usable], return_inverse=True)
    n_families = len(distinct_labels)
    if n_families < 2:
        return float("nan"), float("nan")
    columns = (
        np.where(has_value, x, 0),
        has_value,
        np.where(has_reliability, reliability, 0),
        has_reliability,
    )
    sums = np.array([np.bincount(numbers, column[is_usable], n_families) for column in columns], np.float64)
    batch = resampling_batch(n_families)
    shares = [
        _shares(sums[:, rng.integers(n_families, size=(min(batch, n_resamples - start), n_families))])
        for start in range(0, n_resamples, batch)
    ]
    is_defined = ~np.isnan(resampled := np.concatenate(shares))
    if 1 - is_defined.mean() > MAX_UNDEFINED:
        return float("nan"), float("nan")
    with np.errstate(invalid="ignore"):
        bounds = np.quantile(resampled[is_defined], [(1 - level) / 2, (1 + level) / 2])
    ci_low, ci_high = (float(bound) if np.isfinite(bound) else float("nan") for bound in bounds)
    return ci_low, ci_high


def _shares(resamples: Scores) -> Scores:
    """Compute shares of the ceiling: infinite without a reliability above 0, NaN without any.

    The array has the shape (4, n_resamples, n_families): sums and numbers of values, and of reliabilities.
    """
    total, count, total_reliability, n_reliable = resamples.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares: Scores = (total / count) / np.sqrt(np.maximum(total_reliability / n_reliable, 0))
    return shares
