from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.problem import Folds, Predictions
from bids_deeptaskgen.biomarkers.results.learning_curve import (
    choose_sizes,
    choose_usable_sizes,
    learning_curve_rows,
)
from tests.biomarkers.made_results import make_predictions, make_problem


def reduce(problem, size):
    """Train with fewer participants."""
    return replace(problem, folds=problem.folds.reduce(size, np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("n_train", "expected"),
    [(80, [20, 40, 80]), (79, [39, 79]), (25, [25]), (10, [10]), (400, [25, 50, 100, 200, 400])],
)
def test_sizes_are_halves_of_all_training_participants_down_to_20(n_train, expected):
    assert choose_sizes(n_train) == expected


def test_each_size_is_predicted_once_with_the_first_repeat():
    problem, calls = make_problem(n_repeats=3), []

    def predict(size_problem):
        calls.append(size_problem)
        return make_predictions(size_problem, 0.5)

    rows = learning_curve_rows(problem, "wm", predict, reduce)
    sizes = [20, 40, 80]
    assert [item.folds.n_train for item in calls] == [20, 40, None]
    assert all(np.array_equal(item.folds.numbers, problem.folds.numbers[:1]) for item in calls)
    assert list(dict.fromkeys(row["n_train"] for row in rows)) == sizes
    assert {row["score"] for row in rows} == {"partial_r", "r", "R2", "MAE"}
    assert {(row["target"], row["features"]) for row in rows} == {(problem.target.name, "wm")}


def test_a_model_that_learns_has_a_rising_curve_with_intervals():
    problem = make_problem(confounds=("age",), n=200)

    def predict(size_problem):
        rng = np.random.default_rng(0)
        x = np.column_stack([problem.design[:, 1], rng.normal(size=(200, 14))])
        values = np.zeros((1, 200, 1))
        for fold in size_problem.folds:
            weights = np.linalg.lstsq(x[fold.train], problem.target.values[fold.train], rcond=None)[0]
            values[0, fold.test, 0] = x[fold.test] @ weights
        return Predictions(values)

    rows = [row for row in learning_curve_rows(problem, "wm", predict, reduce) if row["score"] == "R2"]
    values = [row["value"] for row in rows]
    assert values == sorted(values)
    assert all(row["ci_low"] < row["value"] < row["ci_high"] for row in rows)


def test_sizes_can_be_given():
    problem = make_problem()
    predict = lambda size_problem: make_predictions(size_problem, 0.5)  # noqa: E731
    rows = learning_curve_rows(problem, "wm", predict, reduce, sizes=[30, 80])
    assert sorted({row["n_train"] for row in rows}) == [30, 80]


def with_families(problem, families, n_folds=4):
    """Divide families into folds in order."""
    families = np.asarray(families)
    folds = Folds((np.unique(families, return_inverse=True)[1] % n_folds)[None], families)
    return replace(problem, families=families, folds=folds)


@pytest.mark.parametrize("n_families", [4, 5])
def test_sizes_of_which_a_fold_has_one_family_are_omitted(n_families, caplog):
    problem = with_families(make_problem(n=200), np.arange(200) % n_families)
    predict = lambda size_problem: make_predictions(size_problem, 0.5)  # noqa: E731
    rows = learning_curve_rows(problem, "wm", predict, reduce)
    assert {row["n_train"] for row in rows} == {200 - 200 // 4}
    assert "no sample of 75 participants, since a fold would have" in caplog.text


def test_a_family_that_does_not_fit_is_skipped():
    families = np.r_[np.zeros(30, int), np.arange(1, 71)]
    problem = with_families(make_problem(n=100), families)
    assert choose_usable_sizes(problem, reduce) == [37, 75]
    for size in (20, 25, 37):
        for fold in reduce(problem, size).folds:
            assert len(fold.train) == size


def test_sizes_of_which_a_fold_lacks_a_category_are_omitted(caplog):
    problem = make_problem(kind="categorical", n=200, n_levels=2)
    values = np.zeros(200)
    values[:8] = 1
    problem = replace(problem, target=replace(problem.target, values=values))
    assert choose_usable_sizes(problem, reduce)[-1] == 160
    assert "since a fold would have no training participant of a category" in caplog.text
