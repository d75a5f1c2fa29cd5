from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.models.ridge_kernels import cross_validate_kernel
from tests.biomarkers.random_problems import (
    explicit_kernel_fold,
    kernel_of,
    random_permutations,
    random_problem,
    random_table,
)


def assert_equals_explicit_analysis(problem, seed, n_columns):
    features = kernel_of(random_table(problem, seed, n_columns))
    permuted = random_permutations(problem, seed)
    predictions, test = cross_validate_kernel(problem, features, permuted)
    correlations = []
    for number, columns in enumerate([problem.target.columns, *permuted]):
        for fold in problem.folds:
            penalty, targets, predicted = explicit_kernel_fold(problem, features.kernel, columns, fold)
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
@pytest.mark.parametrize("seed", range(3))
def test_predictions_equal_explicit_removal_and_the_kernel_ridge_of_scikit_learn(seed, n_columns):
    assert_equals_explicit_analysis(random_problem(seed, n_repeats=1 + seed // 2), seed, n_columns)


def test_categories_are_analysed_as_columns():
    assert_equals_explicit_analysis(random_problem(7, n_levels=3, n_repeats=1), 7, 20)


@pytest.mark.parametrize("n_folds", [2, 3])
def test_few_folds_have_other_inner_folds(n_folds):
    assert_equals_explicit_analysis(random_problem(3, n_folds=n_folds), 3, 20)


def test_a_site_without_training_participants_has_no_effect_on_predictions_of_its_participants():
    assert_equals_explicit_analysis(random_problem(4, leave_one_site_out=True), 4, 20)


@pytest.mark.parametrize("n_train", [20, 35])
def test_smaller_training_samples_are_analysed_alike(n_train):
    problem = random_problem(5)
    folds = problem.folds.reduce(n_train, np.random.default_rng(0))
    assert_equals_explicit_analysis(replace(problem, folds=folds), 5, 20)


def test_participants_in_another_order_are_refused():
    problem = random_problem(0)
    features = kernel_of(random_table(problem, 0))
    with pytest.raises(ValueError, match="another order"):
        cross_validate_kernel(problem, replace(features, participants=problem.participants[::-1]), None)


def test_permutations_of_another_shape_are_refused():
    problem = random_problem(0)
    with pytest.raises(ValueError, match="`permuted` has shape"):
        cross_validate_kernel(problem, kernel_of(random_table(problem, 0)), np.zeros((3, 60)))
