"""Properties of means and standard deviations over participants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bids_deeptaskgen.stats.map_statistics import average, mean_sd_count

cohorts = st.integers(1, 8).flatmap(
    lambda n: arrays(np.float64, (n, 3, 2), elements=st.floats(-100, 100, width=16) | st.just(0.0))
)


@given(cohorts)
def test_statistics_are_those_of_the_participants_with_a_value(maps):
    mean, sd, count = mean_sd_count(maps.reshape(len(maps), 6))
    with_nan = np.where(maps == 0, np.nan, maps).reshape(len(maps), 6)
    np.testing.assert_array_equal(count, (maps != 0).sum(axis=0).ravel())
    for voxel in range(6):
        values = with_nan[:, voxel]
        values = values[~np.isnan(values)]
        assert mean[voxel] == pytest.approx(values.mean() if len(values) else 0, abs=1e-9)
        assert sd[voxel] == pytest.approx(values.std(ddof=1) if len(values) > 1 else 0, abs=1e-7)


@given(cohorts, st.randoms())
def test_the_order_of_participants_has_no_effect(maps, random):
    rows = list(maps.reshape(len(maps), 6))
    in_order = mean_sd_count(np.array(rows))
    random.shuffle(rows)
    for values, expected in zip(mean_sd_count(np.array(rows)), in_order, strict=True):
        np.testing.assert_allclose(values, expected, atol=1e-6)


def test_values_that_are_not_finite_are_ignored():
    mean, _, count = mean_sd_count(np.array([[np.nan, 2.0], [1.0, np.inf]]))
    np.testing.assert_array_equal(mean, [1, 2])
    np.testing.assert_array_equal(count, [1, 1])
    np.testing.assert_array_equal(average([np.array([np.nan, 2.0])]), [0, 2])


def test_close_values_keep_their_standard_deviation():
    _, sd, _ = mean_sd_count(np.array([[1e6 + i] for i in range(5)]))
    np.testing.assert_allclose(sd, np.std(range(5), ddof=1))


def test_sessions_are_averaged_over_those_with_a_value():
    np.testing.assert_array_equal(average([np.array([1.0, 0, 0]), np.array([3.0, 4, 0])]), [2, 4, 0])
    with pytest.raises(ValueError, match="0 maps"):
        average([])
