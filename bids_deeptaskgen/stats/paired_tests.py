"""Whether one predictor fits people's maps better than another, when people belong to families.

Relatives are alike, so a family moves as one: it is flipped as a block, and it is drawn as a block.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control

from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.settings.fill import default_of

Scores = NDArray[np.float64]

# Random signs or counts are drawn for so many people at a time, which bounds the memory.
_AT_ONCE = 4_000_000
# A sum of signed values that is as large as the one found, but for rounding, is as large.
_ROUNDING = 1e-12


def sign_flip_p(
    differences: ArrayLike,
    families: ArrayLike,
    rng: np.random.Generator,
    *,
    n_permutations: int = default_of(EvaluateSettings, "n_permutations"),
) -> float:
    """Test whether paired differences are 0 on average, by flipping the signs of whole families.

    Two-sided, on the mean difference. Under the null hypothesis a family's differences are as likely as
    their negatives (the two predictors could be swapped).

    Parameters
    ----------
    differences : array of shape (n_people,)
        Score of one predictor minus that of the other; people with NaN are left out.
    families : array of shape (n_people,)
        Which family each person is of, in any type; all different where people are not related.
    rng : Generator
    n_permutations : int
        Random flips.

    Returns
    -------
    float
        p = (b + 1) / (n + 1), b the flips with a mean at least as far from 0: never 0. NaN where there is
        nobody.
    """
    values, numbers, n_families = _by_family(differences, families)
    if not len(values):
        return float("nan")
    sums = np.bincount(numbers, values, n_families)
    found = abs(sums.sum()) - _ROUNDING * np.abs(sums).sum()
    n_as_far = 0
    for n_now in _portions(n_permutations, n_families):
        signs = rng.integers(0, 2, (n_now, n_families), np.int8) * 2 - 1
        n_as_far += int((np.abs(signs @ sums) >= found).sum())
    return (n_as_far + 1) / (n_permutations + 1)


def bootstrap_interval(
    values: ArrayLike,
    families: ArrayLike,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
) -> tuple[float, float]:
    """Give a confidence interval of the mean over people, by drawing families with replacement.

    Parameters
    ----------
    values : array of shape (n_people,)
        People with NaN are left out.
    families : array of shape (n_people,)
        As for `sign_flip_p`.
    rng : Generator
    level : float
        Share of the resampled means that lie in the interval.
    n_resamples : int

    Returns
    -------
    (float, float)
        Percentiles of the resampled means; NaN where there are fewer than two families.
    """
    present, numbers, n_families = _by_family(values, families)
    if n_families < 2:
        return float("nan"), float("nan")
    sums, sizes = np.bincount(numbers, present, n_families), np.bincount(numbers, minlength=n_families)
    means = []
    for n_now in _portions(n_resamples, n_families):
        counts = rng.multinomial(n_families, np.full(n_families, 1 / n_families), n_now)
        means.append((counts @ sums) / (counts @ sizes))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def cliffs_delta(first: ArrayLike, second: ArrayLike) -> float:
    """Measure how often values of one sample are larger than those of another.

    Parameters
    ----------
    first, second : array of shape (n_first,), (n_second,)
        NaN is left out.

    Returns
    -------
    float
        P(first > second) - P(first < second) over all pairs, from -1 to 1; NaN where a sample is empty.
    """
    left, right = (np.asarray(values, np.float64) for values in (first, second))
    left, right = left[np.isfinite(left)], np.sort(right[np.isfinite(right)])
    if not (left.size and right.size):
        return float("nan")
    below = np.searchsorted(right, left, side="left").sum()
    above = (right.size - np.searchsorted(right, left, side="right")).sum()
    return float(below - above) / (left.size * right.size)


def fdr(p_values: ArrayLike) -> Scores:
    """Adjust p for the false discovery rate over all tests (Benjamini and Hochberg 1995).

    Parameters
    ----------
    p_values : array of any shape
        NaN is no test.

    Returns
    -------
    array of that shape
    """
    p = np.asarray(p_values, np.float64)
    adjusted = np.full(p.shape, np.nan)
    tests = np.isfinite(p)
    if tests.any():
        adjusted[tests] = false_discovery_control(p[tests])
    return adjusted


def _by_family(values: ArrayLike, families: ArrayLike) -> tuple[Scores, NDArray[np.intp], int]:
    """Leave out NaN, and number the families that remain: values, each one's family, how many families."""
    every, names = np.asarray(values, np.float64), np.asarray(families)
    present = np.isfinite(every)
    known, numbers = np.unique(names[present], return_inverse=True)
    return every[present], numbers, len(known)


def _portions(n_draws: int, n_families: int) -> Iterator[int]:
    """Cut a number of draws into portions whose memory is bounded."""
    step = max(1, _AT_ONCE // n_families)
    for start in range(0, n_draws, step):
        yield min(step, n_draws - start)
