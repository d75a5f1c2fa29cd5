"""Figures of the page, with captions and descriptions in words."""

from collections.abc import Sequence

import numpy as np

from bids_deeptaskgen.biomarkers.problem import Floats, Predictions, Problem
from bids_deeptaskgen.biomarkers.results.metrics import SCORES, drawn_scores, level_scores
from bids_deeptaskgen.biomarkers.results.score_tables import FoldScores
from bids_deeptaskgen.biomarkers.results.scores import BASELINES, CONFOUNDS, NESTED, fold_values, main_score
from bids_deeptaskgen.biomarkers.results.target_result import Row, TargetResult
from bids_deeptaskgen.biomarkers.results.verdicts import format_estimate
from bids_deeptaskgen.report.biomarkers_figures import (
    draw_learning_curves,
    draw_permutations,
    draw_predictions,
    draw_roc,
)
from bids_deeptaskgen.report.biomarkers_layout import Styles
from bids_deeptaskgen.report.biomarkers_score_figure import ScoreMarks, ScorePanel, draw_scores
from bids_deeptaskgen.report.html import format_p
from bids_deeptaskgen.report.section import Picture

_ROC_POINTS = 201


def score_picture(
    result: TargetResult, rows: Sequence[Row], fold_scores: FoldScores, styles: Styles
) -> Picture:
    """Draw the scores of a target.

    Parameters
    ----------
    result : TargetResult
    rows : sequence of dict
        Rows of ``scores.tsv`` of the target and the set-up ``nested``.
    fold_scores : dict
        From `score_setup`.
    styles : dict of str to dict
        From `style_features`.

    Returns
    -------
    Picture
    """
    target = result.problem.target
    has_confounds = result.reference_of(NESTED) == CONFOUNDS
    panels, words = [], []
    for score in drawn_scores(target.kind, has_confounds=has_confounds):
        score_rows = {row["features"]: row for row in rows if row["score"] == score}
        label = SCORES[target.kind][score].label
        marks = {
            name: ScoreMarks(row["value"], row["ci_low"], row["ci_high"], fold_scores[name][score].ravel())
            for name, row in score_rows.items()
            if name not in BASELINES
        }
        baselines = {name: row["value"] for name, row in score_rows.items() if name in BASELINES}
        if SCORES[target.kind][score].is_residual:
            # Confounds predict nothing of what they leave over.
            baselines = {CONFOUNDS: 0.0}
        panels.append(ScorePanel(label, marks, baselines))
        texts = [f"{name} {format_estimate(row)}" for name, row in score_rows.items()]
        words.append(f"{label}: {', '.join(texts)}")
    caption = (
        f"{target.name}: mean over folds with 95% interval (marker and line), and the score of each fold of "
        "each repeat (points). Vertical lines are baselines."
    )
    return Picture(
        caption, draw_scores(panels, styles), f"Scores of {target.name}. " + "; ".join(words) + "."
    )


def prediction_picture(result: TargetResult, styles: Styles) -> Picture:
    """Draw predicted against measured values, or ROC curves for categories.

    Parameters
    ----------
    result : TargetResult
    styles : dict of str to dict
        From `style_features`.

    Returns
    -------
    Picture
    """
    problem = result.problem
    target, all_predictions = problem.target, result.predictions_of(NESTED)
    by_name = {name: value for name, value in all_predictions.items() if name not in BASELINES}
    has_confounds = CONFOUNDS in all_predictions
    names = ", ".join(by_name)
    if target.kind == "continuous":
        panels = {
            name: (target.values, predictions.values.mean(axis=0)[:, 0])
            for name, predictions in by_name.items()
        }
        remark = "mean over repeats" + "; confounds and features together" * has_confounds
        caption = (
            f"{target.name}: out-of-fold prediction of each participant ({remark}) against the measured "
            "value. The dotted line is perfect prediction."
        )
        alt = f"Scatter plots of predicted against measured {target.name} for {names}."
        return Picture(caption, draw_predictions(panels, target.name, styles), alt)
    curves = {name: average_roc(problem, predictions) for name, predictions in by_name.items()}
    reference = average_roc(problem, all_predictions[CONFOUNDS]) if has_confounds else {}
    caption = (
        f"{target.name}: ROC curves, averaged over folds and repeats at each false positive rate"
        + (f", of {target.levels[-1]} against {target.levels[0]}" if len(target.levels) == 2 else "")
        + (", of each category against the others" if len(target.levels) > 2 else "")
        + (". Grey: confounds alone." if has_confounds else ".")
    )
    alt = f"ROC curves of {target.name} for {names}."
    return Picture(caption, draw_roc(curves, reference, styles), alt)


def average_roc(problem: Problem, predictions: Predictions) -> dict[str, tuple[Floats, Floats]]:
    """Average the ROC curves of folds at each false positive rate.

    The area under the average is the average of the areas, so the curves agree with the AUC in the tables.

    Parameters
    ----------
    problem : Problem
        With a categorical target.
    predictions : Predictions

    Returns
    -------
    dict of str to (array of shape (n_points,), array of shape (n_points,))
        False and true positive rates by category; of two categories, that of the last one.
    """
    from sklearn.metrics import roc_curve

    rates = np.linspace(0, 1, _ROC_POINTS)
    curves: dict[int, list[Floats]] = {}
    for fold in problem.folds:
        for level, (is_level, values) in level_scores(fold_values(problem, predictions, fold)).items():
            if is_level.any() and not is_level.all():
                false_rates, true_rates, _ = roc_curve(is_level, values)
                curves.setdefault(level, []).append(np.interp(rates, false_rates, true_rates))
    start, end = np.zeros(1), np.ones(1)
    return {
        problem.target.levels[level]: (
            np.concatenate([start, rates, end]),
            np.concatenate([start, np.mean(level_curves, axis=0), end]),
        )
        for level, level_curves in sorted(curves.items())
    }


def permutation_picture(result: TargetResult, styles: Styles) -> Picture | None:
    """Draw the permutation distributions of a target.

    Parameters
    ----------
    result : TargetResult
    styles : dict of str to dict
        From `style_features`.

    Returns
    -------
    Picture or None
        None without permutations.
    """
    tests = {
        name: test
        for (setup, name), test in result.tests.items()
        if setup == NESTED and len(test.permuted) and name in styles
    }
    if not tests:
        return None
    target = result.problem.target
    words = "residual " if result.reference_of(NESTED) == CONFOUNDS else ""
    label = f"mean correlation of the {words}target and its prediction in the test folds"
    n = max(len(test.permuted) for test in tests.values())
    caption = f"{target.name}: the statistic (coloured line) and those of {n:,} permuted targets (grey)."
    texts = [f"{name}: statistic {test.statistic:.3f}, p {format_p(test.p)}" for name, test in tests.items()]
    panels = {name: (test.statistic, test.permuted) for name, test in tests.items()}
    alt = f"Histograms of the permutation tests of {target.name}. " + "; ".join(texts) + "."
    return Picture(caption, draw_permutations(panels, label, styles), alt)


def learning_curve_picture(results: Sequence[TargetResult], styles: Styles) -> Picture | None:
    """Draw the learning curves of all targets.

    Parameters
    ----------
    results : sequence of TargetResult
    styles : dict of str to dict
        From `style_features`.

    Returns
    -------
    Picture or None
        None without learning curves.
    """
    panels: dict[str, dict[str, list[tuple[int, float, float, float]]]] = {}
    labels = {}
    for result in results:
        target = result.problem.target
        score = main_score(result.problem, NESTED)
        for row in result.learning_curve:
            if row["score"] == score and row["features"] in styles:
                point = (row["n_train"], row["value"], row["ci_low"], row["ci_high"])
                panels.setdefault(target.name, {}).setdefault(row["features"], []).append(point)
                labels[target.name] = SCORES[target.kind][score].label
    if not panels:
        return None
    caption = (
        "Score of models that were trained on random parts of the training participants, in the same test "
        "folds of the first repeat, with 95% intervals. A curve that still rises suggests that more "
        "participants would help."
    )
    words = [
        f"{target}, {labels[target]} of {name}: "
        + ", ".join(f"{point[1]:.3f} at {point[0]}" for point in points)
        for target, curves in panels.items()
        for name, points in curves.items()
    ]
    return Picture(
        caption, draw_learning_curves(panels, labels, styles), "Learning curves. " + "; ".join(words) + "."
    )
