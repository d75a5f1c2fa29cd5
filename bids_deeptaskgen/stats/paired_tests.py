"""Paired tests, intervals and effect sizes for participants who may belong to families.

Members of a family are alike, so a family is the unit of exchange: its signs are flipped together, and it is
resampled as a whole.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import bootstrap, false_discovery_control, mannwhitneyu, permutation_test

from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.settings.fill import default_of

Scores = NDArray[np.float64]

# scipy holds several arrays of this many values while it resamples, which bounds the memory.
_BATCH_VALUES = 500_000
# Sums that differ by less than this share of the sum of absolute values are equal.
_DECIMALS = 12


def sign_flip_p(
    differences: ArrayLike,
    families: ArrayLike,
    rng: np.random.Generator,
    *,
    n_permutations: int = default_of(EvaluateSettings, "n_permutations"),
) -> float:
    """Test whether the mean of paired differences is 0, by flipping the signs of whole families.

    The test is two-sided. Under the null hypothesis the two predictors are exchangeable, so the differences
    of a family are as likely as their negatives.

    Parameters
    ----------
    differences : array of shape (n_participants,)
        Score of one predictor minus score of another. NaN and infinite values are ignored.
    families : array of shape (n_participants,)
        Label of each participant's family, of any type. All labels differ if participants are unrelated.
    rng : Generator
        Source of the random flips.
    n_permutations : int
        Number of random flips. If there are no more patterns of signs than this, each pattern is computed
        once and p is exact.

    Returns
    -------
    float
        Share of the flips whose mean is at least as far from 0 as the observed mean, the observed signs
        included; p is never 0. NaN if there is no finite difference.

    Examples
    --------
    Six unrelated participants with positive differences: 2 of the 64 patterns of signs are as extreme.

    >>> sign_flip_p([1, 2, 1, 3, 2, 1], list("abcdef"), np.random.default_rng(0))
    0.03125
    """
    values, numbers, n_families = _by_family(differences, families)
    if n_families == 0:
        return float("nan")
    sums = np.bincount(numbers, values, n_families)
    scale = np.abs(sums).sum()
    if n_families == 1 or scale == 0:
        return 1.0
    result = permutation_test(
        (sums / scale,),
        _absolute_sum,
        permutation_type="samples",
        vectorized=True,
        alternative="greater",
        n_resamples=n_permutations,
        batch=resampling_batch(n_families),
        rng=rng,
    )
    return float(result.pvalue)


def bootstrap_interval(
    values: ArrayLike,
    families: ArrayLike,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
) -> tuple[float, float]:
    """Estimate a percentile bootstrap interval of the mean over participants, by resampling families.

    Parameters
    ----------
    values : array of shape (n_participants,)
        NaN and infinite values are ignored.
    families : array of shape (n_participants,)
        Label of each participant's family, see `sign_flip_p`.
    rng : Generator
        Source of the resamples.
    level : float
        Confidence level, between 0 and 1.
    n_resamples : int
        Number of resamples.

    Returns
    -------
    (float, float)
        Lower and upper bound; NaN if there are fewer than two families.

    Examples
    --------
    >>> low, high = bootstrap_interval([1.0] * 5, list("abcde"), np.random.default_rng(0))
    >>> (low, high)
    (1.0, 1.0)
    """
    finite_values, numbers, n_families = _by_family(values, families)
    if n_families < 2:
        return float("nan"), float("nan")
    sums, sizes = np.bincount(numbers, finite_values, n_families), np.bincount(numbers, minlength=n_families)
    interval = bootstrap(
        (sums, sizes),
        _ratio_of_sums,
        paired=True,
        vectorized=True,
        method="percentile",
        confidence_level=level,
        n_resamples=n_resamples,
        batch=resampling_batch(n_families),
        rng=rng,
    ).confidence_interval
    return float(interval.low), float(interval.high)


def cliffs_delta(first: ArrayLike, second: ArrayLike) -> float:
    """Compute Cliff's delta of two samples from the Mann-Whitney U.

    Parameters
    ----------
    first : array of shape (n_first,)
        NaN and infinite values are ignored.
    second : array of shape (n_second,)
        NaN and infinite values are ignored.

    Returns
    -------
    float
        P(first > second) - P(first < second) over all pairs = 2 U / (n_first n_second) - 1, from -1 to 1;
        NaN if a sample is empty.

    Examples
    --------
    >>> cliffs_delta([3, 4], [1, 2])
    1.0
    >>> cliffs_delta([1, 2], [1, 2])
    0.0
    """
    x, y = (np.asarray(values, np.float64) for values in (first, second))
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    if not (x.size and y.size):
        return float("nan")
    # Only U is used. Its exact p, which is the default for few values, would cost time.
    u = mannwhitneyu(x, y, method="asymptotic").statistic
    return float(2 * u / (x.size * y.size) - 1)


def fdr(p_values: ArrayLike) -> Scores:
    """Compute p values adjusted for the false discovery rate (Benjamini and Hochberg 1995).

    Parameters
    ----------
    p_values : array of any shape
        All values are one family of tests. NaN is no test and stays NaN.

    Returns
    -------
    array of the same shape

    Examples
    --------
    >>> fdr([0.01, 0.02, np.nan])
    array([0.02, 0.02,  nan])
    """
    p = np.asarray(p_values, np.float64)
    adjusted_p = np.full(p.shape, np.nan)
    is_test = np.isfinite(p)
    if is_test.any():
        adjusted_p[is_test] = false_discovery_control(p[is_test])
    return adjusted_p


def _by_family(values: ArrayLike, families: ArrayLike) -> tuple[Scores, NDArray[np.intp], int]:
    """Return the finite values, the number of the family of each, and the number of families."""
    scores, labels = np.asarray(values, np.float64), np.asarray(families)
    is_finite = np.isfinite(scores)
    distinct_labels, numbers = np.unique(labels[is_finite], return_inverse=True)
    return scores[is_finite], numbers, len(distinct_labels)


def _absolute_sum(values: Scores, axis: int) -> Scores:
    """Sum values, rounded so that sums that are equal but for the order of addition tie."""
    total: Scores = np.round(np.abs(values.sum(axis=axis)), _DECIMALS)
    return total


def _ratio_of_sums(sums: Scores, sizes: Scores, axis: int) -> Scores:
    """Compute means over the participants of resampled families."""
    means: Scores = sums.sum(axis=axis) / sizes.sum(axis=axis)
    return means


def resampling_batch(n_families: int) -> int:
    """Return how many resamples to compute at a time, within a bounded memory.

    Parameters
    ----------
    n_families : int
        Number of families that a resample draws.

    Returns
    -------
    int
        At least 1.
    """
    return max(1, _BATCH_VALUES // n_families)
