"""Sections of the page on places in the brain: r across participants, and scores by ROI."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.evaluation.across_participants import mean_map_path
from bids_deeptaskgen.evaluation.local_scores import ROI_SCORES
from bids_deeptaskgen.evaluation.output_files import Row, Tables
from bids_deeptaskgen.report.r_map_figures import draw_r_maps
from bids_deeptaskgen.report.section import Picture, Section
from bids_deeptaskgen.stats.across_participants import MIN_PARTICIPANTS
from bids_deeptaskgen.stats.roi_scores import MIN_VOXELS
from bids_deeptaskgen.stats.scores import mean

# ROIs in the table of the page.
MAX_ROIS = 60
_ACROSS_HEADING = "Across participants"
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
    "roi_scores.tsv has each contrast, with intervals."
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
        None if no predictor has a map per participant. It states if there are too few participants.
    """
    all_rows = tables.get("across_participants", ())
    rows = [row for row in all_rows if row["map"]]
    if not rows:
        n = max((row["n_participants"] for row in all_rows), default=0)
        text = (
            f"Not computed: r across participants needs at least {MIN_PARTICIPANTS} participants with both "
            f"maps; there are {n}."
        )
        return Section("across", _ACROSS_HEADING, text=text) if all_rows else None
    cells = []
    for name in _names(rows):
        entries = [row for row in rows if row["predictor"] == name]
        highest = max(entries, key=lambda row: row["median_r"])
        means = [
            mean(np.array([row[key] for row in entries]))
            for key in ("median_r", "share_above_0", "chance_sd")
        ]
        n_participants = min(row["n_participants"] for row in entries)
        cells.append((name, len(entries), n_participants, *means, highest["contrast"], highest["median_r"]))
    return Section(
        "across",
        _ACROSS_HEADING,
        columns=(
            "predictor", "contrasts", "participants", "median r", "share of voxels above 0", "chance SD",
            "highest median", "its median r",
        ),
        rows=cells,
        text=_ACROSS_TEXT,
        figures=_r_maps(out, rows),
    )  # fmt: skip


def _r_maps(out: Path, rows: Sequence[Row]) -> dict[str, Picture]:
    """Draw the maps of the contrast with the highest median, and those of the mean over contrasts."""
    # The models, if there are any, choose the contrast.
    candidates = [row for row in rows if row["role"] == "model"] or rows
    contrast = max(candidates, key=lambda row: row["median_r"])["contrast"]
    maps = {row["predictor"]: out / row["map"] for row in rows if row["contrast"] == contrast}
    means = {name: mean_map_path(out / path) for name, path in _first_maps(rows).items()}
    caption = "r across participants at each voxel (left hemisphere on the left)"
    return {
        "across_highest": Picture(
            f"{caption}, {contrast}: the contrast with the highest median.", draw_r_maps(maps, contrast)
        ),
        "across_mean": Picture(f"{caption}, mean over contrasts.", draw_r_maps(means, "mean over contrasts")),
    }


def _first_maps(rows: Sequence[Row]) -> dict[str, str]:
    maps: dict[str, str] = {}
    for row in rows:
        maps.setdefault(row["predictor"], row["map"])
    return maps


def roi_section(_out: Path, tables: Tables) -> Section | None:
    """Build the section on scores by ROI.

    Parameters
    ----------
    _out : Path
    tables : dict of str to list of dict
        Rows of the tables, with the means over contrasts ``roi_means``.

    Returns
    -------
    Section
        It states if there is no table.
    """
    table = tables.get("roi_means", ())
    if not table:
        text = "Not computed: neither an atlas (--atlas) nor a model with ROI maps (--model) was given."
        return Section("rois", "Scores by ROI", text=text)
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in table:
        groups.setdefault((row["atlas"], row["index"], row["name"]), []).append(row)
    atlases = {row["atlas"]: row["n_skipped"] for row in table}
    cells = []
    for key in _shown_rois(groups):
        atlas, _, name = key
        label = name if len(atlases) == 1 else f"{atlas}: {name}"
        for row in groups[key]:
            values = [row[score] for score in ROI_SCORES]
            cells.append((label, row["n_voxels"], row["predictor"], row["n_contrasts"], *values))
    text = _ROI_TEXT
    if len(groups) > MAX_ROIS:
        text += (
            f" The table has the {MAX_ROIS} of {len(groups)} ROIs with the highest residual r of the first "
            "predictor; these are high by chance too."
        )
    if n_skipped := sum(atlases.values()):
        text += f" {n_skipped} ROIs have fewer than {MIN_VOXELS} scored voxels and are left out."
    columns = ("ROI", "voxels", "predictor", "contrasts", "r", "residual r", "r across")
    return Section("rois", "Scores by ROI", columns=columns, rows=cells, text=text)


def _shown_rois(groups: dict[tuple[Any, ...], list[Row]]) -> list[tuple[Any, ...]]:
    """List the ROIs of the table in the order of the atlas: all, or those that are predicted best."""
    if len(groups) <= MAX_ROIS:
        return list(groups)

    def first_score(key: tuple[Any, ...]) -> float:
        row = groups[key][0]
        value: float = row["residual_r"] if np.isfinite(row["residual_r"]) else row["r"]
        return value if np.isfinite(value) else -np.inf

    chosen_keys = set(sorted(groups, key=first_score, reverse=True)[:MAX_ROIS])
    return [key for key in groups if key in chosen_keys]


def _names(rows: Iterable[Row]) -> list[str]:
    """List the predictors of rows in order."""
    return list(dict.fromkeys(row["predictor"] for row in rows))
