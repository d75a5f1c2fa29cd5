from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.models.baselines import predict_from_confounds, predict_mean
from bids_deeptaskgen.biomarkers.models.logistic import predict_categories_from_confounds
from tests.biomarkers.random_problems import random_problem


def test_the_mean_is_that_of_the_training_participants():
    problem = random_problem(0)
    predictions = predict_mean(problem)
    for fold in problem.folds:
        mean = problem.target.values[fold.train].mean()
        np.testing.assert_allclose(predictions.values[fold.repeat, fold.test], mean)
    assert not predictions.residuals.any()


def test_confounds_predict_by_least_squares_in_the_training_participants():
    problem = random_problem(1)
    predictions = predict_from_confounds(problem)
    for fold in problem.folds:
        effects = np.linalg.lstsq(problem.design[fold.train], problem.target.values[fold.train])[0]
        expected = problem.design[fold.test] @ effects
        np.testing.assert_allclose(predictions.values[fold.repeat, fold.test, 0], expected)
        residuals = problem.target.values[fold.test] - expected
        np.testing.assert_allclose(predictions.targets[fold.repeat, fold.test, 0], residuals)


@pytest.mark.parametrize("n_levels", [2, 3])
def test_the_largest_category_of_the_training_participants_is_predicted_from_the_mean(n_levels):
    problem = random_problem(2, n_levels=n_levels)
    predictions = predict_mean(problem)
    assert predictions.values.shape == (2, 60, n_levels)
    for fold in problem.folds:
        sizes = np.bincount(problem.target.values[fold.train].astype(int), minlength=n_levels)
        scores = predictions.values[fold.repeat, fold.test]
        assert (np.ptp(scores, axis=0) == 0).all()
        assert sizes[scores[0].argmax()] == sizes.max()


@pytest.mark.parametrize("n_levels", [2, 3])
def test_linear_scores_of_categories_are_deviations_from_the_mean(n_levels):
    problem = random_problem(3, n_levels=n_levels)
    values = predict_from_confounds(problem, "ridge").values
    assert values.shape == (2, 60, n_levels)
    np.testing.assert_allclose(values.sum(axis=2), 0, atol=1e-9)


def test_logistic_scores_are_those_of_the_confounds():
    problem = random_problem(4, n_levels=2)
    expected = predict_categories_from_confounds(problem).values
    np.testing.assert_array_equal(predict_from_confounds(problem, "logistic").values, expected)


@pytest.mark.parametrize("n_levels", [0, 2])
def test_no_confounds_predict_the_mean(n_levels):
    problem = random_problem(5, n_levels=n_levels)
    problem = replace(problem, design=problem.design[:, :1], confounds=())
    for classifier in ("logistic", "ridge"):
        values = predict_from_confounds(problem, classifier).values
        np.testing.assert_array_equal(values, predict_mean(problem).values)
