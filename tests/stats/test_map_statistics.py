"""Laws of means and spreads over people."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bids_deeptaskgen.stats.map_statistics import MapStatistics, average

cohorts = st.integers(1, 8).flatmap(
    lambda n: arrays(np.float64, (n, 3, 2), elements=st.floats(-100, 100, width=16) | st.just(0.0))
)


def over(maps):
    statistics = MapStatistics(maps[0].shape)
    for one in maps:
        statistics.add(one)
    return statistics


@given(cohorts)
def test_statistics_are_those_of_the_people_who_have_a_value(maps):
    got = over(maps)
    present = np.where(maps == 0, np.nan, maps)
    count = (maps != 0).sum(axis=0)
    np.testing.assert_array_equal(got.count, count)
    for i in np.ndindex(3, 2):
        own = present[(slice(None), *i)]
        own = own[~np.isnan(own)]
        assert got.mean[i] == pytest.approx(own.mean() if len(own) else 0, abs=1e-9)
        assert got.sd[i] == pytest.approx(own.std(ddof=1) if len(own) > 1 else 0, abs=1e-7)


@given(cohorts, st.randoms())
def test_the_order_of_people_does_not_matter(maps, random):
    shuffled = list(maps)
    random.shuffle(shuffled)
    np.testing.assert_allclose(over(shuffled).mean, over(maps).mean, atol=1e-9)
    np.testing.assert_allclose(over(shuffled).sd, over(maps).sd, atol=1e-6)


def test_nan_is_nobody():
    got = over([np.array([np.nan, 2.0]), np.array([1.0, np.inf])])
    np.testing.assert_array_equal(got.mean, [1, 2])
    np.testing.assert_array_equal(got.count, [1, 1])


def test_close_values_keep_their_spread():
    maps = [np.array([1e6 + i]) for i in range(5)]
    np.testing.assert_allclose(over(maps).sd, np.std(range(5), ddof=1))


def test_sessions_are_averaged_where_they_have_a_value():
    np.testing.assert_array_equal(average([np.array([1.0, 0, 0]), np.array([3.0, 4, 0])]), [2, 4, 0])
    with pytest.raises(ValueError, match="no map"):
        average([])
