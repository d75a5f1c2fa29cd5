import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.stats.calibration import WEIGHTS, Calibration, apply_calibration, calibrate
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


@settings(deadline=None)
@given(seed=st.integers(0, 500), signal=st.floats(-1, 2))
def test_on_validation_participants_r_is_at_least_that_of_mean_map_and_network(seed, signal):
    mean, predicted, measured = cohort(seed, signal)
    weights = calibrate(mean, predicted, measured)
    calibrated = np.stack([apply_calibration(maps, mean, weights) for maps in predicted])
    average = np.broadcast_to(mean, measured.shape)
    r = np.array(mean_r(measured, calibrated))
    # 1e-6 is the rounding of float32 maps.
    assert (r >= np.array(mean_r(measured, average)) - 1e-6).all()
    assert (r >= np.array(mean_r(measured, predicted)) - 1e-6).all()


def test_mean_r_is_that_of_mixed_maps():
    mean, predicted, measured = cohort(0, 0.5)
    calibration = Calibration(mean)
    for predicted_maps, measured_maps in zip(predicted, measured, strict=True):
        calibration.add(predicted_maps, measured_maps)
    for number in (0, 37, 100):
        mixed = (1 - WEIGHTS[number]) * mean + WEIGHTS[number] * predicted
        np.testing.assert_allclose(calibration.mean_r[:, number], mean_r(measured, mixed), atol=1e-12)


def test_noise_has_weight_0_and_the_measured_map_has_weight_1():
    mean, _, measured = cohort(1, 0, n_participants=60, n_voxels=500)
    noise = mean - (measured - mean)
    np.testing.assert_array_equal(calibrate(mean, noise, measured), 0)
    np.testing.assert_array_equal(calibrate(mean, measured, measured), 1)


def test_weight_increases_with_signal():
    weights = [calibrate(*cohort(2, signal, n_participants=60)).mean() for signal in (0.1, 0.4, 0.9)]
    assert weights[0] < weights[1] < weights[2]


def test_gain_of_measured_maps_and_offsets_have_no_effect():
    mean, predicted, measured = cohort(3, 0.5)
    expected = calibrate(mean, predicted, measured)
    np.testing.assert_array_equal(calibrate(mean + 3, predicted - 1, 7 * measured + 2), expected)


def test_a_prediction_equal_to_the_mean_map_has_weight_0():
    mean, _, measured = cohort(4, 0)
    np.testing.assert_array_equal(calibrate(mean, np.broadcast_to(mean, measured.shape), measured), 0)


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_participants_without_a_map_are_ignored(hole):
    mean, predicted, measured = cohort(5, 0.5)
    expected = calibrate(mean, predicted[1:], measured[1:])
    measured[0, 0] = hole
    calibration = Calibration(mean)
    for predicted_maps, measured_maps in zip(predicted, measured, strict=True):
        calibration.add(predicted_maps, measured_maps)
    np.testing.assert_array_equal(calibration.n_participants, [11, 12])
    assert calibration.weights[0] == expected[0]


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_voxels_without_a_measurement_are_ignored(hole):
    mean, predicted, measured = cohort(5, 0.5)
    expected = calibrate(mean[:, 7:], predicted[..., 7:], measured[..., 7:])
    measured[..., :7] = hole
    np.testing.assert_array_equal(calibrate(mean, predicted, measured), expected)


def test_without_participants_the_weight_is_1():
    mean, predicted, measured = cohort(6, 0.5)
    np.testing.assert_array_equal(calibrate(mean, predicted[:0], measured[:0]), 1)


def test_weights_of_1_and_0_return_the_network_and_the_mean_map():
    mean, predicted, _ = cohort(7, 0.5)
    network, average = predicted[0].astype(np.float32), mean.astype(np.float32)
    np.testing.assert_array_equal(apply_calibration(network, average, np.ones(2)), network)
    np.testing.assert_array_equal(
        apply_calibration(network, average, np.array([0, 1])), np.stack([average[0], network[1]])
    )
