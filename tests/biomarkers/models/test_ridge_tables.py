from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.models.pipelines import ModelOptions
from bids_deeptaskgen.biomarkers.models.ridge_tables import cross_validate_table
from tests.biomarkers.random_problems import (
    explicit_table_fold,
    random_permutations,
    random_problem,
    random_table,
)


def assert_equals_explicit_analysis(problem, features, n_components=0):
    permuted = random_permutations(problem, 0, n_permutations=2)
    options = ModelOptions(n_components=n_components)
    predictions, test = cross_validate_table(problem, features, permuted, options)
    correlations = []
    for number, columns in enumerate([problem.target.columns, *permuted]):
        for fold in problem.folds:
            explicit = explicit_table_fold(problem, features.values, columns, fold, n_components)
            penalty, targets, predicted = explicit
            r = [np.corrcoef(*pair)[0, 1] for pair in zip(targets.T, predicted.T, strict=True)]
            correlations.append(np.mean(r))
            if number == 0:
                place = fold.repeat, fold.test
                np.testing.assert_allclose(predictions.targets[place], targets, atol=1e-8)
                np.testing.assert_allclose(predictions.residuals[place], predicted, atol=1e-8)
                assert predictions.penalties[fold.repeat, fold.number] == pytest.approx(penalty)
    statistics = np.reshape(correlations, (1 + len(permuted), -1)).mean(axis=1)
    np.testing.assert_allclose([test.statistic, *test.permuted], statistics, atol=1e-8)


@pytest.mark.parametrize("n_columns", [8, 100])
@pytest.mark.parametrize("n_levels", [0, 2, 3])
def test_predictions_equal_explicit_removal_scaling_and_the_ridge_regression_of_scikit_learn(
    n_columns, n_levels
):
    problem = random_problem(n_columns, n_levels=n_levels, n_repeats=1)
    assert_equals_explicit_analysis(problem, random_table(problem, 0, n_columns))


def test_principal_components_are_those_of_the_training_participants():
    problem = random_problem(1, n_repeats=1)
    assert_equals_explicit_analysis(problem, random_table(problem, 1, 30), n_components=5)


def test_a_site_without_training_participants_has_no_effect_on_predictions_of_its_participants():
    problem = random_problem(4, leave_one_site_out=True)
    assert_equals_explicit_analysis(problem, random_table(problem, 4))


def test_smaller_training_samples_are_analysed_alike():
    problem = random_problem(5)
    problem = replace(problem, folds=problem.folds.reduce(30, np.random.default_rng(0)))
    assert_equals_explicit_analysis(problem, random_table(problem, 5))


def test_columns_that_are_constant_in_the_training_participants_have_no_effect():
    problem = random_problem(2, n_repeats=1)
    table = random_table(problem, 2)
    values = table.values.copy()
    values[:, 0] = 7
    values[:, 1] = 3 * problem.design[:, 4] + 1  # indicator of a site, a confound
    predictions, _ = cross_validate_table(problem, replace(table, values=values), None, ModelOptions())
    fewer = replace(table, values=values[:, 2:], columns=table.columns[2:])
    expected, _ = cross_validate_table(problem, fewer, None, ModelOptions())
    np.testing.assert_allclose(predictions.values, expected.values, atol=1e-8)
    np.testing.assert_allclose(predictions.penalties, expected.penalties)


def test_features_without_variance_predict_what_confounds_predict():
    problem = random_problem(2, n_repeats=1)
    table = random_table(problem, 2)
    permuted = random_permutations(problem, 0)
    empty = replace(table, values=np.ones_like(table.values))
    predictions, test = cross_validate_table(problem, empty, permuted, ModelOptions())
    assert not predictions.residuals.any()
    assert (test.statistic, test.p) == (0, 1)
