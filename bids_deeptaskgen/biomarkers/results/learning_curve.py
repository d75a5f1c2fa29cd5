"""Scores of smaller training samples."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bids_deeptaskgen.biomarkers.problem import MIN_PARTICIPANTS, Predictions, Problem
from bids_deeptaskgen.biomarkers.results.scores import count_folds, score_folds
from bids_deeptaskgen.biomarkers.results.target_result import Row
from bids_deeptaskgen.stats.resampled_t import corrected_resampled_t

logger = logging.getLogger("bids_deeptaskgen")

MAX_SIZES = 5
# A sample with fewer participants than this share of its size says nothing about the size.
MIN_SHARE = 0.5
# One family cannot be divided into inner folds.
MIN_FAMILIES = 2


def choose_sizes(n_train: int, *, n_sizes: int = MAX_SIZES, n_min: int = MIN_PARTICIPANTS) -> list[int]:
    """Choose numbers of training participants: all, a half, a quarter and so on.

    Parameters
    ----------
    n_train : int
        Number of all training participants of a fold.
    n_sizes : int
        Largest number of sizes.
    n_min : int
        Smallest size, except that of all.

    Returns
    -------
    list of int
        In ascending order.

    Examples
    --------
    >>> choose_sizes(240)
    [30, 60, 120, 240]
    >>> choose_sizes(16_000)
    [1000, 2000, 4000, 8000, 16000]
    """
    sizes = [n_train]
    while len(sizes) < n_sizes and sizes[-1] // 2 >= n_min:
        sizes.append(sizes[-1] // 2)
    return sizes[::-1]


def choose_usable_sizes(problem: Problem, reduce: Callable[[Problem, int], Problem]) -> list[int]:
    """Choose sizes of training samples in which a model can be fitted in all folds.

    Parameters
    ----------
    problem : Problem
        Only its first repeat is used.
    reduce : function
        The problem with at most this number of training participants in each fold.

    Returns
    -------
    list of int
        Those of `choose_sizes` without the sizes for which a fold has fewer than two families, lacks a
        category or has fewer than half of the participants, since families are whole. These are logged.
    """
    whole_problem = first_repeat(problem)
    n_train = _mean_size(whole_problem)
    sizes = [n_train]
    for size in choose_sizes(n_train)[-2::-1]:
        if defect := _find_defect(reduce(whole_problem, size), size):
            logger.warning(
                "Target %s: the learning curve has no sample of %d participants, since a fold would have %s.",
                problem.target.name, size, defect,
            )  # fmt: skip
        else:
            sizes.append(size)
    return sizes[::-1]


def first_repeat(problem: Problem) -> Problem:
    """Return the problem with the folds of its first repeat only.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    Problem
    """
    return replace(problem, folds=replace(problem.folds, numbers=problem.folds.numbers[:1]))


def learning_curve_rows(
    problem: Problem,
    features: str,
    predict: Callable[[Problem], Predictions],
    reduce: Callable[[Problem, int], Problem],
    sizes: Sequence[int] | None = None,
) -> list[Row]:
    """Score predictions from training samples of several sizes, of the same test participants.

    Parameters
    ----------
    problem : Problem
        With any number of repeats; only the first is used.
    features : str
        Name of the feature set.
    predict : function
        Out-of-fold predictions for a problem.
    reduce : function
        The problem with at most this number of training participants in each fold. It must select the same
        participants for each feature set.
    sizes : sequence of int, optional
        Numbers of training participants, by default from `choose_usable_sizes`.

    Returns
    -------
    list of dict
        Rows of ``learning_curve.tsv``, of all scores. ``n_train`` is the mean number of training
        participants of the folds: whole families may not add up to the size.
    """
    whole_problem = first_repeat(problem)
    n_train = _mean_size(whole_problem)
    rows: list[Row] = []
    for size in choose_usable_sizes(problem, reduce) if sizes is None else sizes:
        size_problem = reduce(whole_problem, size) if size < n_train else whole_problem
        fold_sizes = count_folds(size_problem)
        for score, values in score_folds(size_problem, predict(size_problem)).items():
            estimate = corrected_resampled_t(values, fold_sizes.n_test, fold_sizes.n_train)
            row: Row = {
                "target": problem.target.name,
                "features": features,
                "n_train": _mean_size(size_problem),
            }
            row |= {"score": score, "value": estimate.mean}
            rows.append(row | {"ci_low": estimate.ci_low, "ci_high": estimate.ci_high})
    return rows


def _find_defect(problem: Problem, size: int) -> str:
    """Return why a fold cannot be trained with a sample; empty if all can."""
    n_levels = len(problem.target.levels)
    for _, _, train in problem.folds.list_training_sets():
        if len(train) < MIN_SHARE * size:
            return f"only {len(train)} of them, as families are whole"
        if len(np.unique(problem.families[train])) < MIN_FAMILIES:
            return "one family of training participants"
        if n_levels and len(np.unique(problem.target.values[train])) < n_levels:
            return "no training participant of a category"
    return ""


def _mean_size(problem: Problem) -> int:
    """Return the mean number of training participants of the folds."""
    n_train = count_folds(problem).n_train
    return round(float(n_train[n_train > 0].mean()))
