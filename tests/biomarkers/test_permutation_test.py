import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.problem import PermutationTest


def test_p_counts_the_target_itself():
    assert PermutationTest(0.5, np.array([0.1, 0.6, 0.2])).p == 0.5
    assert PermutationTest(0.5, np.zeros(19)).p == 0.05


def test_p_is_undefined_without_permutations():
    assert np.isnan(PermutationTest(0.5, np.empty(0)).p)


@pytest.mark.parametrize("statistic", [0.3, -0.05, 0.0])
def test_permutations_that_change_nothing_but_rounding_errors_count(statistic):
    permuted = statistic + np.array([1e-15, -1e-15, -1e-12])
    assert PermutationTest(statistic, permuted).p == 1
