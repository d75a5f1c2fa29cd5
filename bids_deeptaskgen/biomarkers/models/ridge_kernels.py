"""Nested cross-validation of kernel ridge regression."""

import numpy as np

from bids_deeptaskgen.biomarkers.models.penalty_selection import PENALTIES, PenaltySelection
from bids_deeptaskgen.biomarkers.models.training_sets import check_participants, collect_training_sets
from bids_deeptaskgen.biomarkers.problem import Floats, KernelFeatures, PermutationTest, Predictions, Problem
from bids_deeptaskgen.stats.confound_regression import regress
from bids_deeptaskgen.stats.kernel_ridge import KernelRidge, is_inverse_faster


def cross_validate_kernel(
    problem: Problem, features: KernelFeatures, permuted: Floats | None
) -> tuple[Predictions, PermutationTest | None]:
    """Predict a target from a kernel in each fold, with the penalty chosen in the inner folds.

    Effects of the confounds on features and target are removed within the training participants.

    Parameters
    ----------
    problem : Problem
    features : KernelFeatures
        With the participants of the problem.
    permuted : float64 array of shape (n_permutations, n_participants, n_target_columns) or None
        Permuted residual targets, each of which is analysed like the target.

    Returns
    -------
    Predictions
    PermutationTest or None
        None without permutations.

    Raises
    ------
    ValueError
        If participants or shapes differ.
    """
    check_participants(problem, features)
    folds = list(problem.folds)
    selection = PenaltySelection(problem, folds, permuted)
    sets = collect_training_sets(folds)
    use_inverse = is_inverse_faster(problem.n_participants, [len(group.train) for group in sets])
    for number, penalty in enumerate(PENALTIES):
        # One inverse at a time: that of 20,000 participants has 3.2 GB.
        ridge = KernelRidge(
            features.kernel, problem.design, selection.targets, penalty, use_inverse=use_inverse
        )
        for training_set in sets:
            train, rows = training_set.train, training_set.rows
            residuals = ridge.compute_residuals(train, rows)
            for held_out in training_set.held_out:
                errors = residuals[np.searchsorted(rows, held_out.rows)]
                targets = np.zeros_like(errors)
                if held_out.is_test:
                    effects = regress(problem.design[train], selection.targets[train])
                    targets = selection.targets[held_out.rows] - problem.design[held_out.rows] @ effects
                selection.add(held_out, number, targets, targets - errors)
        del ridge
    return selection.predict(), selection.test()
