import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.stats.calibration import WEIGHTS, Calibration, apply_calibration, calibrate
from bids_deeptaskgen.stats.scores import correlations


def cohort(seed, signal, n_participants=12, n_contrasts=2, n_voxels=80):
    """A mean map, predictions that know as much of each person as `signal` says, and measured maps."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(n_contrasts, n_voxels))
    participant, noise, other = rng.normal(size=(3, n_participants, n_contrasts, n_voxels))
    return mean, mean + signal * participant + noise, mean + participant + other


def mean_r(measured, predicted):
    """Mean over people of r, for each contrast."""
    return [correlations(measured[:, c], predicted[:, c]).mean() for c in range(measured.shape[1])]


@settings(deadline=None)
@given(seed=st.integers(0, 500), signal=st.floats(-1, 2))
def test_on_validation_people_it_is_never_under_the_mean_map_nor_the_network(seed, signal):
    mean, predicted, measured = cohort(seed, signal)
    weights = calibrate(mean, predicted, measured)
    calibrated = np.stack([apply_calibration(one, mean, weights) for one in predicted])
    average = np.broadcast_to(mean, measured.shape)
    found = np.array(mean_r(measured, calibrated))
    # 1e-6 is the rounding of float32 maps.
    assert (found >= np.array(mean_r(measured, average)) - 1e-6).all()
    assert (found >= np.array(mean_r(measured, predicted)) - 1e-6).all()


def test_the_curve_is_that_of_mixing_the_images():
    mean, predicted, measured = cohort(0, 0.5)
    calibration = Calibration(mean)
    for one, other in zip(predicted, measured, strict=True):
        calibration.add(one, other)
    for number in (0, 37, 100):
        mixed = (1 - WEIGHTS[number]) * mean + WEIGHTS[number] * predicted
        np.testing.assert_allclose(calibration.mean_r[:, number], mean_r(measured, mixed), atol=1e-12)


def test_noise_gets_no_weight_and_the_truth_gets_all():
    mean, _, measured = cohort(1, 0, n_participants=60, n_voxels=500)
    noise = mean - (measured - mean)
    np.testing.assert_array_equal(calibrate(mean, noise, measured), 0)
    np.testing.assert_array_equal(calibrate(mean, measured, measured), 1)


def test_a_better_network_gets_more_weight():
    weights = [calibrate(*cohort(2, signal, n_participants=60)).mean() for signal in (0.1, 0.4, 0.9)]
    assert weights[0] < weights[1] < weights[2]


def test_gain_of_measured_maps_and_offsets_do_not_matter():
    mean, predicted, measured = cohort(3, 0.5)
    expected = calibrate(mean, predicted, measured)
    np.testing.assert_array_equal(calibrate(mean + 3, predicted - 1, 7 * measured + 2), expected)


def test_a_network_that_says_the_mean_is_left_alone_at_no_cost():
    mean, _, measured = cohort(4, 0)
    np.testing.assert_array_equal(calibrate(mean, np.broadcast_to(mean, measured.shape), measured), 0)


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_who_has_no_map_takes_no_part(hole):
    mean, predicted, measured = cohort(5, 0.5)
    expected = calibrate(mean, predicted[1:], measured[1:])
    measured[0, 0] = hole
    calibration = Calibration(mean)
    for one, other in zip(predicted, measured, strict=True):
        calibration.add(one, other)
    np.testing.assert_array_equal(calibration.n_participants, [11, 12])
    assert calibration.weights[0] == expected[0]


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_voxels_that_were_not_measured_are_left_out(hole):
    mean, predicted, measured = cohort(5, 0.5)
    expected = calibrate(mean[:, 7:], predicted[..., 7:], measured[..., 7:])
    measured[..., :7] = hole
    np.testing.assert_array_equal(calibrate(mean, predicted, measured), expected)


def test_without_anybody_the_network_stands_as_it_is():
    mean, predicted, measured = cohort(6, 0.5)
    np.testing.assert_array_equal(calibrate(mean, predicted[:0], measured[:0]), 1)


def test_weights_of_one_and_zero_give_the_network_and_the_mean():
    mean, predicted, _ = cohort(7, 0.5)
    one, other = predicted[0].astype(np.float32), mean.astype(np.float32)
    np.testing.assert_array_equal(apply_calibration(one, other, np.ones(2)), one)
    np.testing.assert_array_equal(
        apply_calibration(one, other, np.array([0, 1])), np.stack([other[0], one[1]])
    )
