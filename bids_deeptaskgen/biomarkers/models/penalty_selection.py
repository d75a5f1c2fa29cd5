"""Choice of the penalty of ridge regression in inner folds, for a target and its permutations."""

from collections.abc import Sequence

import numpy as np

from bids_deeptaskgen.biomarkers.models.training_sets import HeldOut
from bids_deeptaskgen.biomarkers.problem import Floats, Fold, PermutationTest, Predictions, Problem

# Penalties relative to the mean diagonal of the kernel.
PENALTIES = 10.0 ** np.arange(-3, 5)
# Predictions count as constant if their SD is less than this part of that of the target.
_CONSTANT = 1e-9


class PenaltySelection:
    """Errors in inner folds and results in outer folds of all penalties.

    Parameters
    ----------
    problem : Problem
    folds : sequence of Fold
        All folds of the problem.
    permuted : float64 array of shape (n_permutations, n_participants, n_target_columns) or None
        Permuted residual targets.

    Attributes
    ----------
    targets : float64 array of shape (n_participants, n_sets * n_target_columns)
        The target, then its permutations: a set of columns each.
    """

    def __init__(self, problem: Problem, folds: Sequence[Fold], permuted: Floats | None) -> None:
        self._problem = problem
        self._folds = folds
        columns = problem.target.columns
        n_participants, self._n_columns = columns.shape
        if permuted is None:
            permuted = np.empty((0, n_participants, self._n_columns))
        if permuted.shape[1:] != columns.shape:
            message = f"`permuted` has shape {permuted.shape}; expected (n_permutations, *{columns.shape})."
            raise ValueError(message)
        n_sets = 1 + len(permuted)
        self.targets = np.empty((n_participants, n_sets * self._n_columns))
        self.targets[:, : self._n_columns] = columns
        self.targets[:, self._n_columns :] = permuted.transpose(1, 0, 2).reshape(n_participants, -1)
        shape = (len(PENALTIES), len(folds), n_sets)
        self._errors = np.zeros(shape)
        self._statistics = np.zeros(shape)
        self._scale = np.ones(len(folds))
        self._residuals = np.full((len(PENALTIES), folds[-1].repeat + 1, *columns.shape), np.nan)
        self._residual_targets = np.full((folds[-1].repeat + 1, *columns.shape), np.nan)

    def add(self, held_out: HeldOut, penalty: int, targets: Floats, predictions: Floats) -> None:
        """Add the predictions of one fit.

        Parameters
        ----------
        held_out : HeldOut
            Participants that are predicted.
        penalty : int
            Number of the penalty in `PENALTIES`.
        targets, predictions : float64 array of shape (n_held_out, n_sets * n_target_columns)
            Residual targets, and their predictions from residual features.
        """
        if not held_out.is_test:
            squares = (targets - predictions) ** 2
            self._errors[penalty, held_out.fold] += squares.reshape(len(targets), -1, self._n_columns).sum(
                (0, 2)
            )
            return
        r = correlate_columns(targets, predictions)
        self._statistics[penalty, held_out.fold] = r.reshape(-1, self._n_columns).mean(axis=1)
        repeat = self._folds[held_out.fold].repeat
        self._residuals[penalty, repeat, held_out.rows] = predictions[:, : self._n_columns]
        self._residual_targets[repeat, held_out.rows] = targets[:, : self._n_columns]

    def set_unit(self, fold: int, unit: float) -> None:
        """Set the unit of the penalties of a fold.

        Parameters
        ----------
        fold : int
            Position of the fold.
        unit : float
            Mean diagonal of the kernel of its training participants; 1 otherwise.
        """
        self._scale[fold] = unit

    def predict(self) -> Predictions:
        """Return predictions with the penalties that have the smallest squared error in the inner folds.

        Returns
        -------
        Predictions
            `residuals` and `targets` have the target columns of linear models; `values` have two columns for
            two categories.
        """
        selected = self._errors[:, :, 0].argmin(axis=0)
        residuals = np.full_like(self._residual_targets, np.nan)
        means = np.zeros_like(residuals)
        penalties = np.full((len(residuals), max(fold.number for fold in self._folds) + 1), np.nan)
        columns = self._problem.target.columns
        for fold, number, unit in zip(self._folds, selected, self._scale, strict=True):
            residuals[fold.repeat, fold.test] = self._residuals[number, fold.repeat, fold.test]
            means[fold.repeat, fold.test] = columns[fold.train].mean(axis=0)
            penalties[fold.repeat, fold.number] = PENALTIES[number] * unit
        values = columns - self._residual_targets + residuals
        if self._problem.target.kind == "categorical":
            values = to_scores(values - means)
        return Predictions(values, residuals, self._residual_targets, penalties)

    def test(self) -> PermutationTest | None:
        """Return the permutation test; None without permutations."""
        if self._errors.shape[2] == 1:
            return None
        selected = self._errors.argmin(axis=0, keepdims=True)
        statistics = np.take_along_axis(self._statistics, selected, axis=0)[0].mean(axis=0)
        return PermutationTest(float(statistics[0]), statistics[1:])


def to_scores(deviations: Floats) -> Floats:
    """Convert predictions of a categorical target's columns to scores of its categories.

    Parameters
    ----------
    deviations : float64 array of shape (..., n_target_columns)
        Predictions minus the means of the training participants.

    Returns
    -------
    float64 array of shape (..., n_categories)
        The same for more than two categories; for two, minus and plus the column.

    Examples
    --------
    >>> to_scores(np.array([[0.25], [-0.5]]))
    array([[-0.25,  0.25],
           [ 0.5 , -0.5 ]])
    """
    return np.concatenate([-deviations, deviations], axis=-1) if deviations.shape[-1] == 1 else deviations


def correlate_columns(targets: Floats, predictions: Floats) -> Floats:
    """Compute Pearson correlations of columns.

    Parameters
    ----------
    targets, predictions : float64 array of shape (n_participants, n_columns)

    Returns
    -------
    float64 array of shape (n_columns,)
        0 where targets or predictions are constant.

    Examples
    --------
    >>> correlate_columns(np.array([[1.0, 1], [2, 2]]), np.array([[1.0, 5], [3, 5]])).round(9)
    array([1., 0.])
    """
    x = targets - targets.mean(axis=0)
    y = predictions - predictions.mean(axis=0)
    products = np.einsum("ij,ij->j", x, y)
    x_length = np.sqrt(np.einsum("ij,ij->j", x, x))
    y_length = np.sqrt(np.einsum("ij,ij->j", y, y))
    varies = (x_length > _CONSTANT * np.abs(targets).max(axis=0)) & (y_length > _CONSTANT * x_length)
    r: Floats = np.divide(products, x_length * y_length, out=np.zeros_like(products), where=varies)
    return r
