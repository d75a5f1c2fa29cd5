"""Means over all participants but one, from sums."""

import warnings

import numpy as np

from bids_deeptaskgen.stats.leave_one_out import LeaveOneOutMean, WeightedMean

RNG = np.random.default_rng(0)


def test_the_mean_of_the_others_is_that_of_their_maps():
    maps = RNG.standard_normal((5, 3, 40)).astype(np.float32)
    maps[RNG.random(maps.shape) < 0.3] = np.nan
    maps[1, 2] = np.nan
    mean = LeaveOneOutMean((3, 40))
    for values in maps:
        mean.add(values)
    for number in range(5):
        others = np.delete(maps, number, axis=0).astype(float)
        for contrast in range(3):
            rows = others[np.isfinite(others[:, contrast]).any(axis=1), contrast]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = np.nanmean(rows, axis=0)
            expected[np.isfinite(rows).sum(axis=0) <= len(rows) / 2] = np.nan
            result = mean.exclude(contrast, maps[number, contrast])
            np.testing.assert_allclose(result, expected, atol=1e-12)


def test_a_single_participant_has_no_others():
    mean = LeaveOneOutMean((1, 2))
    mean.add(np.array([[1.0, 2.0]]))
    assert np.isnan(mean.exclude(0, np.array([1.0, 2.0]))).all()


def test_weights_apply_to_the_maps_with_a_value():
    mean = WeightedMean((2,))
    mean.add(np.array([1.0, 5.0]), 0.5)
    mean.add(np.array([2.0, np.nan]), 0.5)
    mean.add(np.array([6.0, np.nan]))
    assert mean.values.tolist() == [(0.5 + 1 + 6) / 2, 5]
    assert np.isnan(WeightedMean((1,)).values).all()
