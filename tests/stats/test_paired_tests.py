from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bids_deeptaskgen.stats import paired_tests as comparison
from bids_deeptaskgen.stats.paired_tests import (
    bootstrap_interval,
    cliffs_delta,
    fdr,
    sign_flip_p,
)
from tests.golden_files import GOLDEN

SAMPLES = hnp.arrays(float, st.integers(1, 12), elements=st.integers(-5, 5))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_published_cliffs_delta():
    with np.load(GOLDEN / "metrics.npz") as file:
        r = file["paper_extract_diagonal"]
        assert cliffs_delta(r[0], r[1]) == pytest.approx(file["paper_cliffs_delta_c0_c1"], abs=1e-15)


@given(first=SAMPLES, second=SAMPLES)
def test_cliffs_delta_counts_pairs(first, second):
    pairs = np.sign(first[:, None] - second)
    assert cliffs_delta(first, second) == pytest.approx(pairs.mean(), abs=1e-12)
    assert cliffs_delta(second, first) == pytest.approx(-pairs.mean(), abs=1e-12)


def test_p_is_the_share_of_flips_that_are_as_far_from_zero(rng):
    differences = np.array([0.3, 0.1, 0.25, -0.05, 0.2, 0.4, -0.1, 0.15])
    means = np.array(list(product([-1, 1], repeat=8))) @ differences
    exact = (np.abs(means) >= differences.sum() - 1e-9).mean()
    assert sign_flip_p(differences, np.arange(8), rng, n_permutations=50_000) == pytest.approx(
        exact, abs=0.003
    )


def test_p_is_never_zero_and_one_where_nothing_differs(rng):
    assert sign_flip_p(np.ones(60), np.arange(60), rng, n_permutations=999) == 1 / 1000
    assert sign_flip_p(np.zeros(60), np.arange(60), rng, n_permutations=999) == 1


def test_a_family_counts_once_however_many_its_members(rng):
    once = sign_flip_p(np.ones(6), np.arange(6), rng, n_permutations=20_000)
    often = sign_flip_p(np.ones(60), np.repeat(np.arange(6), 10), rng, n_permutations=20_000)
    assert once == pytest.approx(2 / 2**6, abs=0.005)
    assert often == pytest.approx(once, abs=0.006)


def test_people_without_a_score_take_no_part(rng):
    values, families = np.array([1.0, np.nan, 2, np.nan, 3]), np.array(["a", "b", "b", "c", "d"])
    present = np.isfinite(values)
    for compute in (sign_flip_p, bootstrap_interval):
        whole = compute(values, families, np.random.default_rng(1))
        assert whole == compute(values[present], families[present], np.random.default_rng(1))
    assert np.isnan(sign_flip_p([np.nan], ["a"], rng))
    assert np.isnan(bootstrap_interval([np.nan], ["a"], rng)).all()
    assert cliffs_delta([np.nan, 1], [0, np.nan]) == 1
    assert np.isnan(cliffs_delta([np.nan], [0]))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_the_test_keeps_its_level_with_related_people(seed):
    rng = np.random.default_rng(seed)
    p = []
    for _ in range(60):
        shared = np.repeat(rng.normal(size=12), 5)
        p.append(sign_flip_p(shared, np.repeat(np.arange(12), 5), rng, n_permutations=200))
    # 60 tests at 0.05: more than 11 have a chance of 1 in 10,000.
    assert (np.array(p) <= 0.05).sum() <= 11


def test_the_interval_of_unrelated_people_is_about_two_standard_errors(rng):
    values = rng.normal(3, 1, 400)
    low, high = bootstrap_interval(values, np.arange(400), rng)
    half = 1.96 * values.std(ddof=1) / 20
    np.testing.assert_allclose([low, high], [values.mean() - half, values.mean() + half], atol=0.02)


def test_the_interval_widens_where_people_are_related(rng):
    values = np.repeat(rng.normal(size=40), 10)
    apart = np.diff(bootstrap_interval(values, np.arange(400), rng))
    related = np.diff(bootstrap_interval(values, np.repeat(np.arange(40), 10), rng))
    assert related == pytest.approx(apart * np.sqrt(10), rel=0.15)


def test_portions_do_not_change_how_often_something_is_drawn(rng, monkeypatch):
    monkeypatch.setattr(comparison, "_AT_ONCE", 50)
    assert sign_flip_p(np.ones(8), np.arange(8), rng, n_permutations=1003) <= 20 / 1004
    low, high = bootstrap_interval(np.arange(8.0), np.arange(8), rng, n_resamples=101)
    assert 0 < low < 3.5 < high < 7


def test_fdr_is_that_of_benjamini_and_hochberg():
    p = np.array([[0.01, 0.04], [0.03, np.nan], [0.5, 0.02]])
    np.testing.assert_allclose(fdr(p), [[0.05, 0.05], [0.05, np.nan], [0.5, 0.05]])
    assert np.isnan(fdr([np.nan])).all()
