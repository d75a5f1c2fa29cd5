"""Nested cross-validation of ridge regression on the columns of a table."""

from bids_deeptaskgen.biomarkers.models.penalty_selection import PENALTIES, PenaltySelection
from bids_deeptaskgen.biomarkers.models.pipelines import ModelOptions, build_pipeline, stack_columns
from bids_deeptaskgen.biomarkers.models.training_sets import check_participants, collect_training_sets
from bids_deeptaskgen.biomarkers.problem import Floats, PermutationTest, Predictions, Problem, TableFeatures
from bids_deeptaskgen.stats.confound_regression import regress
from bids_deeptaskgen.stats.ridge_path import RidgePath


def cross_validate_table(
    problem: Problem, features: TableFeatures, permuted: Floats | None, options: ModelOptions
) -> tuple[Predictions, PermutationTest | None]:
    """Predict a target from a table in each fold, with the penalty chosen in the inner folds.

    ComBat, removal of confounds, scaling and reduction are fitted to the training participants.

    Parameters
    ----------
    problem : Problem
    features : TableFeatures
        With the participants of the problem.
    permuted : float64 array of shape (n_permutations, n_participants, n_target_columns) or None
        Permuted residual targets, each of which is analysed like the target.
    options : ModelOptions

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
    for train, all_held_out in collect_training_sets(folds):
        pipeline = build_pipeline(problem, features, len(train), options)
        prepared = pipeline.fit_transform(stack_columns(problem, features, train, options))
        effects = regress(problem.design[train], selection.targets[train])
        residuals = selection.targets[train] - problem.design[train] @ effects
        path = RidgePath(prepared, residuals)
        for held_out in all_held_out:
            table = pipeline.transform(stack_columns(problem, features, held_out.rows, options))
            projections = path.project(table)
            targets = selection.targets[held_out.rows] - problem.design[held_out.rows] @ effects
            for number, penalty in enumerate(PENALTIES):
                predictions = path.predict_projected(projections, penalty * path.mean_diagonal)
                selection.add(held_out, number, targets, predictions)
            if held_out.is_test:
                selection.set_unit(held_out.fold, path.mean_diagonal)
    return selection.predict(), selection.test()
