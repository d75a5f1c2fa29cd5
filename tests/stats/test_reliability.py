"""Reliability, Spearman-Brown formula and share of the ceiling, on maps whose truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.stats.reliability import ceiling, share_interval, spearman_brown
from bids_deeptaskgen.stats.scores import correlations, mean

CORRELATIONS = st.floats(-1, 1)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def measure(rng, truth, noise_variance):
    """Add noise to maps of variance 1."""
    return truth + np.sqrt(noise_variance) * rng.standard_normal(truth.shape)


@pytest.mark.parametrize("noise_variance", [0.25, 1.0, 4.0])
def test_parallel_maps_have_the_reliability_that_their_noise_implies(rng, noise_variance):
    truth = rng.standard_normal((10, 20_000))
    first, second = (measure(rng, truth, noise_variance) for _ in range(2))
    reliability = mean(correlations(first, second))
    assert reliability == pytest.approx(1 / (1 + noise_variance), abs=0.01)
    # The true map is the best prediction; its correlation is the ceiling.
    assert mean(correlations(first, truth)) / ceiling(reliability) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("noise_variance", [0.25, 1.0, 4.0])
def test_halves_give_the_reliability_of_the_whole(rng, noise_variance):
    truth = rng.standard_normal((10, 20_000))
    halves = [measure(rng, truth, 2 * noise_variance) for _ in range(2)]
    reliability = mean(spearman_brown(correlations(*halves)))
    assert reliability == pytest.approx(1 / (1 + noise_variance), abs=0.01)
    assert mean(correlations(np.mean(halves, axis=0), truth)) == pytest.approx(ceiling(reliability), abs=0.01)


@given(r=CORRELATIONS)
def test_the_spearman_brown_formula_is_odd_bounded_and_never_shrinks(r):
    (reliability,) = spearman_brown([r])
    assert abs(r) - 1e-12 <= abs(reliability) <= 1
    assert reliability * r >= 0
    assert spearman_brown([-r])[0] == -reliability


@given(first=CORRELATIONS, second=CORRELATIONS)
def test_the_spearman_brown_formula_keeps_the_order_of_correlations(first, second):
    low, high = spearman_brown(sorted([first, second]))
    assert low <= high


def test_without_a_positive_reliability_there_is_no_ceiling():
    assert np.isnan([ceiling(0.0), ceiling(-0.2), ceiling(float("nan"))]).all()


def test_shares_are_resampled_with_their_ceilings(rng):
    # Maps differ in noise only, so r and the root of the reliability rise and fall together.
    reliabilities = rng.uniform(0.2, 0.8, 40)
    values = 0.5 * np.sqrt(reliabilities)
    low, high = share_interval(values, reliabilities, np.arange(40), rng)
    (shuffled_low, shuffled_high) = share_interval(values, rng.permutation(reliabilities), np.arange(40), rng)
    assert low < 0.5 * np.sqrt(reliabilities).mean() / np.sqrt(reliabilities.mean()) < high
    assert high - low < 0.5 * (shuffled_high - shuffled_low)


def test_the_interval_of_a_share_equals_that_of_resampled_families():
    rng = np.random.default_rng(3)
    values, reliabilities = rng.uniform(0.2, 0.5, 12), rng.uniform(0.3, 0.6, 12)
    reliabilities[:3] = np.nan
    values[-1] = np.nan
    families = np.arange(12) // 2
    draws = rng.integers(0, 6, (20_000, 6))
    participants = (2 * draws[:, :, None] + np.arange(2)).reshape(len(draws), 12)
    shares = np.nanmean(values[participants], axis=1) / np.sqrt(
        np.nanmean(reliabilities[participants], axis=1)
    )
    interval = share_interval(values, reliabilities, families, rng, n_resamples=20_000)
    np.testing.assert_allclose(interval, np.nanquantile(shares, [0.025, 0.975]), atol=0.01)


def test_bounds_without_a_reliability_are_undefined(rng):
    low, high = share_interval([0.4] * 5, [0.4, 0.4, 0.4, -0.5, -0.5], list("abcde"), rng)
    assert low == pytest.approx(0.4 / np.sqrt(0.4))
    assert np.isnan(high)
    assert np.isnan(share_interval([0.4] * 5, [-0.1] * 5, list("abcde"), rng)).all()
    assert np.isnan(share_interval([0.4, 0.5], [0.5, 0.6], ["a", "a"], rng)).all()


@pytest.mark.parametrize(("n_measured_twice", "has_interval"), [(2, False), (3, True), (4, True)])
def test_resamples_without_a_reliability_are_left_out_if_they_are_few(n_measured_twice, has_interval):
    rng = np.random.default_rng(3)
    values, reliabilities = rng.uniform(0.2, 0.5, 8), np.full(8, np.nan)
    reliabilities[:n_measured_twice] = rng.uniform(0.3, 0.6, n_measured_twice)
    interval = share_interval(values, reliabilities, np.arange(8), rng, n_resamples=10_000)
    # A resample of 8 families has none of 2, 3 or 4 of them with p = 0.10, 0.023 and 0.004.
    assert np.isfinite(interval).all() == has_interval
    if has_interval:
        draws = rng.integers(0, 8, (20_000, 8))
        draws = draws[(draws < n_measured_twice).any(axis=1)]
        means = values[draws].mean(axis=1), np.nanmean(reliabilities[draws], axis=1)
        expected = np.quantile(means[0] / np.sqrt(means[1]), [0.025, 0.975])
        np.testing.assert_allclose(interval, expected, atol=0.01)


def test_the_ceiling_is_too_high_if_participants_differ_in_noise(rng):
    truth = rng.standard_normal((20, 20_000))
    noise = np.repeat([0.2, 5.0], 10)[:, None]
    first, second = (measure(rng, truth, noise) for _ in range(2))
    assert ceiling(mean(correlations(first, second))) == pytest.approx(0.707, abs=0.01)
    assert mean(correlations(first, truth)) == pytest.approx(0.660, abs=0.01)
