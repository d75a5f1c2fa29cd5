"""Sections of the page: r across participants, scores by ROI, scores against data quality."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.evaluation.across_participants import mean_map_path
from bids_deeptaskgen.evaluation.data_quality import MEASURES
from bids_deeptaskgen.evaluation.study import Study
from bids_deeptaskgen.report.evaluation_html import Section
from bids_deeptaskgen.report.further_figures import MEASURE_LABELS, SCORE_LABELS, draw_quality, draw_r_maps
from bids_deeptaskgen.stats.roi_scores import MIN_VOXELS

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]

# Scores against data quality with panels; r is in the table only.
_DRAWN_SCORES = ("difference", "residual_r")
_ACROSS_TEXT = (
    "r of measured and predicted values over participants at each voxel, then the median over voxels, and"
    " the mean over contrasts. It asks whether the predicted differences between participants are right "
    "at a place. A map that is the same for all participants has none. Without information, r of a voxel "
    "scatters around 0 with the chance SD, 1 / sqrt(n - 1) for n unrelated participants. Neighbouring "
    "voxels scatter together, so the median over voxels also differs from 0 by chance. Calibration with "
    "one weight above 0 for a contrast does not change r. The folder maps has the images of all contrasts."
)
_ROI_TEXT = (
    "Means over contrasts. r and residual r: over the voxels of the ROI, mean over participants. r "
    "across: over participants, of the mean of the ROI in the measured and in the predicted map. "
    f"roi_scores.tsv has each contrast, with intervals. ROIs with fewer than {MIN_VOXELS} scored voxels "
    "are n/a."
)
_QUALITY_TEXT = (
    "Spearman correlation over participants of the mean score over contrasts with the quality of the "
    "resting-state data, with 95% intervals from resampled families and p from permutations; p (FDR) is "
    "adjusted over this table. A score that rises with minutes or falls with motion is limited by the "
    "data. The group average uses no resting-state data: its correlation shows how the measured maps "
    "themselves go with the measure."
)


def across_section(out: Path, tables: Tables) -> Section | None:
    """Build the section on r across participants, with maps.

    Parameters
    ----------
    out : Path
        Output folder of the evaluation.
    tables : dict of str to list of dict
        Rows of the tables.

    Returns
    -------
    Section or None
        None if no predictor has a map per participant.
    """
    rows = [row for row in tables.get("across_participants", ()) if row["map"]]
    if not rows:
        return None
    cells = []
    for name in _names(rows):
        entries = [row for row in rows if row["predictor"] == name]
        highest = max(entries, key=lambda row: row["median_r"])
        means = [_mean(row[key] for row in entries) for key in ("median_r", "share_above_0", "chance_sd")]
        n_participants = min(row["n_participants"] for row in entries)
        cells.append((name, len(entries), n_participants, *means, highest["contrast"], highest["median_r"]))
    return Section(
        "across",
        "Across participants",
        columns=(
            "predictor", "contrasts", "participants", "median r", "share of voxels above 0", "chance SD",
            "highest median", "its median r",
        ),
        rows=cells,
        text=_ACROSS_TEXT,
        figures=_r_maps(out, rows),
    )  # fmt: skip


def _r_maps(out: Path, rows: Sequence[Row]) -> dict[str, tuple[str, bytes]]:
    """Draw the maps of the contrast with the highest median, and those of the mean over contrasts."""
    # The models, if there are any, choose the contrast.
    candidates = [row for row in rows if row["role"] == "model"] or rows
    contrast = max(candidates, key=lambda row: row["median_r"])["contrast"]
    maps = {row["predictor"]: out / row["map"] for row in rows if row["contrast"] == contrast}
    means = {name: mean_map_path(out / path) for name, path in _first_maps(rows).items()}
    caption = "r across participants at each voxel (left hemisphere on the left)"
    return {
        "across_highest": (
            f"{caption}, {contrast}: the contrast with the highest median.", draw_r_maps(maps, contrast)
        ),
        "across_mean": (f"{caption}, mean over contrasts.", draw_r_maps(means, "mean over contrasts")),
    }  # fmt: skip


def _first_maps(rows: Sequence[Row]) -> dict[str, str]:
    maps: dict[str, str] = {}
    for row in rows:
        maps.setdefault(row["predictor"], row["map"])
    return maps


def roi_section(_study: Study, tables: Tables) -> Section | None:
    """Build the section on scores by ROI.

    Parameters
    ----------
    _study : Study
    tables : dict of str to list of dict
        Rows of the tables.

    Returns
    -------
    Section
        It states if there is no table.
    """
    table = tables.get("roi_scores", ())
    if not table:
        text = "Not computed: neither an atlas (--atlas) nor a model with ROI maps (--model) was given."
        return Section("rois", "Scores by ROI", text=text)
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in table:
        groups.setdefault((row["atlas"], row["index"], row["name"]), []).append(row)
    n_atlases = len({atlas for atlas, _, _ in groups})
    cells = []
    for (atlas, _, name), rows in groups.items():
        n_voxels = max(row["n_voxels"] for row in rows)
        label = name if n_atlases == 1 else f"{atlas}: {name}"
        for predictor in _names(rows):
            entries = [row for row in rows if row["predictor"] == predictor]
            means = [_mean(row[key] for row in entries) for key in ("r", "residual_r", "r_across")]
            cells.append((label, n_voxels, predictor, *means))
    columns = ("ROI", "voxels", "predictor", "r", "residual r", "r across")
    return Section("rois", "Scores by ROI", columns=columns, rows=cells, text=_ROI_TEXT)


def quality_section(_study: Study, tables: Tables) -> Section | None:
    """Build the section on scores and data quality.

    Parameters
    ----------
    _study : Study
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
        return Section("quality", "Scores and data quality", text=text)
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
    caption = "Mean score over contrasts of each participant against the quality of their resting-state data."
    picture = draw_quality(tables["participant_quality"], _DRAWN_SCORES, MEASURES)
    figures = {"quality": (caption, picture)}
    return Section("quality", "Scores and data quality", columns, cells, _QUALITY_TEXT, figures)


def _names(rows: Iterable[Row]) -> list[str]:
    """List the predictors of rows in order."""
    return list(dict.fromkeys(row["predictor"] for row in rows))


def _mean(values: Iterable[float]) -> float:
    """Average the finite values; NaN without any."""
    finite_values = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite_values)) if finite_values else float("nan")
