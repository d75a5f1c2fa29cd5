"""Nested cross-validation of logistic regression, with confounds as unpenalised predictors."""

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from bids_deeptaskgen.biomarkers.models.feature_coordinates import compute_coordinates
from bids_deeptaskgen.biomarkers.models.penalty_selection import PENALTIES
from bids_deeptaskgen.biomarkers.models.pipelines import ModelOptions
from bids_deeptaskgen.biomarkers.models.training_sets import check_participants, collect_training_sets
from bids_deeptaskgen.biomarkers.problem import Features, Floats, Fold, Integers, Predictions, Problem
from bids_deeptaskgen.stats.confound_regression import compute_basis

# Confounds have at most this part of the penalty of a predictor of variance 1 at the penalty 1.
_CONFOUND_SCALE = 10.0
# The gradient method takes many steps below this penalty. Newton's method of scikit-learn 1.4 is for two
# categories only; with more, stopping early is a penalty, too.
_NEWTON_BELOW = 1.0
_MAX_ITERATIONS = {"newton-cholesky": 50, "lbfgs": 500}
# With that of scikit-learn, 1e-4, fits of weak penalties stop so early that another penalty is chosen.
_TOLERANCE = 1e-6


def cross_validate_logistic(problem: Problem, features: Features, options: ModelOptions) -> Predictions:
    """Predict categories in each fold, with the penalty chosen in the inner folds.

    Predictors are the features, after their confounds are removed within the training participants, and the
    confounds, almost unpenalised. Categories have equal weight in the fit and in the choice of the penalty,
    which is that of the smallest log loss.

    Parameters
    ----------
    problem : Problem
        With a categorical target.
    features : TableFeatures or KernelFeatures
        With the participants of the problem.
    options : ModelOptions

    Returns
    -------
    Predictions
        Values are scores of the categories: log odds of two categories, log probabilities of several.

    Raises
    ------
    ValueError
        If participants differ.
    """
    check_participants(problem, features)
    folds = list(problem.folds)
    losses = _sum_losses(problem, features, options, folds)
    n_levels = len(problem.target.levels)
    n_repeats = folds[-1].repeat + 1
    values = np.full((n_repeats, problem.n_participants, n_levels), np.nan)
    penalties = np.full((n_repeats, max(fold.number for fold in folds) + 1), np.nan)
    for fold, fold_losses in zip(folds, losses, strict=True):
        coordinates = compute_coordinates(problem, features, fold.train, options)
        penalty = PENALTIES[fold_losses.argmin()]
        model = CategoryModel(problem, fold.train, penalty, coordinates.compute(fold.train))
        values[fold.repeat, fold.test] = model.score(fold.test, coordinates.compute(fold.test))
        penalties[fold.repeat, fold.number] = penalty * coordinates.unit
    return Predictions(values, penalties=penalties)


def predict_categories_from_confounds(problem: Problem) -> Predictions:
    """Predict categories in each fold from confounds alone, by logistic regression.

    Parameters
    ----------
    problem : Problem
        With a categorical target.

    Returns
    -------
    Predictions
    """
    folds = list(problem.folds)
    shape = folds[-1].repeat + 1, problem.n_participants, len(problem.target.levels)
    values = np.full(shape, np.nan)
    for fold in folds:
        values[fold.repeat, fold.test] = CategoryModel(problem, fold.train, penalty=1.0).score(fold.test)
    return Predictions(values)


def _sum_losses(problem: Problem, features: Features, options: ModelOptions, folds: Sequence[Fold]) -> Floats:
    """Return the log loss in the inner folds of each fold, (n_folds, n_penalties)."""
    losses = np.zeros((len(folds), len(PENALTIES)))
    for training_set in collect_training_sets(folds):
        inner = [held_out for held_out in training_set.held_out if not held_out.is_test]
        if not inner:
            continue
        coordinates = compute_coordinates(problem, features, training_set.train, options)
        predictors = coordinates.compute(training_set.train)
        validation = [coordinates.compute(held_out.rows) for held_out in inner]
        for number, penalty in enumerate(PENALTIES):
            model = CategoryModel(problem, training_set.train, penalty, predictors)
            for held_out, block in zip(inner, validation, strict=True):
                losses[held_out.fold, number] += model.sum_losses(held_out.rows, block)
    return losses


class CategoryModel:
    """Logistic regression of a categorical target on confounds and features.

    Parameters
    ----------
    problem : Problem
    train : integer array
        Numbers of the training participants.
    penalty : float
        Half of it times the sum of squared weights is added to the log loss.
    predictors : float64 array of shape (n_train, n_predictors), optional
        Features; without them, confounds alone are predictors.
    """

    def __init__(
        self, problem: Problem, train: Integers, penalty: float, predictors: Floats | None = None
    ) -> None:
        self._problem = problem
        # Combinations of confounds that vary independently, of variance 1.
        self._basis = compute_basis(problem.design[train])[:, 1:] * len(train) ** 0.5
        self._basis *= _CONFOUND_SCALE * max(1.0, penalty) ** 0.5
        labels = problem.target.values[train].astype(np.intp)
        self._levels, sizes = np.unique(labels, return_counts=True)
        self._weights = np.zeros(len(problem.target.levels))
        self._weights[self._levels] = len(train) / (len(sizes) * sizes)
        self._model: LogisticRegression | None = None
        columns = self._stack(train, predictors)
        if len(self._levels) > 1 and columns.shape[1]:
            is_slow = len(self._levels) == 2 and penalty < _NEWTON_BELOW
            solver = "newton-cholesky" if is_slow else "lbfgs"
            self._model = LogisticRegression(
                C=1 / penalty,
                solver=solver,
                class_weight="balanced",
                max_iter=_MAX_ITERATIONS[solver],
                tol=_TOLERANCE,
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                self._model.fit(columns, labels)

    def score(self, rows: Integers, predictors: Floats | None = None) -> Floats:
        """Score the categories of participants.

        Parameters
        ----------
        rows : integer array
            Numbers of the participants.
        predictors : float64 array of shape (n_rows, n_predictors), optional
            As for the training participants.

        Returns
        -------
        float64 array of shape (n_rows, n_categories)
            Categories without training participants have a constant score, which is the smallest.
        """
        scores = np.zeros((len(rows), len(self._levels)))
        if self._model is not None:
            decision = self._model.decision_function(self._stack(rows, predictors))
            # Of several categories, only differences are estimated: without the same constant for all
            # categories of a participant, participants could not be ranked.
            is_binary = decision.ndim == 1
            scores = np.column_stack([-decision, decision]) if is_binary else log_softmax(decision, axis=1)
        result = np.full((len(rows), len(self._weights)), scores.min(initial=0) - 1)
        result[:, self._levels] = scores
        return result

    def sum_losses(self, rows: Integers, predictors: Floats | None = None) -> float:
        """Sum the log loss over participants, weighted such that categories count equally.

        Parameters
        ----------
        rows : integer array
            Numbers of the participants.
        predictors : float64 array of shape (n_rows, n_predictors), optional
            As for the training participants.

        Returns
        -------
        float
            Categories without training participants are ignored, since no penalty is better for them.
        """
        if self._model is None:
            return 0.0
        labels = self._problem.target.values[rows].astype(np.intp)
        position = np.searchsorted(self._levels, labels).clip(max=len(self._levels) - 1)
        decision = self._model.decision_function(self._stack(rows, predictors))
        logits = np.column_stack([-decision, decision]) / 2 if decision.ndim == 1 else decision
        log_likelihood = log_softmax(logits, axis=1)[np.arange(len(rows)), position]
        return float(-(self._weights[labels] * log_likelihood).sum())

    def _stack(self, rows: Integers, predictors: Floats | None) -> Floats:
        """Stack scaled confounds and predictors."""
        confounds: Floats = self._problem.design[rows] @ self._basis
        return confounds if predictors is None else np.hstack([confounds, predictors])
