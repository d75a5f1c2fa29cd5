"""Spearman's rank correlation over participants who may belong to families, with interval and p.

Families are resampled as a whole. For p, whole families are exchanged with families of the same size (Winkler
et al. 2015, NeuroImage 123:253), so that members of a family stay together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

Scores = NDArray[np.float64]
Indices = NDArray[np.intp]

# With fewer participants, no permutation test can be significant after correction.
MIN_PARTICIPANTS = 5
# Number of values in memory while resampling.
_BATCH_VALUES = 2_000_000
# Correlations that differ by less are equal.
_TOLERANCE = 1e-10


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation; NaN with too few participants or without differences between them.

    Attributes
    ----------
    rho : float
    ci_low, ci_high : float
        95% percentile interval over resampled families.
    p : float
        Two-sided.
    n_participants : int
        Participants with both values.
    """

    rho: float
    ci_low: float
    ci_high: float
    p: float
    n_participants: int


def correlate_ranks(
    first: ArrayLike,
    second: ArrayLike,
    families: ArrayLike,
    rng: np.random.Generator,
    *,
    n_permutations: int,
    n_resamples: int = 2000,
) -> RankCorrelation:
    """Compute Spearman's correlation of two numbers per participant.

    Parameters
    ----------
    first, second : array of shape (n_participants,)
        Participants with a value that is not finite are ignored.
    families : array of shape (n_participants,)
        Label of each participant's family; all differ if participants are unrelated.
    rng : Generator
        Source of resamples and permutations.
    n_permutations : int
        Number of permutations; p is (b + 1) / (n + 1), where b permutations correlate at least as strongly.
    n_resamples : int
        Number of resamples for the interval.

    Returns
    -------
    RankCorrelation

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correlate_ranks([1, 2, 3, 4, 5], [1, 4, 9, 16, 25], list("abcde"), rng, n_permutations=99).rho
    1.0
    """
    x, y = (np.asarray(values, np.float64) for values in (first, second))
    has_both = np.isfinite(x) & np.isfinite(y)
    x, y, n = x[has_both], y[has_both], int(has_both.sum())
    if n < MIN_PARTICIPANTS or np.ptp(x) == 0 or np.ptp(y) == 0:
        nan = float("nan")
        return RankCorrelation(nan, nan, nan, nan, n)
    numbers = np.unique(np.asarray(families)[has_both], return_inverse=True)[1]
    units = [_unit(rankdata(values)) for values in (x, y)]
    rho = float(units[0] @ units[1])
    n_batch = max(1, _BATCH_VALUES // n)
    n_extreme = 0
    for start in range(0, n_permutations, n_batch):
        orders = _permute_families(numbers, rng, min(n_batch, n_permutations - start))
        n_extreme += int((np.abs(units[0][orders] @ units[1]) >= abs(rho) - _TOLERANCE).sum())
    ci_low, ci_high = _interval(x, y, numbers, rng, n_resamples, n_batch)
    return RankCorrelation(rho, ci_low, ci_high, (n_extreme + 1) / (n_permutations + 1), n)


def _permute_families(numbers: Indices, rng: np.random.Generator, n_permutations: int) -> Indices:
    """Draw orders of the participants, (n_permutations, n_participants), that exchange equal families."""
    members = np.split(np.argsort(numbers, kind="stable"), np.cumsum(np.bincount(numbers))[:-1])
    orders = np.empty((n_permutations, len(numbers)), np.intp)
    for size in {len(family) for family in members}:
        families = np.stack([family for family in members if len(family) == size])
        exchange = rng.random((n_permutations, len(families))).argsort(axis=1)
        orders[:, families.ravel()] = families[exchange].reshape(n_permutations, -1)
    return orders


def _interval(
    x: Scores, y: Scores, numbers: Indices, rng: np.random.Generator, n_resamples: int, n_batch: int
) -> tuple[float, float]:
    """Resample families; ranks are computed anew in each resample."""
    n_families = int(numbers.max()) + 1
    if n_families < 2:
        return float("nan"), float("nan")
    samples = []
    for start in range(0, n_resamples, n_batch):
        size = min(n_batch, n_resamples - start)
        counts = rng.multinomial(n_families, np.full(n_families, 1 / n_families), size=size)[:, numbers]
        samples.append(_weighted_correlation(_ranks(x, counts), _ranks(y, counts), counts))
    ci_low, ci_high = np.nanquantile(np.concatenate(samples), [0.025, 0.975])
    return float(ci_low), float(ci_high)


def _ranks(values: Scores, counts: NDArray[np.integer]) -> Scores:
    """Rank participants who occur several times: (n_resamples, n_participants) from such counts.

    Equal values get the mean of their ranks.
    """
    distinct_values, groups = np.unique(values, return_inverse=True)
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(len(distinct_values)))
    sizes = np.add.reduceat(counts[:, order], starts, axis=1)
    ranks: Scores = (np.cumsum(sizes, axis=1) - sizes + (sizes + 1) / 2)[:, groups]
    return ranks


def _weighted_correlation(x: Scores, y: Scores, counts: NDArray[np.integer]) -> Scores:
    """Correlate rows of ranks with counts as weights; NaN for resamples without differences."""
    total = counts.sum(axis=1, keepdims=True)
    x, y = (values - (counts * values).sum(axis=1, keepdims=True) / total for values in (x, y))
    squares = (counts * x**2).sum(axis=1) * (counts * y**2).sum(axis=1)
    r = np.full(len(counts), np.nan)
    np.divide((counts * x * y).sum(axis=1), np.sqrt(squares), out=r, where=squares > _TOLERANCE)
    return r


def _unit(values: Scores) -> Scores:
    """Normalise values to mean 0 and length 1."""
    deviations = values - values.mean()
    unit: Scores = deviations / np.sqrt(deviations @ deviations)
    return unit
