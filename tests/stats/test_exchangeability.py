"""Permutations that exchange whole families of equal size, and members within families."""

from collections import Counter
from itertools import permutations as all_orders

import numpy as np
import pytest

from bids_deeptaskgen.stats.exchangeability import log10_arrangements, permutations

FAMILIES = np.array([4, 0, 2, 0, 1, 4, 2, 7, 7, 7, 9, 3])


def draw(families, n=200, seed=0):
    return list(permutations(families, n, np.random.default_rng(seed)))


def test_a_permutation_moves_each_participant_once():
    for order in draw(FAMILIES):
        assert sorted(order) == list(range(len(FAMILIES)))


def test_a_family_moves_as_a_whole_to_a_family_of_the_same_size():
    sizes = Counter(FAMILIES.tolist())
    for order in draw(FAMILIES):
        moves = {(family, source) for family, source in zip(FAMILIES, FAMILIES[order], strict=True)}
        assert len(moves) == len(sizes)
        assert all(sizes[family] == sizes[source] for family, source in moves)


def test_a_value_that_a_family_shares_stays_shared():
    values = FAMILIES**2
    for order in draw(FAMILIES):
        permuted = values[order]
        assert all(len(set(permuted[family == FAMILIES])) == 1 for family in FAMILIES)


def test_unrelated_participants_have_uniform_permutations():
    counts = Counter(map(tuple, draw(np.arange(4), 24_000)))
    assert set(counts) == set(all_orders(range(4)))
    # Chi-squared with 23 degrees of freedom: larger than 60 with probability 4e-5.
    assert sum((count - 1000) ** 2 / 1000 for count in counts.values()) < 60


@pytest.mark.parametrize(("families", "n_orders"), [([0, 0, 1, 1], 8), ([0, 0, 0], 6), ([0, 0, 1, 2], 4)])
def test_all_permutations_occur_and_are_counted(families, n_orders):
    counts = Counter(map(tuple, draw(families, 400 * n_orders)))
    assert len(counts) == n_orders
    assert min(counts.values()) > 300
    assert 10 ** log10_arrangements(range(len(families)), families) == pytest.approx(n_orders)


def test_the_count_of_large_cohorts_does_not_overflow():
    assert log10_arrangements(np.arange(20_000), np.arange(20_000)) == pytest.approx(77_337, abs=1)


def test_equal_seeds_give_equal_permutations():
    np.testing.assert_array_equal(draw(FAMILIES, 5, seed=3), draw(FAMILIES, 5, seed=3))


@pytest.mark.parametrize(
    "values", [[1, 1, 2, 2, 3, 3, 3], [1, 2, 1, 2, 5, 5, 6], [1, 2, 3, 4, 1, 2, 1], [0] * 7]
)
def test_results_of_permutations_of_equal_values_are_counted_once(values):
    families = np.array([0, 0, 1, 1, 2, 2, 3])
    results = {tuple(np.array(values)[order]) for order in draw(families, 2000)}
    assert 10 ** log10_arrangements(values, families) == pytest.approx(len(results))
