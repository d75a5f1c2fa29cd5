"""Properties of modified z scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.stats.robust_outliers import OUTLIER_LIMIT, robust_z


def test_normal_values_have_the_z_scores_of_their_distribution():
    x = np.random.default_rng(0).normal(5, 2, 20_000)
    z = robust_z(x)
    np.testing.assert_allclose(z, (x - 5) / 2, atol=0.15)
    # P(|z| > 3.5) = 0.00047.
    assert (np.abs(z) > OUTLIER_LIMIT).mean() == pytest.approx(0.00047, abs=0.0005)


def test_outliers_do_not_hide_each_other():
    x = np.random.default_rng(1).normal(size=40)
    x[:10] = 100
    np.testing.assert_array_equal(np.abs(robust_z(x)) > OUTLIER_LIMIT, np.arange(40) < 10)


@given(st.floats(0.1, 100), st.floats(-100, 100), st.integers(0))
def test_units_do_not_matter(gain, offset, seed):
    x = np.random.default_rng(seed).normal(size=9)
    np.testing.assert_allclose(robust_z(gain * x + offset), robust_z(x), atol=1e-8)
    np.testing.assert_allclose(robust_z(-x), -robust_z(x))


def test_values_that_are_not_finite_do_not_count():
    x = np.array([1.0, np.nan, 2, 7, np.inf, 3, -np.inf])
    is_finite = np.isfinite(x)
    z = robust_z(x)
    assert np.isnan(z[~is_finite]).all()
    np.testing.assert_array_equal(z[is_finite], robust_z(x[is_finite]))


def test_a_deviation_from_equal_values_is_an_outlier_from_five_values_on():
    # The z score of one deviation among n values is n / sqrt(pi / 2).
    for n in range(3, 12):
        z = robust_z([*[0.0] * (n - 1), 1e-3])
        assert z[-1] == pytest.approx(n / np.sqrt(np.pi / 2))
        assert (z[-1] > OUTLIER_LIMIT) == (n >= 5)


@pytest.mark.parametrize("values", [[3.0], [0.1] * 7])
def test_equal_values_are_no_outliers(values):
    np.testing.assert_array_equal(robust_z(values), 0)


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_no_values_have_no_scores(values):
    assert np.isnan(robust_z(values)).all()
