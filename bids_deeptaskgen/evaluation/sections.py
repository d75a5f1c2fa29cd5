"""Sections of the page of an evaluation, one for each further table."""

from collections.abc import Callable
from typing import Any

from bids_deeptaskgen.evaluation.further_sections import quality_section, roi_section
from bids_deeptaskgen.evaluation.study import Study
from bids_deeptaskgen.evaluation.task_scores import TASK_SCORES
from bids_deeptaskgen.report.evaluation_html import COLUMNS, Section

# Rows of each table, by the name of its file without `.tsv`.
Tables = dict[str, list[dict[str, Any]]]

# Headings of the scores of tasks that are no columns of the other tables.
_HEADINGS = {**COLUMNS, "slope": "slope", "sd_ratio": "SD ratio"}


def task_section(_study: Study, tables: Tables) -> Section | None:
    """Show the scores of each predictor by task, the headline first.

    Parameters
    ----------
    _study : Study
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
    values = {(row["score"], row["predictor"], row["task"]): row["value"] for row in rows}
    n_contrasts = {row["task"]: row["n_contrasts"] for row in rows if row["score"] == "r"}
    predictors = dict.fromkeys(row["predictor"] for row in rows)
    return Section(
        name="tasks",
        heading="Scores by task",
        columns=("score", "predictor", *(f"{task} ({n_contrasts[task]})" for task in tasks)),
        rows=[
            (_HEADINGS[score], name, *(values.get((score, name, task), float("nan")) for task in tasks))
            for score in TASK_SCORES
            for name in predictors
        ],
        text="Means over the contrasts of each task (their number in brackets), within participants first. "
        "task_scores.tsv has the 95% intervals and the numbers of participants.",
    )


def reliability_section(_study: Study, tables: Tables) -> Section | None:
    """Show the reliability of the measured maps and the ceilings that follow from it.

    Parameters
    ----------
    _study : Study
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


# Each function returns a section of the page, or None if the evaluation lacks its table.
SECTIONS: tuple[Callable[[Study, Tables], Section | None], ...] = (
    task_section,
    reliability_section,
    roi_section,
    quality_section,
)

# Tables that not every evaluation has. Those of a replaced evaluation are removed.
OPTIONAL_TABLES: tuple[str, ...] = (
    "reliability",
    "across_participants",
    "roi_scores",
    "quality",
    "participant_quality",
)
