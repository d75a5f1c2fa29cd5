"""Verdicts in words on each feature set."""

from collections.abc import Mapping, Sequence

import numpy as np

from bids_deeptaskgen.biomarkers.results.metrics import SCORES, judged_score
from bids_deeptaskgen.biomarkers.results.scores import (
    BASELINES,
    CONFOUNDS,
    MEAN,
    NESTED,
    PUBLISHED,
    main_score,
)
from bids_deeptaskgen.biomarkers.results.target_result import Row, TargetResult
from bids_deeptaskgen.report.biomarkers_html import Verdict
from bids_deeptaskgen.report.html import format_number, format_p
from bids_deeptaskgen.report.section import Estimate

ALPHA = 0.05

Rows = Mapping[tuple[str, ...], Row]


def index_rows(rows: Sequence[Row], *names: str) -> dict[tuple[str, ...], Row]:
    """Map the rows of a table by the values of columns.

    Parameters
    ----------
    rows : sequence of dict
    *names : str
        Columns whose values identify a row.

    Returns
    -------
    dict of tuple to dict
    """
    return {tuple(row[name] for name in names): row for row in rows}


def describe_verdicts(result: TargetResult, scores: Sequence[Row], tests: Sequence[Row]) -> list[Verdict]:
    """Describe whether each feature set predicts a target better than the baseline.

    Parameters
    ----------
    result : TargetResult
    scores : sequence of dict
        Rows of ``scores.tsv``.
    tests : sequence of dict
        Rows of ``tests.tsv``.

    Returns
    -------
    list of Verdict
        One per feature set.
    """
    target = result.problem.target
    score_of = index_rows(scores, "target", "setup", "features", "score")
    test_of = index_rows(tests, "target", "setup", "features")
    has_confounds = result.reference_of(NESTED) == CONFOUNDS
    gain_score = judged_score(target.kind)
    verdicts = []
    for name in (item.name for item in result.features):
        gain_row = score_of.get((target.name, NESTED, name, gain_score))
        if gain_row is None:
            continue
        test = test_of.get((target.name, NESTED, name), {"p_fdr": float("nan")})
        baselines = {
            baseline: score_of.get((target.name, NESTED, baseline, gain_score), {"value": -np.inf})["value"]
            for baseline in BASELINES
        }
        kind, text = _judge(gain_row, test["p_fdr"], baselines, has_confounds=has_confounds)
        details = [f"gain in {SCORES[target.kind][gain_score].label} {format_estimate(gain_row, 'gain')}"]
        main = score_of.get((target.name, NESTED, name, main_score(result.problem, NESTED)))
        if main:
            details.append(f"{SCORES[target.kind][main['score']].label} {format_estimate(main)}")
        if np.isfinite(test["p_fdr"]):
            details.append(f"p (FDR) {format_p(test['p_fdr'])}")
        published = _describe_published(result, name, score_of, test_of)
        verdicts.append(Verdict(name, kind, text, "; ".join(details), published))
    return verdicts


def _judge(
    gain_row: Row, p: float, baselines: Mapping[str, float], *, has_confounds: bool
) -> tuple[str, str]:
    """Return the class and the text of a verdict, from the score, its gain and those of the baselines."""
    reference = "the confounds" if has_confounds else "the mean"
    beyond = "beyond the confounds" if has_confounds else "better than the mean (no confounds removed)"
    ci_low, ci_high = gain_row["gain_low"], gain_row["gain_high"]
    if has_confounds and ci_low > 0 and not p >= ALPHA and not gain_row["ci_low"] > baselines[MEAN]:
        # Confounds that predict worse than the mean are no measure of what the features add.
        text = "better than the confounds, but not with certainty better than the mean"
        if baselines[CONFOUNDS] < baselines[MEAN]:
            text += ": the confounds alone are worse than the mean, so compare with the mean"
        return "unclear", text
    if np.isnan(p):
        if ci_low > 0:
            return "better", f"predicts {beyond}, by the interval of the gain (no permutation test)"
        if ci_high < 0:
            return "worse", f"predicts worse than {reference} alone"
        return "none", f"not better than {reference}"
    if p < ALPHA:
        if ci_low > 0:
            return "better", f"predicts {beyond}"
        relation = f"is related to the target {beyond if has_confounds else '(no confounds removed)'}"
        if ci_high < 0:
            return "unclear", f"{relation}, but its predictions are less accurate than those of {reference}"
        return "unclear", f"{relation}, but a gain in accuracy over {reference} is not certain"
    if ci_high < 0:
        return "worse", f"predicts worse than {reference} alone"
    if ci_low > 0:
        return "none", f"not shown to be better than {reference}: the permutation test is not significant"
    return "none", f"not better than {reference}"


def _describe_published(result: TargetResult, name: str, score_of: Rows, test_of: Rows) -> str:
    """Describe the result of the published set-up in a few words; empty without it."""
    target = result.problem.target
    row = score_of.get((target.name, PUBLISHED, name, main_score(result.problem, PUBLISHED)))
    if row is None:
        return ""
    test = test_of.get((target.name, PUBLISHED, name))
    p = f"; p (FDR) {format_p(test['p_fdr'])}" if test and np.isfinite(test["p_fdr"]) else ""
    return f"Published set-up: {SCORES[target.kind][row['score']].label} {format_estimate(row)}{p}"


def estimate_of(row: Row | None, key: str = "value") -> Estimate:
    """Return a score or a gain with its interval.

    Parameters
    ----------
    row : dict or None
        Row of ``scores.tsv``; None is n/a.
    key : {"value", "gain"}

    Returns
    -------
    Estimate
        With enough digits for its size: MAE has the unit of the target.
    """
    if row is None:
        return Estimate(float("nan"))
    ci_low, ci_high = ("ci_low", "ci_high") if key == "value" else ("gain_low", "gain_high")
    digits = 3
    has_unit = any(row["score"] in scores and scores[row["score"]].has_unit for scores in SCORES.values())
    if has_unit and np.isfinite(row["value"]) and row["value"] > 0:
        digits = int(np.clip(2 - np.floor(np.log10(row["value"])), 0, 6))
    return Estimate(row[key], row[ci_low], row[ci_high], digits)


def format_estimate(row: Row, key: str = "value") -> str:
    """Format a score or a gain with its interval.

    Parameters
    ----------
    row : dict
        Row of ``scores.tsv``.
    key : {"value", "gain"}

    Returns
    -------
    str

    Examples
    --------
    >>> format_estimate({"score": "r", "value": 0.5, "ci_low": 0.25, "ci_high": 0.75})
    '0.50 [0.25, 0.75]'
    """
    estimate = estimate_of(row, key)
    digits = max(estimate.digits - 1, 0)
    value, ci_low, ci_high = (format_number(number, digits) for number in estimate[:3])
    return f"{value} [{ci_low}, {ci_high}]"
