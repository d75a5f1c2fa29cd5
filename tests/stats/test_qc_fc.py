"""Properties of the relation of connectivity to motion."""

import numpy as np
import pytest
from scipy.stats import binomtest, pearsonr, spearmanr

from bids_deeptaskgen.stats.qc_fc import correlate_columns, distance_dependence, summarise_qc_fc


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
