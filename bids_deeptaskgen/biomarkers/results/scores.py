"""Scores of out-of-fold predictions, fold by fold."""

from typing import NamedTuple

import numpy as np

from bids_deeptaskgen.biomarkers.problem import Floats, Fold, Integers, Predictions, Problem
from bids_deeptaskgen.biomarkers.results.metrics import SCORES, FoldValues, Score, is_constant

# Names of the baselines among the feature sets.
MEAN, CONFOUNDS = "mean", "confounds"
BASELINES = (MEAN, CONFOUNDS)
# Set-ups: nested cross-validation, and the published one.
NESTED, PUBLISHED = "nested", "deeptaskgen-2025"


def main_score(problem: Problem, setup: str) -> str:
    """Return the name of the score that is compared.

    Parameters
    ----------
    problem : Problem
    setup : str
        ``nested`` or the name of a published set-up, which removes no confounds.

    Returns
    -------
    str
        A key of ``SCORES[kind]``: the partial r or AUC. Without confounds, the partial r is r, and goes by
        that name.
    """
    scores = SCORES[problem.target.kind]
    if setup != NESTED:
        return next(name for name, score in scores.items() if score.is_published)
    name = next(name for name, score in scores.items() if score.is_main)
    return name if problem.confounds else scores[name].substitute or name


def fold_values(problem: Problem, predictions: Predictions, fold: Fold) -> FoldValues:
    """Select the test participants of a fold.

    Parameters
    ----------
    problem : Problem
    predictions : Predictions
    fold : Fold

    Returns
    -------
    FoldValues
    """
    values = problem.target.values
    residuals: dict[str, Floats] = {}
    if (
        problem.target.kind == "continuous"
        and predictions.residuals is not None
        and predictions.targets is not None
    ):
        residuals["residual_target"] = predictions.targets[fold.repeat, fold.test, 0]
        residuals["residual_prediction"] = predictions.residuals[fold.repeat, fold.test, 0]
    return FoldValues(
        measured=values[fold.test],
        predicted=predictions.values[fold.repeat, fold.test],
        training_mean=float(values[fold.train].mean()),
        **residuals,
    )


class FoldSizes(NamedTuple):
    """Numbers of participants of each fold.

    Attributes
    ----------
    n_train, n_test : integer array of shape (n_repeats, n_folds)
        0 for a fold that a repeat does not have.
    """

    n_train: Integers
    n_test: Integers


def count_folds(problem: Problem) -> FoldSizes:
    """Count the training and test participants of each fold.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    FoldSizes
    """
    sizes = FoldSizes(*np.zeros((2, problem.folds.n_repeats, problem.folds.n_folds), np.intp))
    for fold in problem.folds:
        sizes.n_train[fold.repeat, fold.number] = len(fold.train)
        sizes.n_test[fold.repeat, fold.number] = len(fold.test)
    return sizes


def score_folds(
    problem: Problem, predictions: Predictions, *, is_baseline: bool = False
) -> dict[str, Floats]:
    """Compute all scores of all folds.

    Parameters
    ----------
    problem : Problem
    predictions : Predictions
    is_baseline : bool
        Whether the predictions are those of a baseline, whose correlations are NaN where they are constant;
        those of a feature set are 0, if the measured values vary.

    Returns
    -------
    dict of str to array of shape (n_repeats, n_folds)
        By the names in ``SCORES``; NaN where a score is undefined. Without any defined value, a score is
        omitted, e.g. ``partial_r`` of a model that removes no confounds.
    """
    scores = SCORES[problem.target.kind]
    shape = (problem.folds.n_repeats, problem.folds.n_folds)
    results = {name: np.full(shape, np.nan) for name in scores}
    for fold in problem.folds:
        values = fold_values(problem, predictions, fold)
        for name, score in scores.items():
            value = score.compute(values)
            if np.isnan(value) and score.is_correlation and not is_baseline and _has_zero(values, score):
                value = 0.0
            results[name][fold.repeat, fold.number] = value
    return {name: array for name, array in results.items() if np.isfinite(array).any()}


def _has_zero(values: FoldValues, score: Score) -> bool:
    """Return whether the prediction is constant while the measured values vary."""
    if score.is_residual:
        return values.residual_target is not None and not is_constant(values.residual_target)
    return not is_constant(values.measured)
