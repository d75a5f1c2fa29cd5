"""Correlation over participants at each voxel."""

import numpy as np
import pytest

from bids_deeptaskgen.stats.across_participants import (
    MIN_PARTICIPANTS,
    chance_sd,
    correlate_across_participants,
    effective_families,
    finite_rows,
    fisher_interval,
)


def maps(n_participants=90, n_voxels=5000, seed=0):
    """Draw maps that share a part of their differences, with a large common pattern."""
    rng = np.random.default_rng(seed)
    shape = n_participants, n_voxels
    shared = rng.standard_normal(shape)
    pattern = 20 * rng.standard_normal(n_voxels)
    measured, predicted = (pattern + shared + rng.standard_normal(shape) for _ in range(2))
    return measured.astype(np.float32), predicted.astype(np.float32)


def brute_force(measured, predicted):
    """Correlate column by column."""
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(measured.T, predicted.T, strict=True)])


def test_r_of_each_voxel_is_that_of_numpy_in_blocks_of_rows_and_columns():
    measured, predicted = maps()
    r = correlate_across_participants(measured, predicted)
    np.testing.assert_allclose(
        r, brute_force(*(m.astype(np.float64) for m in (measured, predicted))), atol=1e-9
    )


def test_participants_without_a_map_are_left_out():
    measured, predicted = maps(30, 200)
    measured[3], predicted[0], predicted[7] = np.nan, np.nan, np.nan
    rows = [row for row in range(30) if row not in (0, 3, 7)]
    np.testing.assert_array_equal(finite_rows(measured, predicted), rows)
    r = correlate_across_participants(measured, predicted)
    expected = brute_force(*(m[rows].astype(np.float64) for m in (measured, predicted)))
    np.testing.assert_allclose(r, expected, atol=1e-9)


def test_a_memory_map_gives_the_same_as_an_array(tmp_path):
    measured, predicted = maps(20, 100)
    stored = np.memmap(tmp_path / "maps.dat", np.float32, "w+", shape=measured.shape)
    stored[:] = measured
    np.testing.assert_array_equal(
        correlate_across_participants(stored, predicted), correlate_across_participants(measured, predicted)
    )


def test_a_signal_is_found_at_the_voxels_where_it_was_planted_and_not_elsewhere():
    rng = np.random.default_rng(1)
    measured, predicted = (rng.standard_normal((101, 2000)) for _ in range(2))
    has_signal = np.arange(2000) < 300
    predicted[:, has_signal] += 2 * measured[:, has_signal]
    r = correlate_across_participants(measured, predicted)
    assert r[has_signal].min() > 0.6
    assert abs(np.median(r[~has_signal])) < 0.02
    assert r[~has_signal].std() == pytest.approx(chance_sd(101), rel=0.1)


def test_a_shift_and_a_scale_of_the_predictions_change_nothing():
    measured, predicted = maps(12, 300)
    r = correlate_across_participants(measured, predicted)
    np.testing.assert_allclose(correlate_across_participants(measured, 3 * predicted - 5), r, atol=1e-5)
    np.testing.assert_allclose(correlate_across_participants(measured, -predicted), -r, atol=1e-9)


def test_voxels_without_differences_and_too_few_participants_have_no_r():
    measured, predicted = maps(20, 4)
    # The last digit of float32 is no difference between participants.
    predicted[:, 1] = np.float32(0.1)
    predicted[::2, 1] = np.nextafter(np.float32(0.1), np.float32(1))
    measured[:, 2] = 7
    r = correlate_across_participants(measured, predicted)
    assert np.isfinite(r).tolist() == [True, False, False, True]
    few = slice(MIN_PARTICIPANTS - 1)
    assert np.isnan(correlate_across_participants(measured[few], predicted[few])).all()
    assert np.isnan(chance_sd(1))


def test_intervals_widen_if_participants_are_related():
    assert effective_families(list("abcdef")) == 6
    assert effective_families(list("aabbcc")) == 3
    assert 2 < effective_families(list("aaabc")) < 3
    unrelated, related = (fisher_interval([0.4], n) for n in (40, 20))
    assert related[0] < unrelated[0] < 0.4 < unrelated[1] < related[1]
    assert np.isnan(fisher_interval([0.4], 3)).all()


def test_intervals_of_unrelated_participants_contain_the_true_correlation_in_95_of_100_samples():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((15, 4000))
    y = 0.6 * x + 0.8 * rng.standard_normal((15, 4000))
    low, high = fisher_interval(correlate_across_participants(x, y), 15)
    assert ((low < 0.6) & (high > 0.6)).mean() == pytest.approx(0.95, abs=0.015)
