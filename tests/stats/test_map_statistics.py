"""Properties of means and standard deviations over participants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bids_deeptaskgen.stats.map_statistics import MapStatistics, average

cohorts = st.integers(1, 8).flatmap(
    lambda n: arrays(np.float64, (n, 3, 2), elements=st.floats(-100, 100, width=16) | st.just(0.0))
)


def statistics_of(maps):
    """Collect the statistics of maps."""
    statistics = MapStatistics(maps[0].shape)
    for values in maps:
        statistics.add(values)
    return statistics


@given(cohorts)
def test_statistics_are_those_of_the_participants_with_a_value(maps):
    statistics = statistics_of(maps)
    with_nan = np.where(maps == 0, np.nan, maps)
    count = (maps != 0).sum(axis=0)
    np.testing.assert_array_equal(statistics.count, count)
    for i in np.ndindex(3, 2):
        values = with_nan[(slice(None), *i)]
        values = values[~np.isnan(values)]
        assert statistics.mean[i] == pytest.approx(values.mean() if len(values) else 0, abs=1e-9)
        assert statistics.sd[i] == pytest.approx(values.std(ddof=1) if len(values) > 1 else 0, abs=1e-7)


@given(cohorts, st.randoms())
def test_the_order_of_participants_has_no_effect(maps, random):
    shuffled = list(maps)
    random.shuffle(shuffled)
    np.testing.assert_allclose(statistics_of(shuffled).mean, statistics_of(maps).mean, atol=1e-9)
    np.testing.assert_allclose(statistics_of(shuffled).sd, statistics_of(maps).sd, atol=1e-6)


def test_values_that_are_not_finite_are_ignored():
    statistics = statistics_of([np.array([np.nan, 2.0]), np.array([1.0, np.inf])])
    np.testing.assert_array_equal(statistics.mean, [1, 2])
    np.testing.assert_array_equal(statistics.count, [1, 1])


def test_close_values_keep_their_standard_deviation():
    maps = [np.array([1e6 + i]) for i in range(5)]
    np.testing.assert_allclose(statistics_of(maps).sd, np.std(range(5), ddof=1))


def test_sessions_are_averaged_over_those_with_a_value():
    np.testing.assert_array_equal(average([np.array([1.0, 0, 0]), np.array([3.0, 4, 0])]), [2, 4, 0])
    with pytest.raises(ValueError, match="0 maps"):
        average([])
