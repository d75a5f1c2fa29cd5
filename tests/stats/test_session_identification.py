"""Properties of the identification of participants between sessions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from bids_deeptaskgen.stats.session_identification import identify_sessions


def random_r(seed, n=8):
    return np.random.default_rng(seed).uniform(-1, 1, (n, n)).round(2)


@given(st.integers(0), st.integers(2, 8))
def test_rate_and_rank_are_those_of_rankdata_in_both_directions(seed, n):
    r = random_r(seed, n)
    ranks = np.array([np.diagonal(rankdata(-r, axis=axis)) for axis in (0, 1)])
    result = identify_sessions(r)
    assert result.rate == pytest.approx((ranks == 1).mean())
    assert result.mean_rank == pytest.approx(ranks.mean())
    assert result.own_r == pytest.approx(np.trace(r) / n)
    assert result.others_r == pytest.approx((r.sum() - np.trace(r)) / (n * n - n))
    assert result.idiff == pytest.approx(result.own_r - result.others_r)


@given(st.integers(0))
def test_neither_the_order_of_sessions_nor_of_participants_has_an_effect(seed):
    r = random_r(seed)
    order = np.random.default_rng(seed).permutation(len(r))
    result = identify_sessions(r)
    for other in (r.T, r[np.ix_(order, order)]):
        assert identify_sessions(other).rate == pytest.approx(result.rate)
        assert identify_sessions(other).mean_rank == pytest.approx(result.mean_rank)
        assert identify_sessions(other).idiff == pytest.approx(result.idiff)


def test_equal_maps_of_all_participants_are_no_success():
    result = identify_sessions(np.ones((5, 5)))
    assert (result.rate, result.mean_rank, result.idiff) == (0, 3, 0)


def test_a_tie_but_for_rounding_is_a_tie():
    r = np.array([[0.5, 0.5 - 1e-8], [0.1, 0.5]])
    assert identify_sessions(r).rate == 0.5


def test_participants_without_own_r_are_ignored():
    r = random_r(0)
    with_nan = np.insert(np.insert(r, 3, np.nan, axis=0), 3, 0.9, axis=1)
    with_nan[3, :] = np.nan
    assert identify_sessions(with_nan) == identify_sessions(r)


def test_a_pair_without_common_voxels_does_not_count():
    r = np.eye(3)
    r[0, 1] = np.nan
    result = identify_sessions(r)
    assert (result.n_participants, result.rate, result.mean_rank, result.others_r) == (3, 1, 1, 0)


@pytest.mark.parametrize("r", [np.ones((1, 1)), np.full((3, 3), np.nan), np.ones((0, 0))])
def test_one_participant_cannot_be_identified(r):
    result = identify_sessions(r)
    assert result.n_participants == len(r) * np.isfinite(r).all()
    assert np.isnan([result.rate, result.mean_rank, result.idiff]).all()


def test_a_matrix_of_different_participants_is_refused():
    with pytest.raises(ValueError, match="square"):
        identify_sessions(np.ones((2, 3)))
