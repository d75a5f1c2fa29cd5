"""Sections of the page of an evaluation, one for each further table."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bids_deeptaskgen.evaluation.data_quality import MEASURES
from bids_deeptaskgen.evaluation.local_sections import across_section, roi_section
from bids_deeptaskgen.evaluation.output_files import Tables
from bids_deeptaskgen.evaluation.scoring import AMPLITUDES
from bids_deeptaskgen.evaluation.task_scores import TASK_SCORES
from bids_deeptaskgen.report.evaluation_html import COLUMNS
from bids_deeptaskgen.report.quality_figures import MEASURE_LABELS, SCORE_LABELS, draw_quality
from bids_deeptaskgen.report.section import Cell, Picture, Section
from bids_deeptaskgen.stats.rank_correlation import MIN_PARTICIPANTS
from bids_deeptaskgen.stats.scores import mean

# Scores against data quality with panels; r is in the table only.
_DRAWN_SCORES = ("difference", "residual_r")
# Scores of whole matrices that are no columns of the other tables.
_SEPARATIONS = ("own_vs_others_ks", "own_vs_others_auc")
_QUALITY_HEADING = "Scores and data quality"
_QUALITY_TEXT = (
    "Spearman correlation over participants of the mean score over contrasts with the quality of the "
    "resting-state data, with 95% intervals from resampled families and p from permutations; p (FDR) is "
    "adjusted over this table. A relation does not show that the resting-state data are the cause: "
    "participants who move at rest may also move in the task. The group average and the retest use no "
    "resting-state data: their correlations show how the measured maps themselves go with the measure."
)


# Headings of the scores of tasks that are no columns of the other tables.
_HEADINGS = {**COLUMNS, "slope": "slope", "sd_ratio": "SD ratio"}


def task_section(_out: Path, tables: Tables) -> Section | None:
    """Show the scores of each predictor by task, the headline first.

    Parameters
    ----------
    _out : Path
    tables : Tables

    Returns
    -------
    Section or None
        None if the contrasts have no task, or all have the same one.
    """
    rows = tables.get("task_scores", [])
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    if len(tasks) < 3:
        return None
    by_key = {(row["score"], row["predictor"], row["task"]): row for row in rows}
    n_contrasts = {
        task: max(row["n_contrasts"] for row in rows if (row["task"], row["score"]) == (task, "r"))
        for task in tasks
    }
    predictors = dict.fromkeys(row["predictor"] for row in rows)
    cells: list[tuple[Cell, ...]] = []
    for score in TASK_SCORES:
        for name in predictors:
            values: list[Cell] = []
            for task in tasks:
                row = by_key.get((score, name, task), {"value": float("nan"), "n_contrasts": 0})
                is_complete = row["n_contrasts"] in (0, n_contrasts[task])
                text = f"{row['value']:.3f} (of {row['n_contrasts']})"
                values.append(row["value"] if is_complete else text)
            cells.append((_HEADINGS[score], name, *values))
    return Section(
        name="tasks",
        heading="Scores by task",
        columns=("score", "predictor", *(f"{task} ({n_contrasts[task]})" for task in tasks)),
        rows=cells,
        text="Means over the contrasts of each task (their number in brackets; after a value, that of a "
        "predictor with fewer contrasts). task_scores.tsv has the 95% intervals and the numbers of contrasts "
        "and participants.",
    )


def reliability_section(_out: Path, tables: Tables) -> Section | None:
    """Show the reliability of the measured maps and the ceilings that follow from it.

    Parameters
    ----------
    _out : Path
    tables : Tables

    Returns
    -------
    Section or None
        None if no map was measured twice.
    """
    rows = tables.get("reliability", [])
    if not rows:
        return None
    names = ("reliability", "ceiling_r", "residual_reliability", "residual_chance", "ceiling_residual_r")
    headings = ("reliability", "ceiling of r", "residual reliability", "by chance", "ceiling of residual r")
    has_both = len({row["source"] for row in rows}) > 1
    return Section(
        name="reliability",
        heading="Reliability of the measured maps",
        columns=("contrast", "source", *headings, "participants"),
        rows=[
            (
                row["contrast"] + (" \u2020" if row["unreliable"] else ""),
                row["source"],
                *(row[name] for name in names),
                row["n_participants"],
            )
            for row in rows
        ],
        text="Reliability: mean correlation of two measurements of a participant (retest), or of two halves, "
        "stepped up to the whole (Spearman-Brown). The ceiling of r is its square root: the expected r of a "
        "prediction equal to the participant's true map. It holds if the noise of the two measurements is "
        "independent and equally strong; a score can exceed it by chance. The correlation with a retest is "
        "no ceiling, since the retest has noise of its own. By chance: the residual reliability of different "
        "participants, which share the error of the group average. reliability.tsv has the 95% intervals."
        + (" Ceilings of the scores are those of the retest." if has_both else ""),
    )


def amplitude_section(_out: Path, tables: Tables) -> Section | None:
    """Show the amplitude of the predicted maps, and the separation of the correlations.

    Parameters
    ----------
    _out : Path
    tables : Tables

    Returns
    -------
    Section
    """
    names = (*AMPLITUDES, *_SEPARATIONS)
    values: dict[str, dict[str, list[float]]] = {}
    for row in tables["scores"]:
        if row["score"] in names:
            values.setdefault(row["predictor"], {}).setdefault(row["score"], []).append(row["value"])
    return Section(
        name="amplitude",
        heading="Amplitude, and separation of the correlations",
        columns=(
            "predictor", "contrasts", "slope", "SD ratio", "residual slope", "residual SD ratio", "KS", "AUC"
        ),
        rows=[
            (name, len(scores["slope"]), *(mean(np.array(scores[score])) for score in names))
            for name, scores in values.items()
        ],
        text="Means over contrasts. Slope: of measured on predicted values over voxels; below 1, the "
        "predicted differences are too large. SD ratio: predicted over measured; a good prediction has about "
        "its r. Residual: after subtraction of the group average. KS and AUC: separation of all r with the "
        "self-prediction from all r with the predictions of others (AUC 0.5 by chance).",
    )  # fmt: skip


def quality_section(_out: Path, tables: Tables) -> Section | None:
    """Build the section on scores and data quality.

    Parameters
    ----------
    _out : Path
    tables : dict of str to list of dict
        Rows of the tables.

    Returns
    -------
    Section
        It states if there is no table.
    """
    rows = tables.get("quality", ())
    if not rows:
        text = "Not computed: no dataset has quality metrics of the participant level (desc-qc_metrics.json)."
        return Section("quality", _QUALITY_HEADING, text=text)
    cells = [
        (
            row["predictor"], SCORE_LABELS[row["score"]], MEASURE_LABELS[row["measure"]], row["spearman"],
            row["ci_low"], row["ci_high"], row["p"], row["p_fdr"], row["n_participants"], row["n_missing"],
        )
        for row in rows
    ]  # fmt: skip
    columns = (
        "predictor", "score", "measure", "Spearman", "95% low", "95% high", "p", "p (FDR)", "participants",
        "without measure",
    )  # fmt: skip
    if not any(np.isfinite(row["spearman"]) for row in rows):
        text = (
            f"{_QUALITY_TEXT} Not computed: it needs at least {MIN_PARTICIPANTS} participants whose scores "
            "and data quality differ."
        )
        return Section("quality", _QUALITY_HEADING, columns, cells, text)
    caption = "Mean score over contrasts of each participant against the quality of their resting-state data."
    picture = draw_quality(tables["participant_quality"], _DRAWN_SCORES, MEASURES)
    figures = {"quality": Picture(caption, picture)}
    return Section("quality", _QUALITY_HEADING, columns, cells, _QUALITY_TEXT, figures)


# Each function returns a section of the page, or None if the evaluation lacks its table.
SECTIONS: tuple[Callable[[Path, Tables], Section | None], ...] = (
    task_section,
    amplitude_section,
    reliability_section,
    roi_section,
    quality_section,
    across_section,
)
