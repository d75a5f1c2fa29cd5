"""Laws of all models: invariance, and independence of predictions from test participants."""

from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.models.cross_validation import cross_validate
from bids_deeptaskgen.biomarkers.models.pipelines import ModelOptions
from tests.biomarkers.random_problems import kernel_of, random_problem, random_table, with_values

PLAIN = ModelOptions()
REDUCED = ModelOptions(n_components=4)
LOGISTIC = ModelOptions(classifier="logistic")
COMBAT = ModelOptions(combat=True)
# Levels of the target (0 for numbers), kind of features, and options.
CASES = {
    "kernel": (0, "kernel", PLAIN),
    "kernel of categories": (3, "kernel", PLAIN),
    "table": (0, "table", PLAIN),
    "components": (0, "table", REDUCED),
    "ComBat": (0, "table", COMBAT),
    "logistic table": (2, "table", LOGISTIC),
    "logistic kernel": (2, "kernel", LOGISTIC),
}
LINEAR = ["kernel", "table", "components"]
# The kernel is computed from all participants, and logistic regression is iterative.
TOLERANCE = {"logistic table": 1e-6, "logistic kernel": 1e-3}


def draw(case, seed=0, n_repeats=1, n=72):
    n_levels, kind, options = CASES[case]
    problem = random_problem(seed, n_levels=n_levels, n_repeats=n_repeats, n=n)
    return problem, random_table(problem, seed, 12), kind, options


def features_of(kind, table):
    """Return a table, or the kernel of its columns as they are: no centring, no scale over participants."""
    if kind == "table":
        return table
    values = table.values.astype(np.float64)
    return replace(kernel_of(table), kernel=values @ values.T / 500)


def predict(problem, table, kind, options):
    return cross_validate(problem, features_of(kind, table), options)[0]


@pytest.mark.parametrize("case", CASES)
def test_predictions_of_a_fold_do_not_depend_on_the_target_of_its_test_participants(case):
    problem, table, kind, options = draw(case)
    expected = predict(problem, table, kind, options)
    for fold in list(problem.folds)[:2]:
        values = problem.target.values.copy()
        values[fold.test] = values[fold.test][::-1] if problem.target.levels else 99
        predictions = predict(with_values(problem, values), table, kind, options)
        changed, unchanged = predictions.values[0, fold.test], expected.values[0, fold.test]
        np.testing.assert_allclose(changed, unchanged, atol=1e-8)
        assert predictions.penalties[0, fold.number] == pytest.approx(expected.penalties[0, fold.number])


@pytest.mark.parametrize("case", CASES)
def test_predictions_do_not_depend_on_the_features_of_test_participants_of_the_fold(case):
    problem, table, kind, options = draw(case)
    expected = predict(problem, table, kind, options)
    fold = next(iter(problem.folds))
    values = table.values.copy()
    values[fold.test[:3]] += 7
    predictions = predict(problem, replace(table, values=values), kind, options)
    changes = abs(predictions.values - expected.values)[0, fold.test].max(axis=1)
    assert changes[3:].max() < TOLERANCE.get(case, 1e-6)
    assert changes[:3].min() > 10 * changes[3:].max()


@pytest.mark.parametrize("case", CASES)
def test_predictions_do_not_depend_on_the_confounds_of_other_test_participants(case):
    problem, table, kind, options = draw(case)
    expected = predict(problem, table, kind, options)
    fold = next(iter(problem.folds))
    design = problem.design.copy()
    design[fold.test[:3], 1:3] += 5
    predictions = predict(replace(problem, design=design), table, kind, options)
    rest = fold.test[3:]
    tolerance = TOLERANCE.get(case, 1e-6)
    np.testing.assert_allclose(predictions.values[0, rest], expected.values[0, rest], atol=tolerance)


@pytest.mark.parametrize("case", LINEAR)
def test_linear_functions_of_confounds_in_the_target_change_no_residual(case):
    problem, table, kind, options = draw(case)
    expected = predict(problem, table, kind, options)
    effects = problem.design @ np.random.default_rng(1).normal(0, 10, problem.design.shape[1])
    predictions = predict(with_values(problem, problem.target.values + effects), table, kind, options)
    np.testing.assert_allclose(predictions.residuals, expected.residuals, atol=1e-7)
    np.testing.assert_allclose(predictions.targets, expected.targets, atol=1e-7)
    np.testing.assert_allclose(predictions.values[0, :, 0], expected.values[0, :, 0] + effects, atol=1e-7)


@pytest.mark.parametrize("case", [*LINEAR, "kernel of categories", "logistic table", "logistic kernel"])
def test_linear_functions_of_confounds_in_the_features_change_nothing(case):
    problem, table, kind, options = draw(case)
    expected = predict(problem, table, kind, options)
    effects = problem.design @ np.random.default_rng(1).normal(0, 3, (problem.design.shape[1], 12))
    predictions = predict(problem, replace(table, values=table.values + effects), kind, options)
    tolerance = TOLERANCE.get(case, 1e-6)
    np.testing.assert_allclose(predictions.values, expected.values, atol=tolerance)


@pytest.mark.parametrize("case", LINEAR)
def test_the_unit_of_the_target_is_that_of_its_predictions(case):
    problem, table, kind, options = draw(case)
    expected = predict(problem, table, kind, options)
    predictions = predict(with_values(problem, 1e3 * problem.target.values), table, kind, options)
    np.testing.assert_allclose(predictions.values, 1e3 * expected.values, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", ["table", "components", "ComBat", "logistic table"])
def test_units_of_columns_of_tables_have_no_effect(case):
    problem, table, kind, options = draw(case)
    expected = predict(problem, table, kind, options)
    units = 10.0 ** np.arange(-6, 6)
    predictions = predict(problem, replace(table, values=table.values * units), kind, options)
    np.testing.assert_allclose(predictions.values, expected.values, atol=1e-5)


@pytest.mark.parametrize("case", ["kernel", "table", "logistic kernel"])
def test_the_order_of_participants_has_no_effect(case):
    problem, table, kind, options = draw(case)
    expected = predict(problem, table, kind, options)
    order = np.random.default_rng(0).permutation(problem.n_participants)
    folds = replace(
        problem.folds, numbers=problem.folds.numbers[:, order], families=problem.folds.families[order]
    )
    shuffled = replace(
        with_values(problem, problem.target.values[order]),
        families=problem.families[order],
        design=problem.design[order],
        folds=folds,
    )
    predictions = predict(shuffled, replace(table, values=table.values[order]), kind, options)
    tolerance = TOLERANCE.get(case, 1e-7)
    np.testing.assert_allclose(predictions.values, expected.values[:, order], atol=tolerance)


@pytest.mark.parametrize("case", CASES)
def test_smaller_training_samples_leave_no_test_participant_out(case):
    problem, table, kind, options = draw(case, n_repeats=2, n=90)
    smaller = replace(problem, folds=problem.folds.reduce(45, np.random.default_rng(0)))
    predictions = predict(smaller, table, kind, options)
    assert predictions.values.shape[:2] == (1, 90)
    assert np.isfinite(predictions.values).all()
