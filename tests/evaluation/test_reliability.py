"""Reliability and chance level of residual maps, from variances that are known."""

import numpy as np
import pytest

from bids_deeptaskgen.evaluation.reliability import (
    halves_reliability,
    reliability_row,
    retest_reliability,
)
from bids_deeptaskgen.stats.map_rows import LeaveOneOut
from bids_deeptaskgen.stats.scores import mean, residual_chance, residual_correlations


def test_halves_have_the_residual_reliability_and_chance_level_of_the_whole():
    rng = np.random.default_rng(0)
    n, n_voxels = 8, 20_000
    truth = rng.standard_normal(n_voxels) + rng.standard_normal((n, n_voxels))
    average = rng.standard_normal(n_voxels) * 0.5
    whole = [truth + rng.standard_normal(truth.shape) for _ in range(2)]
    halves = tuple(truth + np.sqrt(2) * rng.standard_normal(truth.shape) for _ in range(2))
    reliability = halves_reliability(halves, average, np.ones(n, bool), rng)
    expected = mean(residual_correlations(*whole, average))
    assert mean(reliability.by_score["residual_r"]) == pytest.approx(expected, abs=0.02)
    chance = residual_chance(*whole, average, rng)
    assert reliability.residual_chance == pytest.approx(chance, abs=0.02)


def test_halves_have_the_chance_level_of_new_participants_with_leave_one_out_averages():
    rng = np.random.default_rng(0)
    n, n_voxels = 8, 20_000
    truth = rng.standard_normal(n_voxels) + rng.standard_normal((n, n_voxels))
    noise = rng.standard_normal((2, n, n_voxels))
    halves = (truth + noise[0], truth + noise[1])
    measured = (halves[0] + halves[1]) / 2
    row = halves_reliability(halves, LeaveOneOut(measured), np.ones(n, bool), rng)
    # Two maps minus a common average of n - 2 others, whose variance is 1 + 0.5.
    assert row.residual_chance == pytest.approx(1 / (n - 1), abs=0.015)


def test_participants_who_are_not_scored_do_not_count():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((6, 500))
    halves = tuple(truth + rng.standard_normal(truth.shape) for _ in range(2))
    is_scored = np.array([True, True, False, True, True, True])
    reliability = halves_reliability(halves, LeaveOneOut(halves[0]), is_scored, rng)
    row = reliability_row(reliability, np.arange(6), rng)
    assert row["n_participants"] == 5
    assert np.isnan(reliability.by_score["r"][2])
    assert row["ci_low"] < row["reliability"] < row["ci_high"]


def test_copies_among_retest_maps_do_not_count():
    reliability = retest_reliability(
        np.array([0.5, 1.0, 0.6]), np.array([0.2, 1.0, 0.3]), 0.1, np.array([True, True, False])
    )
    np.testing.assert_array_equal(reliability.by_score["r"], [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(reliability.by_score["residual_r"], [0.2, np.nan, np.nan])
    row = reliability_row(reliability, np.arange(3), np.random.default_rng(0))
    assert (row["n_participants"], row["reliability"], row["residual_chance"]) == (1, 0.5, 0.1)
    assert np.isnan(row["ci_low"])
