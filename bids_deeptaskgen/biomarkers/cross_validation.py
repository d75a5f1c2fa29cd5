"""Nested cross-validation of any features."""

from bids_deeptaskgen.biomarkers.pipelines import ModelOptions
from bids_deeptaskgen.biomarkers.problem import (
    Features,
    Floats,
    PermutationTest,
    Predictions,
    Problem,
    TableFeatures,
)
from bids_deeptaskgen.biomarkers.ridge_kernels import cross_validate_kernel
from bids_deeptaskgen.biomarkers.ridge_tables import cross_validate_table

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
        Permuted residual targets, for a test of linear models.

    Returns
    -------
    Predictions
    PermutationTest or None
        None without permutations.
    """
    options = options or ModelOptions()
    if isinstance(features, TableFeatures):
        return cross_validate_table(problem, features, permuted, options)
    return cross_validate_kernel(problem, features, permuted)
