"""Rows of the tables of scores, tests, penalties and predictions."""

from collections.abc import Sequence

import numpy as np

from bids_deeptaskgen.biomarkers.problem import Floats, Predictions, Problem
from bids_deeptaskgen.biomarkers.results.scores import BASELINES, FoldSizes, count_folds, score_folds
from bids_deeptaskgen.biomarkers.results.target_result import Row, TargetResult
from bids_deeptaskgen.stats.paired_tests import fdr
from bids_deeptaskgen.stats.resampled_t import corrected_resampled_t

# Scores of each fold, by score and features.
FoldScores = dict[str, dict[str, Floats]]


def score_setup(result: TargetResult, setup: str) -> FoldScores:
    """Compute the scores of all folds for the baselines and feature sets of a set-up.

    Parameters
    ----------
    result : TargetResult
    setup : str

    Returns
    -------
    dict of str to dict of str to array of shape (n_repeats, n_folds)
        By features, baselines first, then by score.
    """
    problem = result.problem_of(setup)
    return {
        name: score_folds(problem, predictions, is_baseline=name in BASELINES)
        for name, predictions in result.predictions_of(setup).items()
    }


def score_rows(result: TargetResult, setup: str, fold_scores: FoldScores) -> list[Row]:
    """Average the scores over folds, with their intervals and the gains over the baseline.

    Parameters
    ----------
    result : TargetResult
    setup : str
    fold_scores : dict
        From `score_setup`.

    Returns
    -------
    list of dict
        Rows of ``scores.tsv``. The gain is the score minus that of the reference (the confounds, or the
        mean without confounds) on the same folds: below 0 is better for MAE. A partial r has none, since it
        is already that beyond the confounds.
    """
    problem = result.problem_of(setup)
    sizes = count_folds(problem)
    reference = fold_scores.get(result.reference_of(setup), {})
    n_features = {item.name: item.n_features for item in result.features}
    rows = []
    for name, scores in fold_scores.items():
        for score, values in scores.items():
            estimate = corrected_resampled_t(values, sizes.n_test, sizes.n_train)
            row: Row = {"target": problem.target.name, "kind": problem.target.kind, "setup": setup}
            row |= {"features": name, "score": score, "value": estimate.mean}
            row |= {"ci_low": estimate.ci_low, "ci_high": estimate.ci_high}
            row |= _gain(values, reference.get(score) if name not in BASELINES else None, sizes)
            row |= {"n_participants": problem.n_participants, "n_features": n_features.get(name)}
            rows.append(row)
    return rows


def _gain(values: Floats, reference: Floats | None, sizes: FoldSizes) -> Row:
    if reference is None:
        return dict.fromkeys(("gain", "gain_low", "gain_high"), float("nan"))
    gain = corrected_resampled_t(values - reference, sizes.n_test, sizes.n_train)
    return {"gain": gain.mean, "gain_low": gain.ci_low, "gain_high": gain.ci_high}


def fold_score_rows(result: TargetResult, setup: str, fold_scores: FoldScores) -> list[Row]:
    """List the scores of all folds.

    Parameters
    ----------
    result : TargetResult
    setup : str
    fold_scores : dict
        From `score_setup`.

    Returns
    -------
    list of dict
        Rows of ``fold_scores.tsv``; repeats and folds are numbered from 1.
    """
    problem = result.problem_of(setup)
    sizes = count_folds(problem)
    return [
        {
            "target": problem.target.name,
            "setup": setup,
            "features": name,
            "repeat": repeat + 1,
            "fold": fold + 1,
            "n_train": int(sizes.n_train[repeat, fold]),
            "n_test": int(sizes.n_test[repeat, fold]),
            "score": score,
            "value": float(values[repeat, fold]),
        }
        for name, scores in fold_scores.items()
        for score, values in scores.items()
        for repeat, fold in np.argwhere(sizes.n_test > 0).tolist()
    ]


def permutation_rows(results: Sequence[TargetResult]) -> list[Row]:
    """List the permutation tests of all targets.

    Parameters
    ----------
    results : sequence of TargetResult

    Returns
    -------
    list of dict
        Rows of ``tests.tsv``. The false discovery rate is controlled over the targets and feature sets of
        a set-up.
    """
    rows = [
        {
            "target": result.problem.target.name,
            "setup": setup,
            "features": name,
            "statistic": test.statistic,
            "p": test.p,
            "p_fdr": float("nan"),
            "n_permutations": len(test.permuted),
        }
        for result in results
        for (setup, name), test in result.tests.items()
    ]
    return add_fdr(rows)


def add_fdr(rows: list[Row]) -> list[Row]:
    """Fill the column ``p_fdr``, for the rows of each set-up separately.

    Parameters
    ----------
    rows : list of dict
        With ``setup`` and ``p``.

    Returns
    -------
    list of dict
        The same rows in the same order.
    """
    adjusted_rows = [dict(row) for row in rows]
    for setup in dict.fromkeys(row["setup"] for row in rows):
        setup_rows = [row for row in adjusted_rows if row["setup"] == setup]
        for row, p in zip(setup_rows, fdr([row["p"] for row in setup_rows]), strict=True):
            row["p_fdr"] = float(p)
    return adjusted_rows


def penalty_rows(result: TargetResult) -> list[Row]:
    """List the penalties of all folds.

    Parameters
    ----------
    result : TargetResult

    Returns
    -------
    list of dict
        Rows of ``penalties.tsv``; repeats and folds are numbered from 1.
    """
    rows: list[Row] = []
    for (setup, name), predictions in result.predictions.items():
        if predictions.penalties is None:
            continue
        for repeat, fold in np.argwhere(np.isfinite(predictions.penalties)).tolist():
            penalty = predictions.penalties[repeat, fold]
            row: Row = {"target": result.problem.target.name, "setup": setup, "features": name}
            rows.append(row | {"repeat": repeat + 1, "fold": fold + 1, "penalty": float(penalty)})
    return rows


def prediction_rows(result: TargetResult) -> list[Row]:
    """List measured and predicted target of each participant, as means over repeats.

    Parameters
    ----------
    result : TargetResult

    Returns
    -------
    list of dict
        Rows of ``target-*_predictions.tsv``. Of categories, the one with the largest mean score is the
        prediction; with two, ``score`` is the mean score of the last minus that of the first one.
    """
    return [
        {"participant_id": f"sub-{participant}", "setup": setup, "features": name} | cells
        for setup in result.setups
        for name, predictions in result.predictions_of(setup).items()
        for participant, cells in zip(
            result.problem.participants,
            _measured_and_predicted(result.problem_of(setup), predictions),
            strict=True,
        )
    ]


def _measured_and_predicted(problem: Problem, predictions: Predictions) -> list[Row]:
    target, values = problem.target, predictions.values.mean(axis=0)
    if target.kind == "continuous":
        pairs = zip(target.values.tolist(), values[:, 0].tolist(), strict=True)
        return [{"measured": measured, "predicted": predicted} for measured, predicted in pairs]
    levels = zip(target.values.astype(int), values.argmax(axis=1), strict=True)
    rows: list[Row] = [
        {"measured": target.levels[measured], "predicted": target.levels[predicted]}
        for measured, predicted in levels
    ]
    if len(target.levels) == 2:
        for row, score in zip(rows, (values[:, 1] - values[:, 0]).tolist(), strict=True):
            row["score"] = score
    return rows
