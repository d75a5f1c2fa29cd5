"""Cross-validation as in the public code of DeepTaskGen, for comparison.

Features and target are neither scaled nor freed from confounds, the penalty is fixed, folds ignore families,
and labels are permuted among all participants.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.model_selection import KFold

from bids_deeptaskgen.biomarkers.models.penalty_selection import correlate_columns
from bids_deeptaskgen.biomarkers.models.training_sets import check_participants
from bids_deeptaskgen.biomarkers.problem import (
    Features,
    Floats,
    Fold,
    Folds,
    Integers,
    KernelFeatures,
    PermutationTest,
    Predictions,
    Problem,
    TableFeatures,
    Target,
)
from bids_deeptaskgen.stats.kernel_ridge import KernelRidge
from bids_deeptaskgen.stats.ridge_path import RidgePath

PRESET = "deeptaskgen-2025"


def published_folds(n_participants: int) -> Folds:
    """Divide participants into five folds as the public code does.

    Parameters
    ----------
    n_participants : int

    Returns
    -------
    Folds
        A single repeat; each participant is a family.
    """
    numbers = np.zeros((1, n_participants), np.intp)
    splitter = KFold(5, shuffle=True, random_state=42)
    for number, (_, test) in enumerate(splitter.split(np.empty(n_participants))):
        numbers[0, test] = number
    return Folds(numbers, np.arange(n_participants), "five random folds that ignore families")


def published_problem(problem: Problem) -> Problem:
    """Return a problem with the folds of `published_folds`, without families and confounds.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    Problem
        The same target and participants.
    """
    n_participants = problem.n_participants
    folds = published_folds(n_participants)
    design = np.ones((n_participants, 1))
    return replace(problem, folds=folds, families=folds.families, design=design, confounds=())


def cross_validate_published(
    problem: Problem, features: Features, n_permutations: int, rng: np.random.Generator
) -> tuple[Predictions, PermutationTest]:
    """Predict a target with the published set-up, in the folds of `published_folds`.

    Ridge regression has the penalty n_features / n_train and an intercept; categories are coded as -1 and 1.
    Tables are fitted by scikit-learn's solver lsqr; the permutation test, which fits all labels at once, and
    kernels have the exact solution.

    Parameters
    ----------
    problem : Problem
        Its families, confounds and folds are ignored.
    features : TableFeatures or KernelFeatures
        With the participants of the problem.
    n_permutations : int
    rng : numpy.random.Generator

    Returns
    -------
    Predictions
        Without residuals.
    PermutationTest
        The statistic is the mean over folds of the correlation, or of the balanced accuracy of categories.

    Raises
    ------
    ValueError
        If participants differ.
    """
    check_participants(problem, features)
    folds = list(published_folds(problem.n_participants))
    orders = [np.arange(problem.n_participants)]
    orders += [rng.permutation(problem.n_participants) for _ in range(n_permutations)]
    coded = _code(problem.target)
    n_columns = coded.shape[1]
    columns = coded[np.array(orders).T].reshape(problem.n_participants, -1)
    values = np.full((1, *coded.shape), np.nan)
    statistics = np.zeros(len(orders))
    penalties = np.array([[features.n_features / len(fold.train) for fold in folds]])
    models: dict[float, KernelRidge] = {}
    for fold, penalty in zip(folds, penalties[0], strict=True):
        if isinstance(features, TableFeatures):
            predicted = _predict_table(features.values, columns, fold, penalty)
            values[0, fold.test] = _predict_with_lsqr(problem.target, features, fold, penalty)
        else:
            model = models.setdefault(penalty, _build_model(features, columns, penalty))
            predicted = columns[fold.test] - model.compute_residuals(fold.train, fold.test)
            values[0, fold.test] = predicted[:, :n_columns]
        measured = columns[fold.test]
        if problem.target.kind == "continuous":
            statistics += correlate_columns(measured, predicted)
        else:
            shape = len(fold.test), len(orders), n_columns
            statistics += _balanced_accuracy(
                _decode(measured.reshape(shape)), _decode(predicted.reshape(shape)), problem.target.levels
            )
    statistics /= len(folds)
    if problem.target.kind == "categorical" and n_columns == 1:
        values = np.concatenate([-values, values], axis=2)
    test = PermutationTest(float(statistics[0]), statistics[1:])
    return Predictions(values, penalties=penalties), test


def _code(target: Target) -> Floats:
    """Return numbers, or -1 and 1 for categories, (n_participants, n_target_columns)."""
    columns: Floats = target.columns
    return columns if target.kind == "continuous" else 2 * columns - 1


def _decode(columns: Floats) -> Integers:
    """Return the numbers of categories from their columns on the last axis."""
    numbers = columns[..., 0] > 0 if columns.shape[-1] == 1 else columns.argmax(axis=-1)
    return np.asarray(numbers, np.intp)


def _predict_table(table: NDArray[np.float32], columns: Floats, fold: Fold, penalty: float) -> Floats:
    """Predict all columns of the target by the exact solution."""
    train = table[fold.train].astype(np.float64)
    means, average = train.mean(axis=0), columns[fold.train].mean(axis=0)
    path = RidgePath(train - means, columns[fold.train] - average)
    predictions: Floats = path.predict(table[fold.test] - means, penalty) + average
    return predictions


def _predict_with_lsqr(target: Target, features: TableFeatures, fold: Fold, penalty: float) -> Floats:
    """Predict the target with the solver of the public code."""
    table = features.values.astype(np.float64)
    model = Ridge if target.kind == "continuous" else RidgeClassifier
    fit = model(alpha=penalty, solver="lsqr").fit(table[fold.train], target.values[fold.train])
    if target.kind == "continuous":
        return np.asarray(fit.predict(table[fold.test]), np.float64)[:, None]
    decision = np.asarray(fit.decision_function(table[fold.test]), np.float64)
    if len(target.levels) == 2:
        return decision[:, None]
    if decision.ndim == 1:
        decision = np.column_stack([-decision, decision])
    scores = np.full((len(fold.test), len(target.levels)), decision.min() - 1)
    scores[:, fit.classes_.astype(np.intp)] = decision
    return scores


def _build_model(features: KernelFeatures, columns: Floats, penalty: float) -> KernelRidge:
    """Build the model of the products of maps without scales, with an intercept."""
    kernel, factor = features.unscaled
    ones = np.ones((len(columns), 1))
    return KernelRidge(kernel, ones, columns, penalty / factor, use_inverse=False)


def _balanced_accuracy(measured: Integers, predicted: Integers, levels: tuple[str, ...]) -> Floats:
    """Return the mean recall over the categories that occur, for each column of labels."""
    recalls = np.full((len(levels), measured.shape[1]), np.nan)
    for number in range(len(levels)):
        belongs = measured == number
        sizes = belongs.sum(axis=0)
        hits = (belongs & (predicted == number)).sum(axis=0)
        np.divide(hits, sizes, out=recalls[number], where=sizes > 0)
    accuracy: Floats = np.nanmean(recalls, axis=0)
    return accuracy
