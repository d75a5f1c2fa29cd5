"""Scores in ROIs."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.sparse import csr_array

from bids_deeptaskgen.stats import roi_scores
from bids_deeptaskgen.stats.map_rows import LeaveOneOut
from bids_deeptaskgen.stats.roi_scores import MIN_VOXELS
from bids_deeptaskgen.stats.scores import correlations, residual_correlations

N_VOXELS = 600


class Roi(NamedTuple):
    """Voxels of an ROI, and their weights."""

    voxels: np.ndarray
    weights: np.ndarray | None = None


def score_rois(measured, predicted, average, rois):
    """Score ROIs that are lists of voxels."""
    weights = np.zeros((len(rois), N_VOXELS))
    for row, roi in zip(weights, rois, strict=True):
        row[roi.voxels] = 1 if roi.weights is None else roi.weights
    return roi_scores.score_rois(measured, predicted, average, csr_array(weights))


@pytest.fixture
def maps():
    """Draw measured and predicted maps and a group average."""
    rng = np.random.default_rng(0)
    average = 3 * rng.standard_normal(N_VOXELS)
    shared = rng.standard_normal((70, N_VOXELS))
    measured, predicted = (average + shared + rng.standard_normal(shared.shape) for _ in range(2))
    return measured.astype(np.float32), predicted.astype(np.float32), average.astype(np.float32)


@pytest.fixture
def rois():
    """Divide the voxels at random; the last ROI is too small, some voxels are in none."""
    order = np.random.default_rng(1).permutation(N_VOXELS)
    parts = np.split(order, [20, 200, 400, 560, 560 + MIN_VOXELS - 1])[:-1]
    return [Roi(np.sort(part)) for part in parts]


def test_scores_equal_those_of_whole_maps_cut_to_the_roi(maps, rois):
    measured, predicted, average = maps
    measured[5] = np.nan
    scores = score_rois(measured, predicted, average, rois)
    for number, roi in enumerate(rois[:-1]):
        x, y, base = measured[:, roi.voxels], predicted[:, roi.voxels], average[roi.voxels]
        np.testing.assert_allclose(scores.r[:, number], correlations(x, y), atol=1e-9)
        np.testing.assert_allclose(scores.residual_r[:, number], residual_correlations(x, y, base), atol=1e-9)
        np.testing.assert_allclose(scores.measured_mean[:, number], x.mean(axis=1), atol=1e-5)
        np.testing.assert_allclose(scores.predicted_mean[:, number], y.mean(axis=1), atol=1e-5)


def test_a_leave_one_out_average_is_subtracted_from_each_participant(maps, rois):
    measured, predicted, _ = maps
    scores = score_rois(measured, predicted, LeaveOneOut(measured), rois)
    base = LeaveOneOut(measured)[:]
    voxels = rois[1].voxels
    expected = residual_correlations(measured[:, voxels], predicted[:, voxels], base[:, voxels])
    np.testing.assert_allclose(scores.residual_r[:, 1], expected, atol=1e-9)


def test_rois_with_few_voxels_and_participants_without_a_map_are_not_scored(maps, rois):
    measured, predicted, average = maps
    predicted[2] = np.nan
    scores = score_rois(measured, predicted, average, rois)
    for values in (scores.r, scores.residual_r, scores.predicted_mean):
        assert np.isnan(values[:, -1]).all()
        assert np.isnan(values[2]).all()
    assert np.isfinite(np.delete(scores.r[:, :-1], 2, axis=0)).all()


@pytest.mark.parametrize(
    "as_average", [lambda measured, average: average, lambda measured, _: LeaveOneOut(measured)]
)
def test_the_group_average_has_r_but_no_residual_r(maps, rois, as_average):
    measured, _, average = maps
    base = as_average(measured, average)
    scores = score_rois(measured, base, base, rois[:-1])
    assert np.isfinite(scores.r).all()
    assert np.isnan(scores.residual_r).all()


def test_equal_probabilities_give_the_scores_of_labels_and_overlapping_rois_are_independent(maps):
    measured, predicted, average = maps
    voxels = np.arange(100)
    halves = Roi(voxels, np.full(100, 0.5))
    scores = score_rois(measured, predicted, average, [Roi(voxels), halves, Roi(voxels[:50])])
    for values in (scores.r, scores.residual_r, scores.measured_mean):
        np.testing.assert_allclose(values[:, 0], values[:, 1], atol=1e-9)


def test_whole_numbers_as_weights_count_voxels_several_times(maps):
    measured, predicted, average = maps
    weights = np.array([1.0, 2, 3] * 10)
    repeated = np.repeat(np.arange(30), weights.astype(int))
    scores = score_rois(measured, predicted, average, [Roi(np.arange(30), weights)])
    x, y, base = measured[:, repeated], predicted[:, repeated], average[repeated]
    np.testing.assert_allclose(scores.r[:, 0], correlations(x, y), atol=1e-9)
    np.testing.assert_allclose(scores.residual_r[:, 0], residual_correlations(x, y, base), atol=1e-9)
    np.testing.assert_allclose(scores.measured_mean[:, 0], x.mean(axis=1), atol=1e-5)


@pytest.mark.parametrize("density", [0.02, 0.09, 1.0])
def test_sparse_and_dense_probabilities_equal_weighted_correlations(maps, density):
    measured, predicted, average = maps
    rng = np.random.default_rng(4)
    weights = rng.random((3, N_VOXELS)) * (rng.random((3, N_VOXELS)) < density)
    weights[:, :MIN_VOXELS] = 0.5
    scores = roi_scores.score_rois(measured, predicted, average, csr_array(weights))
    for number, row in enumerate(weights):
        for participant in (0, 69):
            x, y = measured[participant], predicted[participant]
            pairs = ((scores.r, x, y), (scores.residual_r, x - average, y - average))
            for values, first, second in pairs:
                covariance = np.cov(first, second, aweights=row)
                expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
                assert values[participant, number] == pytest.approx(expected, abs=1e-6)


def test_constant_maps_and_residuals_that_are_rounding_are_not_scored(maps, rois):
    measured, predicted, average = maps
    predicted[0] = 0.1
    predicted[1] = average + np.float32(2)
    predicted[2] = average * np.float32(1 + 1e-7)
    scores = score_rois(measured, predicted, average, rois[:-1])
    assert np.isnan(scores.r[0]).all()
    assert np.isfinite(scores.r[1:]).all()
    assert np.isfinite(scores.residual_r[0]).all()
    assert np.isnan(scores.residual_r[1:3]).all()
    assert np.isfinite(scores.residual_r[3:]).all()


def test_a_prediction_is_accurate_in_the_roi_where_it_was_planted_only(maps, rois):
    measured, predicted, average = maps
    rng = np.random.default_rng(2)
    predicted[:] = average + rng.standard_normal(predicted.shape)
    planted = rois[2].voxels
    predicted[:, planted] = measured[:, planted]
    residual_r = score_rois(measured, predicted, average, rois[:-1]).residual_r.mean(axis=0)
    assert residual_r[2] > 0.99
    assert np.abs(np.delete(residual_r, 2)).max() < 0.1
