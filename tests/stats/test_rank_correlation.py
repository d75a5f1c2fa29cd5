"""Spearman's correlation with families."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from bids_deeptaskgen.stats.rank_correlation import (
    MIN_PARTICIPANTS,
    _permute_families,
    _ranks,
    correlate_ranks,
)


def relate(x, y, families=None, seed=0, **changes):
    """Correlate with few permutations."""
    families = np.arange(len(x)) if families is None else families
    values = {"n_permutations": 999, "n_resamples": 500} | changes
    return correlate_ranks(x, y, families, np.random.default_rng(seed), **values)


def test_rho_is_that_of_scipy_with_ties_and_missing_values():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 6, 40).astype(float), rng.standard_normal(40)
    y[[3, 9]], x[5] = np.nan, np.inf
    kept = np.isfinite(x) & np.isfinite(y)
    relation = relate(x, y)
    assert relation.rho == pytest.approx(spearmanr(x[kept], y[kept]).statistic)
    assert relation.n_participants == kept.sum() == 37


def test_p_is_close_to_that_of_the_t_distribution_for_unrelated_participants():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(40)
    y = 0.3 * x + rng.standard_normal(40)
    assert relate(x, y, n_permutations=9999).p == pytest.approx(spearmanr(x, y).pvalue, abs=0.02)


def test_the_planted_order_has_a_small_p_and_an_interval_above_0():
    x = np.arange(20.0)
    y = x**3 + np.random.default_rng(2).standard_normal(20)
    relation = relate(x, y)
    assert relation.rho > 0.95
    assert 0.8 < relation.ci_low <= relation.rho + 1e-12 <= relation.ci_high + 2e-12
    assert relation.p == pytest.approx(0.001)
    assert relate(x, -y).rho == pytest.approx(-relation.rho)


def test_ranks_of_resampled_participants_are_those_of_the_repeated_values():
    rng = np.random.default_rng(3)
    values = rng.integers(0, 5, 12).astype(float)
    counts = rng.multinomial(12, np.full(12, 1 / 12), size=4)
    for row, ranks in zip(counts, _ranks(values, counts), strict=True):
        np.testing.assert_allclose(np.repeat(ranks, row), rankdata(np.repeat(values, row)))


def test_families_are_exchanged_with_families_of_the_same_size_only():
    numbers = np.array([0, 1, 1, 2, 3, 3, 4])
    orders = _permute_families(numbers, np.random.default_rng(0), 200)
    assert (np.sort(orders, axis=1) == np.arange(7)).all()
    pairs = {tuple(order[[1, 2]]) for order in orders}
    assert pairs == {(1, 2), (4, 5)}
    assert {int(order[0]) for order in orders} == {0, 3, 6}


def test_copies_of_a_participant_do_not_lower_p_and_do_not_narrow_the_interval():
    rng = np.random.default_rng(4)
    x = rng.standard_normal(12)
    y = 0.5 * x + rng.standard_normal(12)
    alone = relate(x, y)
    copies = relate(np.repeat(x, 4), np.repeat(y, 4), np.repeat(np.arange(12), 4))
    assert copies.p == pytest.approx(alone.p, abs=0.03)
    assert copies.ci_high - copies.ci_low == pytest.approx(alone.ci_high - alone.ci_low, rel=0.15)


def test_p_is_uniform_without_a_relation():
    rng = np.random.default_rng(5)
    p = [
        relate(*rng.standard_normal((2, 15)), seed=seed, n_permutations=199, n_resamples=2).p
        for seed in range(400)
    ]
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.045)


def test_there_is_no_correlation_of_few_participants_or_equal_values():
    x = np.arange(10.0)
    few = relate(x[: MIN_PARTICIPANTS - 1], x[: MIN_PARTICIPANTS - 1])
    equal = relate(x, np.ones(10))
    assert np.isnan([few.rho, few.p, few.ci_low, equal.rho, equal.p]).all()
    assert (few.n_participants, equal.n_participants) == (4, 10)
