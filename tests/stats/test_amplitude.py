import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.stats.amplitude import amplitudes
from bids_deeptaskgen.stats.map_rows import LeaveOneOut
from bids_deeptaskgen.stats.scores import correlations, residual_correlations


def maps(n_participants=70, n_voxels=500, seed=0):
    """Simulate measured and predicted maps; more participants than a block has rows."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((n_participants, n_voxels))
    return tuple((truth + rng.standard_normal(truth.shape)).astype(np.float32) for _ in range(2))


@given(scale=st.floats(0.01, 100), offset=st.floats(-10, 10))
def test_a_scaled_map_has_the_inverse_slope_and_the_ratio_of_its_scale(scale, offset):
    measured, _ = maps(2)
    slope, sd_ratio = amplitudes(measured, scale * measured.astype(np.float64) + offset)
    np.testing.assert_allclose(slope, 1 / scale, rtol=1e-6)
    np.testing.assert_allclose(sd_ratio, scale, rtol=1e-6)


def test_slope_and_ratio_are_those_of_a_line_fitted_to_each_participant():
    measured, predicted = maps()
    slope, sd_ratio = amplitudes(measured, predicted)
    for row in (0, 69):
        assert slope[row] == pytest.approx(np.polyfit(predicted[row], measured[row], 1)[0], rel=1e-5)
        assert sd_ratio[row] == pytest.approx(predicted[row].std() / measured[row].std(), rel=1e-5)
    np.testing.assert_allclose(slope * sd_ratio, correlations(measured, predicted), rtol=1e-6)


def test_deviations_are_from_the_average_of_each_participant():
    measured, predicted = maps()
    averages = LeaveOneOut(measured)
    slope, sd_ratio = amplitudes(measured, predicted, averages)
    expected = amplitudes(measured - averages[0:70], predicted - averages[0:70])
    np.testing.assert_allclose([slope, sd_ratio], expected, rtol=1e-6)
    np.testing.assert_allclose(
        slope * sd_ratio, residual_correlations(measured, predicted, averages), atol=1e-6
    )


def test_one_map_for_all_is_compared_with_each_participant():
    measured, predicted = maps(3)
    repeated = np.repeat(predicted[:1], 3, axis=0)
    np.testing.assert_array_equal(amplitudes(measured, predicted[0]), amplitudes(measured, repeated))


def test_the_best_prediction_has_slope_1_and_a_ratio_equal_to_its_r():
    rng = np.random.default_rng(1)
    predicted = rng.standard_normal((4, 50_000))
    measured = predicted + 2 * rng.standard_normal(predicted.shape)
    slope, sd_ratio = amplitudes(measured, predicted)
    np.testing.assert_allclose(slope, 1, atol=0.04)
    np.testing.assert_allclose(sd_ratio, correlations(measured, predicted), atol=0.02)
    # Predicted differences that are too large have a slope below 1, and the same r.
    assert (amplitudes(measured, 2 * predicted)[0] < 0.55).all()


def test_maps_without_values_or_variance_have_no_amplitude():
    measured, predicted = maps(4)
    measured[0] = np.nan
    predicted[1] = 3
    slope, sd_ratio = amplitudes(measured, predicted)
    assert np.isnan(slope).tolist() == np.isnan(sd_ratio).tolist() == [True, True, False, False]
    assert np.isnan(amplitudes(measured, predicted[2], predicted[2])).all()
