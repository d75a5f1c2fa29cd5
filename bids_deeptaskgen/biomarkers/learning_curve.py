"""Scores of smaller training samples."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from bids_deeptaskgen.biomarkers.problem import MIN_PARTICIPANTS, Predictions, Problem
from bids_deeptaskgen.biomarkers.results import Row
from bids_deeptaskgen.biomarkers.scores import count_folds, score_folds
from bids_deeptaskgen.stats.resampled_t import corrected_resampled_t

MAX_SIZES = 5


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
        Numbers of training participants, by default from `choose_sizes`.

    Returns
    -------
    list of dict
        Rows of ``learning_curve.tsv``, of all scores. ``n_train`` is the mean number of training
        participants of the folds: whole families may not add up to the size.
    """
    whole_problem = first_repeat(problem)
    n_train = _mean_size(whole_problem)
    rows: list[Row] = []
    for size in choose_sizes(n_train) if sizes is None else sizes:
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


def _mean_size(problem: Problem) -> int:
    """Return the mean number of training participants of the folds."""
    n_train = count_folds(problem).n_train
    return round(float(n_train[n_train > 0].mean()))
