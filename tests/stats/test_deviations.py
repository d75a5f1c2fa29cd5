"""Properties of deviations from the mean over rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.stats.deviations import deviations_from_mean


@given(
    n=st.integers(1, 9),
    missing=st.floats(0, 0.8),
    offset=st.sampled_from([0, 1000]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0),
)
def test_deviations_and_means_are_those_of_the_rows_with_a_value(n, missing, offset, dtype, seed):
    rng = np.random.default_rng(seed)
    maps = rng.normal(offset, size=(n, 20)).astype(dtype)
    is_missing = rng.random(maps.shape) < missing
    maps[is_missing] = rng.choice([0, np.nan, np.inf], size=is_missing.sum())
    deviations = deviations_from_mean(maps)
    assert deviations.values.dtype == dtype
    np.testing.assert_array_equal(deviations.has_value, ~is_missing)
    np.testing.assert_array_equal(deviations.count, (~is_missing).sum(axis=0))
    np.testing.assert_array_equal(deviations.is_complete, ~is_missing.any(axis=0))
    assert not deviations.values[is_missing].any()
    exact = np.where(is_missing, 0, maps).astype(np.float64)
    mean = exact.sum(axis=0) / np.maximum(deviations.count, 1)
    np.testing.assert_allclose(deviations.mean, mean, rtol=1e-9, atol=1e-9)
    expected = np.where(is_missing, 0, exact - mean)
    np.testing.assert_allclose(deviations.values, expected, atol=1e-6 * (1 + offset))
    np.testing.assert_allclose(deviations.squares, np.square(expected).sum(axis=0), rtol=1e-5, atol=1e-9)


def test_maps_are_deviations_plus_origin_without_rounding():
    maps = np.random.default_rng(0).normal(1000, 1, (5, 50)).astype(np.float32)
    deviations = deviations_from_mean(maps)
    np.testing.assert_array_equal(deviations.values + deviations.origin, maps)


def test_zero_is_a_value_where_it_is_not_missing():
    maps = np.array([[0.0], [1], [2], [np.nan]])
    assert deviations_from_mean(maps).count == [2]
    deviations = deviations_from_mean(maps, is_zero_missing=False)
    assert (deviations.count, deviations.mean, deviations.sd) == ([3], [1], pytest.approx([1]))


def test_the_array_is_not_changed():
    maps = np.array([[1.0, np.nan], [2.0, 0.0]])
    deviations_from_mean(maps)
    np.testing.assert_array_equal(maps, [[1, np.nan], [2, 0]])
