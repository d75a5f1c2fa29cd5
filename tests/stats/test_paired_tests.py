from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

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


def test_published_cliffs_delta_is_reproduced():
    with np.load(GOLDEN / "metrics.npz") as file:
        r = file["paper_extract_diagonal"]
        assert cliffs_delta(r[0], r[1]) == pytest.approx(file["paper_cliffs_delta_c0_c1"], abs=1e-15)


@given(first=SAMPLES, second=SAMPLES)
def test_cliffs_delta_counts_pairs(first, second):
    pairs = np.sign(first[:, None] - second)
    assert cliffs_delta(first, second) == pytest.approx(pairs.mean(), abs=1e-12)
    assert cliffs_delta(second, first) == pytest.approx(-pairs.mean(), abs=1e-12)


@pytest.mark.parametrize("n_permutations", [200, 10_000])
def test_p_is_the_share_of_flips_that_are_as_far_from_zero(rng, n_permutations):
    differences = np.array([0.3, 0.1, 0.25, -0.05, 0.2, 0.4, -0.1, 0.15])
    means = np.array(list(product([-1, 1], repeat=8))) @ differences
    expected = (np.abs(means) >= differences.sum() - 1e-9).mean()
    p = [sign_flip_p(differences, np.arange(8), rng, n_permutations=n_permutations) for _ in range(100)]
    # 10,000 flips would be more than the 256 patterns of signs, so p is exact.
    assert np.mean(p) == pytest.approx(expected, abs=0 if n_permutations > 256 else 0.01)


def test_p_is_never_zero_and_is_one_without_differences(rng):
    assert sign_flip_p(np.ones(60), np.arange(60), rng, n_permutations=999) == 1 / 1000
    assert sign_flip_p(np.zeros(60), np.arange(60), rng, n_permutations=999) == 1


def test_p_is_one_if_differences_cancel_but_for_rounding(rng):
    assert sign_flip_p([0.1, 0.2, -0.3], np.arange(3), rng) == 1


def test_p_of_a_single_family_is_one(rng):
    assert sign_flip_p([1.0, 2.0], ["a", "a"], rng) == 1


def test_a_family_counts_once_whatever_its_size(rng):
    single = sign_flip_p(np.ones(6), np.arange(6), rng, n_permutations=20_000)
    members = sign_flip_p(np.ones(60), np.repeat(np.arange(6), 10), rng, n_permutations=20_000)
    assert single == members == 2 / 2**6


def test_participants_without_a_score_are_ignored(rng):
    values, families = np.array([1.0, np.nan, 2, np.nan, 3]), np.array(["a", "b", "b", "c", "d"])
    is_finite = np.isfinite(values)
    for compute in (sign_flip_p, bootstrap_interval):
        with_nan = compute(values, families, np.random.default_rng(1))
        assert with_nan == compute(values[is_finite], families[is_finite], np.random.default_rng(1))
    assert np.isnan(sign_flip_p([np.nan], ["a"], rng))
    assert np.isnan(bootstrap_interval([np.nan], ["a"], rng)).all()
    assert cliffs_delta([np.nan, 1], [0, np.nan]) == 1
    assert np.isnan(cliffs_delta([np.nan], [0]))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_the_test_keeps_its_level_with_families(seed):
    rng = np.random.default_rng(seed)
    p = []
    for _ in range(60):
        shared = np.repeat(rng.normal(size=12), 5)
        p.append(sign_flip_p(shared, np.repeat(np.arange(12), 5), rng, n_permutations=200))
    # 60 tests at 0.05: more than 11 have a chance of 1 in 10,000.
    assert (np.array(p) <= 0.05).sum() <= 11


def test_the_interval_of_unrelated_participants_spans_about_two_standard_errors(rng):
    values = rng.normal(3, 1, 400)
    lower, upper = bootstrap_interval(values, np.arange(400), rng)
    half = 1.96 * values.std(ddof=1) / 20
    np.testing.assert_allclose([lower, upper], [values.mean() - half, values.mean() + half], atol=0.02)


def test_the_interval_widens_with_families(rng):
    values = np.repeat(rng.normal(size=40), 10)
    unrelated = np.diff(bootstrap_interval(values, np.arange(400), rng))
    related = np.diff(bootstrap_interval(values, np.repeat(np.arange(40), 10), rng))
    assert related == pytest.approx(unrelated * np.sqrt(10), rel=0.15)


def test_fdr_is_that_of_benjamini_and_hochberg():
    p = np.array([[0.01, 0.04], [0.03, np.nan], [0.5, 0.02]])
    np.testing.assert_allclose(fdr(p), [[0.05, 0.05], [0.05, np.nan], [0.5, 0.05]])
    assert np.isnan(fdr([np.nan])).all()
