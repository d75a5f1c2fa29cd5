from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from bids_deeptaskgen.biomarkers.models.cross_validation import cross_validate
from bids_deeptaskgen.biomarkers.models.feature_coordinates import KernelCoordinates, TableCoordinates
from bids_deeptaskgen.biomarkers.models.logistic import (
    CategoryModel,
    cross_validate_logistic,
    predict_categories_from_confounds,
)
from bids_deeptaskgen.biomarkers.models.pipelines import ModelOptions
from bids_deeptaskgen.biomarkers.models.ridge_tables import cross_validate_table
from bids_deeptaskgen.biomarkers.problem import Folds
from tests.biomarkers.random_problems import (
    explicit_removal,
    kernel_of,
    random_permutations,
    random_problem,
    random_table,
    with_values,
)

LOGISTIC = ModelOptions(classifier="logistic")
TRAIN, TEST = np.arange(45), np.arange(45, 60)


@pytest.mark.parametrize("n_columns", [8, 100])
def test_products_of_coordinates_of_tables_are_those_of_prepared_features(n_columns):
    problem = random_problem(0)
    table = random_table(problem, 0, n_columns)
    coordinates = TableCoordinates(problem, table, TRAIN, LOGISTIC)
    prepared = explicit_removal(problem.design, table.values.astype(float), TRAIN)
    prepared /= prepared[TRAIN].std(axis=0)
    expected = prepared @ prepared[TRAIN].T / n_columns
    products = coordinates.compute(np.arange(60)) @ coordinates.compute(TRAIN).T
    np.testing.assert_allclose(products, expected, atol=1e-8)
    assert coordinates.unit == pytest.approx(n_columns)


@pytest.mark.parametrize("n_columns", [8, 100])
def test_products_of_coordinates_of_kernels_are_those_of_residual_features(n_columns):
    problem = random_problem(0)
    features = kernel_of(random_table(problem, 0, n_columns))
    coordinates = KernelCoordinates(problem, features, TRAIN)
    projected = explicit_removal(problem.design, features.kernel, TRAIN)
    expected = explicit_removal(problem.design, projected.T, TRAIN).T[:, TRAIN]
    products = coordinates.compute(np.arange(60)) @ coordinates.compute(TRAIN).T
    np.testing.assert_allclose(products, expected, atol=1e-5)


def test_a_table_and_its_kernel_have_the_same_scores():
    problem = random_problem(1, n_levels=2, n_repeats=1)
    table = random_table(problem, 1)
    values = explicit_removal(problem.design[:, :1], table.values.astype(float), np.arange(60))
    features = kernel_of(replace(table, values=values))
    scale = (values**2).sum(axis=1).mean() ** -0.5
    fold = next(iter(problem.folds))
    coordinates = KernelCoordinates(problem, features, fold.train)
    residual = explicit_removal(problem.design, values * scale, fold.train)
    for penalty in (1e-2, 1.0):
        scores = CategoryModel(problem, fold.train, penalty, coordinates.compute(fold.train)).score(
            fold.test, coordinates.compute(fold.test)
        )
        expected = CategoryModel(problem, fold.train, penalty, residual[fold.train]).score(
            fold.test, residual[fold.test]
        )
        np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_confounds_are_almost_unpenalised():
    problem = random_problem(2, n_levels=2, n=200)
    scores = predict_categories_from_confounds(problem)
    fold = next(iter(problem.folds))
    model = LogisticRegression(C=1e6, class_weight="balanced", max_iter=1000)
    model.fit(problem.design[fold.train, 1:], problem.target.values[fold.train])
    expected = model.decision_function(problem.design[fold.test, 1:])
    np.testing.assert_allclose(scores.values[0, fold.test, 1], expected, rtol=0.01, atol=0.01)
    np.testing.assert_allclose(scores.values[0, fold.test, 0], -expected, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("penalty", [1e-3, 1e4])
def test_the_penalty_of_features_does_not_penalise_confounds(penalty):
    problem = random_problem(2, n_levels=2, n=200)
    fold = next(iter(problem.folds))
    noise = np.zeros((200, 1))
    scores = CategoryModel(problem, fold.train, penalty, noise[fold.train]).score(fold.test, noise[fold.test])
    expected = CategoryModel(problem, fold.train, 1.0).score(fold.test)
    np.testing.assert_allclose(scores, expected, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("n_levels", [2, 3])
@pytest.mark.parametrize("kind", ["table", "kernel"])
def test_categories_that_depend_on_features_are_predicted(n_levels, kind):
    problem = random_problem(3, n_levels=n_levels, n=150, n_repeats=1)
    problem = replace(problem, design=problem.design[:, :1], confounds=())
    table = random_table(problem, 3)
    table = replace(table, values=table.values + 9 * problem.target.values[:, None].astype(np.float32))
    features = table if kind == "table" else kernel_of(table)
    predictions, test = cross_validate(problem, features, LOGISTIC)
    assert test is None
    assert predictions.values.shape == (1, 150, n_levels)
    assert predictions.penalties.shape == (1, 5)
    labels = problem.target.values.astype(int)
    auc = [roc_auc_score(labels == level, predictions.values[0, :, level]) for level in range(n_levels)]
    confounds = predict_categories_from_confounds(problem)
    assert np.mean(auc) > 0.7
    assert not confounds.values.any()


def test_the_penalty_is_that_of_the_smallest_loss_in_the_inner_folds():
    problem = random_problem(4, n_levels=2, n_repeats=1)
    table = random_table(problem, 4)
    predictions = cross_validate_logistic(problem, table, LOGISTIC)
    for fold in problem.folds:
        losses = []
        for penalty in 10.0 ** np.arange(-3, 5):
            total = 0.0
            for rows in fold.inner:
                train = np.setdiff1d(fold.train, rows)
                coordinates = TableCoordinates(problem, table, train, LOGISTIC)
                model = CategoryModel(problem, train, penalty, coordinates.compute(train))
                decision = model.score(rows, coordinates.compute(rows))[:, 1]
                labels = problem.target.values
                weights = {level: len(train) / 2 / (labels[train] == level).sum() for level in (0, 1)}
                losses_of_rows = np.log1p(np.exp(-decision * (2 * labels[rows] - 1)))
                total += sum(weights[labels[row]] * x for row, x in zip(rows, losses_of_rows, strict=True))
            losses.append(total)
        assert predictions.penalties[0, fold.number] == pytest.approx(8 * 10.0 ** (np.argmin(losses) - 3))


def test_the_test_is_that_of_ridge_regression():
    problem = random_problem(5, n_levels=2, n_repeats=1)
    table = random_table(problem, 5)
    permuted = random_permutations(problem, 5)
    _, test = cross_validate(problem, table, LOGISTIC, permuted)
    _, expected = cross_validate_table(problem, table, permuted, ModelOptions())
    assert test.statistic == expected.statistic
    np.testing.assert_array_equal(test.permuted, expected.permuted)


@pytest.mark.parametrize("n_rare", [1, 2])
def test_a_category_without_training_participants_has_the_smallest_score(n_rare):
    problem = random_problem(6, n_levels=3, n=40, n_repeats=1)
    labels = np.arange(40) % 2
    labels[:n_rare] = 2
    folds = Folds(np.arange(40)[None] // 8, np.arange(40))
    problem = replace(with_values(problem, labels), folds=folds, families=np.arange(40))
    predictions = cross_validate_logistic(problem, random_table(problem, 6), LOGISTIC)
    fold = next(iter(folds))
    assert np.isfinite(predictions.values).all()
    scores = predictions.values[0, fold.test]
    assert np.ptp(scores[:, 2]) == 0
    assert scores[:, 2].max() < scores[:, :2].min()


def test_a_single_category_of_the_training_participants_gives_equal_scores():
    problem = random_problem(6, n_levels=2, n_repeats=1)
    labels = np.zeros(60)
    fold = next(iter(problem.folds))
    labels[fold.test] = 1
    predictions = cross_validate_logistic(with_values(problem, labels), random_table(problem, 6), LOGISTIC)
    np.testing.assert_allclose(predictions.values[0, fold.test], [[0, -1]] * len(fold.test))


def test_scores_of_several_categories_rank_participants_as_probabilities_do():
    problem = random_problem(0, n_levels=3)
    predictors = np.random.default_rng(0).normal(size=(60, 4))
    model = CategoryModel(problem, TRAIN, 1.0, predictors[TRAIN])
    scores = model.score(TEST, predictors[TEST])
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1)
