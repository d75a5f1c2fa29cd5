"""Overlap of functional ROIs with the measured one."""

import numpy as np
import pytest

from bids_deeptaskgen.cohort_store.regions.froi_overlap import compare_rois

RNG = np.random.default_rng(0)


def top(values, n_voxels):
    """Return the places of the largest values by sorting."""
    return set(np.argsort(-values, kind="stable")[:n_voxels].tolist())


def test_overlaps_equal_those_of_sets_of_voxels():
    measured, predicted, mean = (RNG.standard_normal(200) for _ in range(3))
    predicted += measured
    measured[:20], predicted[10:40], mean[35:50] = np.nan, np.nan, np.nan
    overlap = compare_rois(measured, predicted, {"mean": mean}, 10)
    assert (overlap.n_available, overlap.n_voxels, overlap.chance) == (150, 15, 0.1)
    target = top(measured[50:], 15)
    for dice, values in ((overlap.dice, predicted), (overlap.baselines["mean"], mean)):
        assert dice == pytest.approx(2 * len(target & top(values[50:], 15)) / 30)


def test_an_equal_map_overlaps_completely_and_an_opposite_one_not_at_all():
    measured = RNG.standard_normal(100)
    overlap = compare_rois(measured, 3 * measured, {"opposite": -measured}, 10)
    assert (overlap.dice, overlap.baselines) == (1, {"opposite": 0})


def test_chance_is_the_mean_overlap_of_random_maps():
    measured = RNG.standard_normal(100)
    overlaps = [compare_rois(measured, RNG.standard_normal(100), {}, 30) for _ in range(1000)]
    assert np.mean([overlap.dice for overlap in overlaps]) == pytest.approx(overlaps[0].chance, abs=0.01)


def test_a_baseline_that_does_not_exist_does_not_restrict_the_voxels():
    measured = RNG.standard_normal(50)
    overlap = compare_rois(measured, measured, {"mean": np.full(50, np.nan)}, 10)
    assert (overlap.n_available, overlap.dice) == (50, 1)
    assert np.isnan(overlap.baselines["mean"])


def test_maps_without_common_voxels_are_not_compared():
    measured, predicted = RNG.standard_normal((2, 10))
    measured[:5], predicted[5:] = np.nan, np.nan
    assert compare_rois(measured, predicted, {}, 10) is None
    assert compare_rois(measured, np.full(10, np.nan), {"mean": measured}, 10) is None
