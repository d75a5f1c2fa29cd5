from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import balanced_accuracy_score, r2_score, roc_auc_score

from bids_deeptaskgen.biomarkers.models.baselines import predict_mean
from bids_deeptaskgen.biomarkers.problem import Predictions
from bids_deeptaskgen.biomarkers.results.metrics import (
    FoldValues,
    area_under_curve,
    average_recall,
    correlate,
    explain_variance,
)
from bids_deeptaskgen.biomarkers.results.scores import count_folds, main_score, score_folds
from tests.biomarkers.made_results import make_predictions, make_problem


@pytest.fixture
def problem():
    return make_problem()


def categorical_fold(n_levels, seed=0):
    rng = np.random.default_rng(seed)
    measured = rng.integers(0, n_levels, 40).astype(float)
    return FoldValues(measured, rng.normal(size=(40, n_levels)), 0.5)


def test_scores_of_numbers_are_those_of_the_test_participants_of_a_fold(problem):
    predictions = make_predictions(problem, 0.5)
    scores = score_folds(problem, predictions)
    fold = list(problem.folds)[7]
    measured, predicted = problem.target.values[fold.test], predictions.values[fold.repeat, fold.test, 0]
    place = fold.repeat, fold.number
    assert scores["r"][place] == pytest.approx(pearsonr(measured, predicted)[0])
    assert scores["MAE"][place] == pytest.approx(np.abs(measured - predicted).mean())
    residuals = (
        predictions.targets[fold.repeat, fold.test, 0],
        predictions.residuals[fold.repeat, fold.test, 0],
    )
    assert scores["partial_r"][place] == pytest.approx(pearsonr(*residuals)[0])
    assert all(values.shape == (2, 5) for values in scores.values())


def test_r2_is_relative_to_the_mean_of_the_training_participants(problem):
    measured = np.array([1.0, 2, 3, 6])
    predicted = np.array([1.5, 2, 2, 5])
    assert explain_variance(FoldValues(measured, predicted[:, None], 3.0)) == pytest.approx(
        r2_score(measured, predicted)
    )
    # A training mean that is wrong makes the same errors look smaller.
    assert explain_variance(FoldValues(measured, predicted[:, None], 5.0)) > r2_score(measured, predicted)
    mean_scores = score_folds(problem, predict_mean(problem), is_baseline=True)
    assert mean_scores["R2"] == pytest.approx(0)


@pytest.mark.parametrize("n_levels", [2, 3])
def test_scores_of_categories_are_those_of_scikit_learn(n_levels):
    fold = categorical_fold(n_levels)
    assert average_recall(fold) == pytest.approx(
        balanced_accuracy_score(fold.measured, fold.predicted.argmax(axis=1))
    )
    if n_levels == 2:
        expected = roc_auc_score(fold.measured, fold.predicted[:, 1] - fold.predicted[:, 0])
    else:
        probabilities = np.exp(fold.predicted) / np.exp(fold.predicted).sum(axis=1, keepdims=True)
        fold = fold._replace(predicted=probabilities)
        expected = roc_auc_score(fold.measured, probabilities, multi_class="ovr", average="macro")
    assert area_under_curve(fold) == pytest.approx(expected)


def test_a_fold_with_one_category_has_no_score():
    fold = categorical_fold(2)
    fold = fold._replace(measured=np.zeros(40))
    assert np.isnan([area_under_curve(fold), average_recall(fold)]).all()


def test_a_category_that_the_test_participants_lack_is_left_out_of_the_mean():
    fold = categorical_fold(3)
    is_first = fold.measured == 0
    fold = fold._replace(measured=np.where(is_first, 0.0, 1.0))
    areas = [roc_auc_score(fold.measured == level, fold.predicted[:, level]) for level in (0, 1)]
    assert area_under_curve(fold) == pytest.approx(np.mean(areas))


@pytest.mark.parametrize("n_levels", [2, 3])
def test_the_mean_has_scores_of_chance(n_levels):
    problem = make_problem("categorical", n_levels=n_levels)
    scores = score_folds(problem, predict_mean(problem), is_baseline=True)
    assert scores["AUC"] == pytest.approx(0.5)
    assert scores["balanced_accuracy"] == pytest.approx(1 / n_levels)


def test_constant_predictions_have_no_correlation_and_count_as_0_for_features(problem):
    # The sum of rounding errors is no variance.
    constant = 0.1 + 1e-17 * np.arange(100)[None, :, None] + np.zeros((2, 100, 1))
    predictions = Predictions(constant, residuals=constant, targets=make_predictions(problem, 0.5).targets)
    scores = score_folds(problem, predictions)
    assert (scores["r"] == 0).all()
    assert (scores["partial_r"] == 0).all()
    assert score_folds(problem, predictions, is_baseline=True).keys() == {"R2", "MAE"}


def test_constant_measured_values_of_a_fold_leave_its_correlation_undefined(problem):
    values = problem.target.values.copy()
    values[problem.folds.numbers[0] == 3] = 1.5
    problem = replace(problem, target=replace(problem.target, values=values))
    predictions = replace(make_predictions(problem, 0.5), residuals=None)
    scores = score_folds(problem, predictions)
    assert np.argwhere(np.isnan(scores["r"])).tolist() == [[0, 3]]
    assert np.isfinite(scores["MAE"]).all()
    assert "partial_r" not in scores


def test_a_model_that_predicts_large_numbers_is_not_constant():
    measured = np.array([1.0, 2, 3])
    assert correlate(FoldValues(measured, 1e6 + measured[:, None], 2)) == pytest.approx(1)


def test_sizes_are_those_of_the_folds_and_0_where_a_repeat_has_none(problem):
    sizes = count_folds(problem)
    assert (sizes.n_train + sizes.n_test == 100).all()
    numbers = problem.folds.numbers.copy()
    numbers[1, numbers[1] == 4] = 0
    sizes = count_folds(replace(problem, folds=replace(problem.folds, numbers=numbers)))
    assert (sizes.n_test[1, 4], sizes.n_train[1, 4]) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "n_levels", "confounds", "setup", "expected"),
    [
        ("continuous", 0, ("age",), "nested", "partial_r"),
        ("continuous", 0, (), "nested", "r"),
        ("continuous", 0, ("age",), "deeptaskgen-2025", "r"),
        ("categorical", 2, ("age",), "nested", "AUC"),
        ("categorical", 3, (), "deeptaskgen-2025", "balanced_accuracy"),
    ],
)
def test_the_main_score_depends_on_target_and_setup(kind, n_levels, confounds, setup, expected):
    assert main_score(make_problem(kind, n_levels=n_levels, confounds=confounds), setup) == expected
