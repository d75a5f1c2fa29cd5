"""Nested cross-validation of any features."""

from bids_deeptaskgen.biomarkers.models.logistic import cross_validate_logistic
from bids_deeptaskgen.biomarkers.models.pipelines import ModelOptions
from bids_deeptaskgen.biomarkers.models.ridge_kernels import cross_validate_kernel
from bids_deeptaskgen.biomarkers.models.ridge_tables import cross_validate_table
from bids_deeptaskgen.biomarkers.problem import (
    Features,
    Floats,
    PermutationTest,
    Predictions,
    Problem,
    TableFeatures,
)

__all__ = ["ModelOptions", "cross_validate"]


def cross_validate(
    problem: Problem,
    features: Features,
    options: ModelOptions | None = None,
    permuted: Floats | None = None,
) -> tuple[Predictions, PermutationTest | None]:
    """Predict a target from features in each fold, with the penalty chosen in the inner folds.

    Parameters
    ----------
    problem : Problem
    features : TableFeatures or KernelFeatures
        With the participants of the problem.
    options : ModelOptions, optional
        By default, linear models of all columns.
    permuted : float64 array of shape (n_permutations, n_participants, n_target_columns), optional
        Permuted residual targets. The test is that of ridge regression of the target's columns, also if the
        predictions are those of logistic regression.

    Returns
    -------
    Predictions
    PermutationTest or None
        None without permutations.
    """
    options = options or ModelOptions()
    if problem.target.kind == "categorical" and options.classifier == "logistic":
        predictions = cross_validate_logistic(problem, features, options)
        test = None if permuted is None else _cross_validate_ridge(problem, features, options, permuted)[1]
        return predictions, test
    return _cross_validate_ridge(problem, features, options, permuted)


def _cross_validate_ridge(
    problem: Problem, features: Features, options: ModelOptions, permuted: Floats | None
) -> tuple[Predictions, PermutationTest | None]:
    if isinstance(features, TableFeatures):
        return cross_validate_table(problem, features, permuted, options)
    return cross_validate_kernel(problem, features, permuted)
