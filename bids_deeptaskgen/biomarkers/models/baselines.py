"""Predictions without features: from the mean, and from confounds alone."""

import numpy as np

from bids_deeptaskgen.biomarkers.models.logistic import predict_categories_from_confounds
from bids_deeptaskgen.biomarkers.models.penalty_selection import to_scores
from bids_deeptaskgen.biomarkers.problem import Floats, Predictions, Problem
from bids_deeptaskgen.stats.confound_regression import regress


def predict_mean(problem: Problem) -> Predictions:
    """Predict the mean of the training participants in each fold.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    Predictions
        For a categorical target, the scores are constant over the test participants of a fold: the portion of
        each category minus that of equal portions, so that the largest category is predicted.
    """
    columns = problem.target.columns
    means, targets = _predict(problem, columns), _predict_linearly(problem)
    values = means
    if problem.target.kind == "categorical":
        values = to_scores(means - 1 / len(problem.target.levels))
    return Predictions(values, np.zeros_like(targets), columns - targets)


def predict_from_confounds(problem: Problem, classifier: str = "ridge") -> Predictions:
    """Predict the target from confounds alone in each fold.

    Parameters
    ----------
    problem : Problem
    classifier : {"logistic", "ridge"}
        Model of categorical targets.

    Returns
    -------
    Predictions
        Those of `predict_mean` if the problem has no confounds.
    """
    if problem.design.shape[1] == 1:
        return predict_mean(problem)
    columns = problem.target.columns
    values = _predict_linearly(problem)
    residuals, targets = np.zeros_like(values), columns - values
    if problem.target.kind == "categorical":
        if classifier == "logistic":
            return predict_categories_from_confounds(problem)
        values = to_scores(values - _predict(problem, columns))
    return Predictions(values, residuals, targets)


def _predict(problem: Problem, columns: Floats) -> Floats:
    """Return the means of the training participants, (n_repeats, n_participants, n_target_columns)."""
    means = np.full((problem.folds.n_repeats, *columns.shape), np.nan)
    for fold in problem.folds:
        means[fold.repeat, fold.test] = columns[fold.train].mean(axis=0)
    return means


def _predict_linearly(problem: Problem) -> Floats:
    """Return predictions by least squares on the design, (n_repeats, n_participants, n_target_columns)."""
    columns = problem.target.columns
    values = np.full((problem.folds.n_repeats, *columns.shape), np.nan)
    for fold in problem.folds:
        effects = regress(problem.design[fold.train], columns[fold.train])
        values[fold.repeat, fold.test] = problem.design[fold.test] @ effects
    return values
