"""Sections of the page: tables of scores, comparisons, and both set-ups."""

from collections.abc import Sequence

import numpy as np

from bids_deeptaskgen.biomarkers.results.metrics import SCORES, judged_score, reported_scores
from bids_deeptaskgen.biomarkers.results.scores import (
    BASELINES,
    CONFOUNDS,
    MEAN,
    NESTED,
    PUBLISHED,
    main_score,
)
from bids_deeptaskgen.biomarkers.results.target_result import Row, TargetResult
from bids_deeptaskgen.biomarkers.results.verdicts import ALPHA, estimate_of, index_rows
from bids_deeptaskgen.report.section import Cell, Estimate, Picture, PValue, Section

_BASELINE_NAMES = {MEAN: "mean only", CONFOUNDS: "confounds only"}
_NAN = float("nan")
_COMPARISON_TEXT = (
    "Corrected resampled t tests (Nadeau and Bengio) of the difference of the main score in the same "
    "folds: above 0, the first features predict better. p (FDR) is adjusted over all targets and pairs. "
    "The test has little power: a difference that is not significant does not show that two feature sets "
    f"are equally good. Bold: p (FDR) below {ALPHA}."
)


def score_section(
    result: TargetResult, anchor: str, rows: Sequence[Row], tests: Sequence[Row], picture: Picture
) -> Section:
    """Show the scores of the baselines and feature sets of a target.

    Parameters
    ----------
    result : TargetResult
    anchor : str
        Label of the target.
    rows : sequence of dict
        Rows of ``scores.tsv`` of the target and the set-up ``nested``.
    tests : sequence of dict
        Rows of ``tests.tsv``.
    picture : Picture
        Figure of the scores.

    Returns
    -------
    Section
    """
    kind = result.problem.target.kind
    has_confounds = result.reference_of(NESTED) == CONFOUNDS
    scores = reported_scores(kind, has_confounds=has_confounds)
    gain_score = judged_score(kind)
    row_of = index_rows(rows, "features", "score")
    test_of = index_rows(tests, "target", "setup", "features")
    n_features = {item.name: item.n_features for item in result.features}
    cells: list[list[Cell]] = []
    classes = []
    for name in dict.fromkeys(row["features"] for row in rows):
        test = test_of.get((result.problem.target.name, NESTED, name), {"p": _NAN, "p_fdr": _NAN})
        values = [estimate_of(row_of.get((name, score))) for score in scores]
        gain = estimate_of(row_of.get((name, gain_score)), "gain")
        if name in BASELINES:
            cells.append([_BASELINE_NAMES[name], None, *values, None, None, None])
        else:
            p_values = (PValue(test[key]) for key in ("p", "p_fdr"))
            cells.append([name, n_features[name], *values, gain, *p_values])
        classes.append("baseline" if name in BASELINES else "sure" if test["p_fdr"] < ALPHA else "")
    labels = [SCORES[kind][score].label for score in scores]
    gain_label = f"gain in {SCORES[kind][gain_score].label}"
    return Section(
        f"{anchor}-scores",
        "Scores",
        columns=("feature set", "features", *labels, gain_label, "p", "p (FDR)"),
        rows=cells,
        row_classes=classes,
        text=_score_text(kind, has_confounds=has_confounds),
        figures={f"{anchor}_scores": picture},
    )


def _score_text(kind: str, *, has_confounds: bool) -> str:
    reference = "the confounds only" if has_confounds else "the mean only"
    texts = [
        "Means over the test folds of all repeats; below, 95% intervals (corrected resampled t).",
        f"Gain: over {reference}, on the same folds.",
    ]
    texts += [SCORES[kind][name].remark for name in reported_scores(kind, has_confounds=has_confounds)]
    if has_confounds and not any(score.is_residual for score in SCORES[kind].values()):
        texts.append("Scores are those of confounds and features together.")
    texts.append("Bold: p (FDR) below " + f"{ALPHA}. fold_scores.tsv has the scores of each fold.")
    return " ".join(text for text in texts if text)


def comparison_section(rows: Sequence[Row]) -> Section | None:
    """Show the comparisons of feature sets.

    Parameters
    ----------
    rows : sequence of dict
        Rows of ``comparisons.tsv``.

    Returns
    -------
    Section or None
        None if there is only one feature set.
    """
    rows = [row for row in rows if row["setup"] == NESTED]
    if not rows:
        return None
    labels = {name: score.label for scores in SCORES.values() for name, score in scores.items()}
    return Section(
        "comparisons",
        "Comparisons of feature sets",
        columns=("target", "feature set", "compared with", "score", "difference", "t", "p", "p (FDR)"),
        rows=[
            (
                row["target"],
                row["features"],
                row["compared_with"],
                _keep_together(labels[row["score"]]),
                Estimate(row["difference"], row["ci_low"], row["ci_high"]),
                Estimate(row["t"], digits=2),
                PValue(row["p"]),
                PValue(row["p_fdr"]),
            )
            for row in rows
        ],
        row_classes=["sure" if row["p_fdr"] < ALPHA else "" for row in rows],
        text=_COMPARISON_TEXT,
    )


def setup_section(
    results: Sequence[TargetResult], scores: Sequence[Row], tests: Sequence[Row]
) -> Section | None:
    """Show nested cross-validation and the published set-up side by side.

    Parameters
    ----------
    results : sequence of TargetResult
    scores : sequence of dict
        Rows of ``scores.tsv``.
    tests : sequence of dict
        Rows of ``tests.tsv``.

    Returns
    -------
    Section or None
        None without the published set-up.
    """
    score_of = index_rows(scores, "target", "setup", "features", "score")
    test_of = index_rows(tests, "target", "setup", "features")
    rows: list[list[Cell]] = []
    has_confounds = bool(results[0].problem.confounds)
    for result in results:
        target = result.problem.target
        score = main_score(result.problem, PUBLISHED)
        for name in (item.name for item in result.features):
            if (target.name, PUBLISHED, name, score) not in score_of:
                continue
            cells: list[Cell] = []
            p_values = []
            for setup in (NESTED, PUBLISHED):
                test = test_of.get((target.name, setup, name), {"p_fdr": _NAN})
                p_values.append(test["p_fdr"])
                cells.append(estimate_of(score_of.get((target.name, setup, name, score))))
                if setup == NESTED and has_confounds:
                    cells.append(estimate_of(score_of.get((target.name, NESTED, CONFOUNDS, score))))
                cells.append(PValue(test["p_fdr"]))
            label, finder = (
                _keep_together(text) for text in (SCORES[target.kind][score].label, _found_by(p_values))
            )
            rows.append([target.name, name, label, *cells, finder])
    if not rows:
        return None
    reference = ["confounds only"] * has_confounds
    setups = ("nested", *reference, "p (FDR)", "published", "p (FDR)")
    columns = ("target", "feature set", "score", *setups, "found by")
    has_relatives = any(result.problem.has_relatives for result in results)
    text = _describe_setups(has_confounds=has_confounds, has_relatives=has_relatives)
    return Section("setups", "Published set-up side by side", columns, rows, text)


def _describe_setups(*, has_confounds: bool, has_relatives: bool) -> str:
    """Explain why the results of the two set-ups differ in this analysis."""
    removal = (
        "the published set-up removes no confounds, so that it also finds what the features share with head "
        "motion, age or site; "
    )
    penalty = "its fixed penalty" if has_confounds else "the fixed penalty of the published set-up"
    penalty += (
        ", (number of features) / (number of training participants), does not depend on the scale of the "
        "features, so that its effect does: with large values it is almost no penalty, with small ones a "
        "strong one; "
    )
    relatives = (
        " and takes relatives for independent; and its folds may divide families, so that a relative of a "
        "test participant may be a training participant"
    )
    test = "" if has_relatives else "and "
    test += "its p is that of label permutations, which tests for any relation"
    test += ", confounds included" * has_confounds + "," * (has_confounds and has_relatives)
    return (
        "Both set-ups have the same participants; the scores are those that both of them report. They differ "
        f"because {removal * has_confounds}{penalty}{test}{relatives * has_relatives}. Found: p (FDR) below "
        f"{ALPHA}."
        + " Scores of the nested set-up are those of confounds and features together: compare them with "
        "those of the confounds only." * has_confounds
    )


def _found_by(p_values: Sequence[float]) -> str:
    if any(np.isnan(p_values)):
        return "not tested"
    nested, published = (p < ALPHA for p in p_values)
    if nested and published:
        return "both"
    return "nested only" if nested else "published only" if published else "neither"


def _keep_together(text: str) -> str:
    """Replace spaces by ones at which a browser does not break the line."""
    return text.replace(" ", "\u00a0")
