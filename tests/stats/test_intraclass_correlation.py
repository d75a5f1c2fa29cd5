"""Properties of the intraclass correlation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from bids_deeptaskgen.stats.intraclass_correlation import icc_3_1

# Table 2 of Shrout and Fleiss (1979): six targets, four judges.
RATINGS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])


def simulated(rng, n, k, n_columns, icc):
    """Simulate sessions of participants with a known ICC."""
    participants = np.sqrt(icc) * rng.normal(size=(n, 1, n_columns))
    sessions = 3 * rng.normal(size=(1, k, n_columns))
    return participants + sessions + np.sqrt(1 - icc) * rng.normal(size=(n, k, n_columns))


def test_the_published_example_is_reproduced():
    result = icc_3_1(RATINGS[:, :, None])
    assert result.icc == pytest.approx(0.71, abs=0.005)
    # Interval as other packages report it for these data.
    assert result.lower_bound == pytest.approx(0.34, abs=0.005)
    assert result.upper_bound == pytest.approx(0.95, abs=0.005)


@given(st.floats(0.5, 10), st.floats(-100, 100), st.integers(0))
def test_gain_offset_and_means_of_sessions_do_not_matter(gain, offset, seed):
    rng = np.random.default_rng(seed)
    values = simulated(rng, 6, 3, 4, 0.5)
    result = icc_3_1(values)
    changed = icc_3_1(gain * values + offset + rng.normal(size=(1, 3, 4)))
    np.testing.assert_allclose(changed.icc, result.icc, atol=1e-7)
    np.testing.assert_allclose(changed.lower_bound, result.lower_bound, atol=1e-7)


def test_of_two_sessions_it_is_r_scaled_by_the_variances():
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    y += x
    expected = 2 * np.cov(x, y)[0, 1] / (np.var(x, ddof=1) + np.var(y, ddof=1))
    assert icc_3_1(np.stack([x, y], axis=1)[..., None]).icc == pytest.approx(expected)


@pytest.mark.parametrize("icc", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("n", "k"), [(20, 2), (30, 4)])
def test_95_of_100_intervals_contain_the_true_value(n, k, icc):
    n_columns = 4000
    result = icc_3_1(simulated(np.random.default_rng(1), n, k, n_columns, icc))
    n_inside = int(((result.lower_bound <= icc) & (icc <= result.upper_bound)).sum())
    assert binomtest(n_inside, n_columns, 0.95).pvalue > 0.001
    assert ((result.lower_bound <= result.icc) & (result.icc <= result.upper_bound)).all()


def test_equal_sessions_have_1_and_equal_values_have_none():
    rng = np.random.default_rng(2)
    participants = rng.normal(size=(5, 1))
    values = np.stack([np.repeat(participants, 3, axis=1) + [0, 1, 2], np.full((5, 3), 0.1)], axis=2)
    result = icc_3_1(values)
    for bound in (result.icc, result.lower_bound, result.upper_bound):
        np.testing.assert_allclose(bound, [1, np.nan])


def test_participants_without_a_session_are_refused():
    values = np.ones((4, 2, 1))
    values[1, 1] = np.nan
    with pytest.raises(ValueError, match="without all sessions"):
        icc_3_1(values)


@pytest.mark.parametrize("shape", [(1, 2, 3), (4, 1, 3), (4, 2)])
def test_one_participant_or_session_is_refused(shape):
    with pytest.raises(ValueError, match="two or more"):
        icc_3_1(np.ones(shape))
