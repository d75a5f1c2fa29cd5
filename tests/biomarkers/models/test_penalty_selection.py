import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.models.penalty_selection import correlate_columns
from bids_deeptaskgen.biomarkers.models.pipelines import ModelOptions
from bids_deeptaskgen.biomarkers.models.ridge_tables import cross_validate_table
from tests.biomarkers.random_problems import random_problem, random_table


def test_correlations_equal_those_of_numpy():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 20, 3))
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(x.T, y.T, strict=True)]
    np.testing.assert_allclose(correlate_columns(x, y), expected)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6])
def test_constant_columns_have_no_correlation(constant):
    varying = np.random.default_rng(0).normal(size=(20, 1))
    column = np.full((20, 1), constant)
    assert correlate_columns(column, varying) == 0
    assert correlate_columns(varying, column) == 0
    assert correlate_columns(varying, column + 1e-13 * varying) == 0


def test_weak_predictions_are_not_constant():
    varying = np.random.default_rng(0).normal(size=(20, 1))
    np.testing.assert_allclose(correlate_columns(varying, 1e-6 * varying), 1)


def test_the_target_among_its_permutations_has_its_statistic():
    problem = random_problem(0)
    table = random_table(problem, 0)
    columns = problem.target.columns
    _, test = cross_validate_table(problem, table, np.stack([columns, columns]), ModelOptions())
    np.testing.assert_allclose(test.permuted, test.statistic)
    assert test.p == 1


@pytest.mark.parametrize("n_levels", [2, 3])
def test_scores_of_categories_are_comparable_with_zero(n_levels):
    problem = random_problem(1, n_levels=n_levels)
    predictions, _ = cross_validate_table(problem, random_table(problem, 1), None, ModelOptions())
    assert predictions.values.shape == (2, 60, n_levels)
    assert predictions.residuals.shape == (2, 60, problem.target.columns.shape[1])
    np.testing.assert_allclose(predictions.values.sum(axis=2), 0, atol=1e-9)
