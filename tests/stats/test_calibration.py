import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.calibration import draw_participants, gains
from bids_deeptaskgen.stats.calibration import (
    MIN_PARTICIPANTS,
    WEIGHTS,
    Calibration,
    apply_calibration,
    calibrate,
)
from bids_deeptaskgen.stats.map_sum import MapSum
from bids_deeptaskgen.stats.paired_tests import bootstrap_interval
from bids_deeptaskgen.stats.scores import correlations


def cohort(seed, signal, n_participants=12, n_contrasts=2, n_voxels=80):
    """Simulate a mean map, predictions with `signal` of each participant's pattern, and measured maps."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(n_contrasts, n_voxels))
    pattern, noise, measured_noise = rng.normal(size=(3, n_participants, n_contrasts, n_voxels))
    return mean, mean + signal * pattern + noise, mean + pattern + measured_noise


def mean_r(measured, predicted):
    """Average r over participants, for each contrast."""
    return [correlations(measured[:, c], predicted[:, c]).mean() for c in range(measured.shape[1])]


def calibration_of(mean, predicted, measured):
    """Add participants who share a mean map."""
    calibration = Calibration(len(mean))
    for predicted_maps, measured_maps in zip(predicted, measured, strict=True):
        calibration.add(predicted_maps, measured_maps, mean)
    return calibration


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 500), signal=st.floats(-1, 2), n_participants=st.integers(1, 12))
def test_over_validation_participants_and_contrasts_no_common_weight_is_better(seed, signal, n_participants):
    mean, predicted, measured = cohort(seed, signal, n_participants)
    weights = calibrate(predicted, measured, mean)
    calibrated = np.stack([apply_calibration(maps, mean, weights) for maps in predicted])
    r = np.mean(mean_r(measured, calibrated))
    for weight in (0, 0.3, 1):
        mixed = (1 - weight) * mean + weight * predicted
        # 1e-6 is the rounding of float32 maps.
        assert r >= np.mean(mean_r(measured, mixed)) - 1e-6


def test_mean_r_is_that_of_mixed_maps():
    mean, predicted, measured = cohort(0, 0.5)
    calibration = calibration_of(mean, predicted, measured)
    for number in (0, 37, 100):
        mixed = (1 - WEIGHTS[number]) * mean + WEIGHTS[number] * predicted
        np.testing.assert_allclose(calibration.mean_r[:, number], mean_r(measured, mixed), atol=1e-12)
    np.testing.assert_allclose(calibration.pooled_mean_r, calibration.mean_r.mean(axis=0), atol=1e-12)


def test_noise_has_weight_0_and_the_measured_map_has_weight_1():
    mean, _, measured = cohort(1, 0, n_participants=60, n_voxels=500)
    noise = mean - (measured - mean)
    np.testing.assert_array_equal(calibrate(noise, measured, mean), 0)
    np.testing.assert_array_equal(calibrate(measured, measured, mean), 1)


def test_weight_increases_with_signal():
    weights = []
    for signal in (0.1, 0.4, 0.9):
        mean, predicted, measured = cohort(2, signal, n_participants=60)
        weights.append(calibrate(predicted, measured, mean).mean())
    assert weights[0] < weights[1] < weights[2]


def test_gain_of_measured_maps_and_offsets_have_no_effect():
    mean, predicted, measured = cohort(3, 0.5)
    expected = calibrate(predicted, measured, mean)
    np.testing.assert_array_equal(calibrate(predicted - 1, 7 * measured + 2, mean + 3), expected)


def test_a_prediction_equal_to_the_mean_map_has_weight_0():
    mean, _, measured = cohort(4, 0)
    np.testing.assert_array_equal(calibrate(np.broadcast_to(mean, measured.shape), measured, mean), 0)


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_participants_without_a_map_are_ignored(hole):
    mean, predicted, measured = cohort(5, 0.5)
    expected = calibration_of(mean, predicted[1:], measured[1:])
    measured[0, 0] = hole
    calibration = calibration_of(mean, predicted, measured)
    np.testing.assert_array_equal(calibration.n_participants, [11, 12])
    np.testing.assert_array_equal(calibration.mean_r[0], expected.mean_r[0])


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_voxels_without_a_measurement_are_ignored(hole):
    mean, predicted, measured = cohort(5, 0.5)
    expected = calibrate(predicted[..., 7:], measured[..., 7:], mean[:, 7:])
    measured[..., :7] = hole
    np.testing.assert_array_equal(calibrate(predicted, measured, mean), expected)


def test_without_participants_the_weights_are_1():
    mean, predicted, measured = cohort(6, 0.5)
    np.testing.assert_array_equal(calibrate(predicted[:0], measured[:0], mean), 1)


@pytest.mark.parametrize("n_participants", [0, 1, MIN_PARTICIPANTS - 1])
def test_contrasts_with_few_participants_have_the_pooled_weight(n_participants):
    mean, predicted, measured = cohort(7, 0.5, n_participants=40)
    measured[n_participants:, 0] = np.nan
    calibration = calibration_of(mean, predicted, measured)
    assert 0 < calibration.pooled_weight < 1
    assert calibration.weights[0] == calibration.pooled_weight


def test_weights_lie_between_the_pooled_weight_and_that_of_the_contrast():
    rng = np.random.default_rng(8)
    signal = np.array([0.05, 0.2, 0.5, 1.5])
    calibration = Calibration(len(signal))
    for maps in draw_participants(rng, signal, 30):
        calibration.add(*maps)
    separate_weights = calibration.weights_with_prior(0, 0)
    low, high = np.sort([separate_weights, np.full(4, calibration.pooled_weight)], axis=0)
    # A hundredth is the distance of two weights.
    assert (calibration.weights >= low - 0.011).all()
    assert (calibration.weights <= high + 0.011).all()
    assert np.ptp(calibration.weights) < np.ptp(separate_weights)


def test_with_very_many_participants_each_contrast_has_its_best_weight():
    calibration = Calibration(3)
    for maps in draw_participants(np.random.default_rng(9), np.array([0.1, 0.4, 1.2]), 1000):
        calibration.add(*maps)
    np.testing.assert_allclose(calibration.weights, calibration.weights_with_prior(0, 0), atol=0.021)
    assert np.ptp(calibration.weights) > 0.2


def gain_on_further_participants(signal):
    """Calibrate on 4 participants; return the pooled weight, and the interval of the gain on 60 others."""
    rng, calibration = np.random.default_rng(10), Calibration(47)
    participants = list(draw_participants(rng, np.full(47, signal), 64))
    for maps in participants[:4]:
        calibration.add(*maps)
    gain = []
    for predicted, measured, mean in participants[4:]:
        calibrated = apply_calibration(predicted, mean, calibration.weights)
        gain.append((correlations(measured, calibrated) - correlations(measured, mean)).mean())
    return calibration.pooled_weight, bootstrap_interval(gain, range(60), np.random.default_rng(0))


def test_with_4_participants_predictions_without_information_do_no_harm():
    weight, (_, upper) = gain_on_further_participants(0)
    assert weight < 0.1
    assert upper >= 0


def test_with_4_participants_informative_predictions_gain():
    weight, (lower, _) = gain_on_further_participants(0.3)
    assert weight > 0.1
    assert lower > 0


@pytest.mark.parametrize(("median", "spread"), [(0.0, 0.0), (0.15, 0.3)])
def test_with_10_participants_shrunken_weights_are_better_than_separate_ones(median, spread):
    results = [gains(median, spread, 10, seed, n_contrasts=20, n_test=60) for seed in range(2)]
    mean_gain = {name: np.mean([result[name] for result in results]) for name in results[0]}
    assert mean_gain["per contrast"] < mean_gain["prior 20"] <= mean_gain["best"]


def test_a_mean_map_with_the_participants_own_map_is_an_unfair_rival():
    rng = np.random.default_rng(11)
    signal = np.full(20, 0.5)
    participants = list(draw_participants(rng, signal, 6))
    total = MapSum(participants[0][1].shape)
    for _, measured, _ in participants:
        total.add(measured)
    fair, unfair = Calibration(20), Calibration(20)
    for predicted, measured, _ in participants:
        own = MapSum(measured.shape)
        own.add(measured)
        others = [maps for _, maps, _ in participants if maps is not measured]
        np.testing.assert_allclose(total.mean(without=own), np.mean(others, axis=0), atol=1e-5)
        fair.add(predicted, measured, total.mean(without=own))
        unfair.add(predicted, measured, total.mean())
    assert fair.pooled_weight > unfair.pooled_weight + 0.1


def test_weights_of_1_and_0_return_the_network_and_the_mean_map():
    mean, predicted, _ = cohort(7, 0.5)
    network, average = predicted[0].astype(np.float32), mean.astype(np.float32)
    np.testing.assert_array_equal(apply_calibration(network, average, np.ones(2)), network)
    np.testing.assert_array_equal(
        apply_calibration(network, average, np.array([0, 1])), np.stack([average[0], network[1]])
    )
