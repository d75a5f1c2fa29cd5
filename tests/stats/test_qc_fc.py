"""Properties of the relation of connectivity to motion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, pearsonr, spearmanr

from bids_deeptaskgen.stats.deviations import deviations_from_mean
from bids_deeptaskgen.stats.qc_fc import (
    correlate_columns,
    correlate_deviations,
    distance_dependence,
    p_of_r,
    summarise_qc_fc,
)


def test_columns_are_correlated_over_the_participants_with_both_numbers():
    rng = np.random.default_rng(0)
    numbers, values = rng.normal(size=20), rng.normal(size=(20, 7))
    values[rng.random(values.shape) < 0.2] = np.nan
    values[0, 0] = 0
    numbers[3] = np.nan
    r, count = correlate_columns(numbers, values)
    for column, y in enumerate(values.T):
        has_both = np.isfinite(numbers) & np.isfinite(y)
        assert count[column] == has_both.sum()
        assert r[column] == pytest.approx(pearsonr(numbers[has_both], y[has_both]).statistic)


def test_a_relation_of_a_tenth_of_the_edges_is_the_share_that_is_significant():
    rng = np.random.default_rng(1)
    n, n_edges = 100, 2000
    mean_fd = rng.gamma(4, 0.05, n)
    edges = rng.normal(size=(n, n_edges))
    edges[:, :200] += 2 * ((mean_fd - mean_fd.mean()) / mean_fd.std())[:, None]
    summary = summarise_qc_fc(*correlate_columns(mean_fd, edges))
    assert (summary.n_participants, summary.n_values) == (n, n_edges)
    # Of the other edges 5% are positive by chance; the false discovery rate adds 5% of the discoveries.
    assert summary.share_p == pytest.approx(0.1 + 0.9 * 0.05, abs=0.02)
    assert summary.share_fdr == pytest.approx(0.1 / 0.95, abs=0.01)
    assert 0.75 < summary.max_abs_r <= 1


def test_without_a_relation_five_percent_are_significant_and_none_after_correction():
    rng = np.random.default_rng(2)
    summary = summarise_qc_fc(*correlate_columns(rng.normal(size=50), rng.normal(size=(50, 3000))))
    assert binomtest(round(summary.share_p * 3000), 3000, 0.05).pvalue > 0.001
    assert summary.share_fdr < 0.001
    assert summary.median_r == pytest.approx(0, abs=0.02)
    # Median of |r| of n = 50 is 0.674 SD, and the SD of r is 1 / sqrt(n - 1).
    assert summary.median_abs_r == pytest.approx(0.6745 / 7, abs=0.01)


def test_values_without_correlation_do_not_count():
    r = np.array([0.5, np.nan, -0.1, 0.2])
    summary = summarise_qc_fc(r, [10, 2, 12, 10])
    assert (summary.n_participants, summary.n_values) == (12, 3)
    assert (summary.median_r, summary.median_abs_r, summary.max_abs_r) == (0.2, 0.2, 0.5)


@pytest.mark.parametrize("r", [[], [np.nan, np.nan]])
def test_without_correlations_the_summary_is_nan(r):
    summary = summarise_qc_fc(r, np.full(len(r), 2))
    assert summary.n_values == 0
    assert np.isnan([summary.median_r, summary.median_abs_r, summary.share_p, summary.share_fdr]).all()


def test_dependence_on_distance_is_spearmans_rho_of_edges_with_both():
    rng = np.random.default_rng(3)
    distances = rng.uniform(10, 150, 200)
    r = rng.normal(size=200) - distances / 50
    expected = spearmanr(r[2:], distances[2:]).statistic
    r[0], distances[1] = np.nan, np.nan
    assert distance_dependence(r, distances) == pytest.approx(expected)
    assert expected < -0.3


@pytest.mark.parametrize(
    ("r", "distances"), [([0.1, 0.2], [1, 2]), ([0.1] * 4, range(4)), ([1, 2, 3], [5] * 3)]
)
def test_dependence_on_distance_is_nan_where_undefined(r, distances):
    assert np.isnan(distance_dependence(r, distances))


@given(
    n=st.integers(3, 30), missing=st.floats(0, 0.7), offset=st.sampled_from([0, 1000]), seed=st.integers(0)
)
def test_r_and_p_of_maps_are_those_of_scipy_for_the_participants_with_a_value(n, missing, offset, seed):
    rng = np.random.default_rng(seed)
    numbers, maps = rng.normal(offset, size=n), rng.normal(offset, size=(n, 12))
    numbers[n // 2] = np.nan
    is_missing = rng.random(maps.shape) < missing
    maps[is_missing] = rng.choice([0, np.nan, np.inf], size=is_missing.sum())
    is_missing |= np.isnan(numbers)[:, None]
    r, count = correlate_deviations(numbers, deviations_from_mean(maps))
    p = p_of_r(r, count)
    for voxel, has_value in enumerate(~is_missing.T):
        assert count[voxel] == has_value.sum()
        if has_value.sum() < 3:
            assert np.isnan(r[voxel])
            assert np.isnan(p[voxel])
            continue
        expected = pearsonr(numbers[has_value], maps[has_value, voxel])
        assert r[voxel] == pytest.approx(expected.statistic, abs=1e-8)
        assert p[voxel] == pytest.approx(expected.pvalue, rel=1e-5, abs=1e-7)


def test_equal_values_or_numbers_have_no_correlation():
    values = np.array([[0.1, 0.7]], np.float32)
    assert np.isnan(correlate_columns([1.0, 2.0, 4.0], np.repeat(values, 3, axis=0))[0]).all()
    assert np.isnan(correlate_columns([0.3] * 3, values * np.array([[1], [2], [5]], np.float32))[0]).all()


def test_without_numbers_there_is_no_correlation():
    r, count = correlate_columns([np.nan] * 3, np.ones((3, 2)))
    assert np.isnan(r).all()
    np.testing.assert_array_equal(count, 0)


def test_p_of_perfect_and_tiny_correlations():
    np.testing.assert_allclose(p_of_r([1.0, -1.0, 0.0], 20), [0, 0, 1])
    assert np.isnan(p_of_r(1.0, 2))
    x, y = np.arange(100.0), np.arange(100.0) + np.tile([30, -30], 50)
    expected = pearsonr(x, y)
    np.testing.assert_allclose(p_of_r(expected.statistic, 100), expected.pvalue, rtol=1e-9)
