"""Figure of scores against the quality of the resting-state data."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bids_deeptaskgen.report.figures.predictor_styles import predictor_styles
from bids_deeptaskgen.report.figures.style import default_style, hide_spines, new_figure, png_bytes

Row = Mapping[str, Any]

FONT_POINTS = 9.0
PANEL_INCHES = 2.9, 2.5
MEASURE_LABELS = {"minutes": "minutes kept", "mean_fd": "mean FD (mm)", "tsnr": "median tSNR"}
SCORE_LABELS = {"r": "r", "difference": "difference", "residual_r": "residual r"}


@default_style(FONT_POINTS)
def draw_quality(rows: Sequence[Row], scores: Sequence[str], measures: Sequence[str]) -> bytes:
    """Draw scores of participants against the quality of their data, one panel per score and measure.

    Parameters
    ----------
    rows : sequence of dict
        Rows of the table ``participant_quality``.
    scores : sequence of str
        Scores, one row of panels each.
    measures : sequence of str
        Measures, one column of panels each.

    Returns
    -------
    bytes
        A PNG image, without panels of scores and measures that no participant has.
    """
    scores = [score for score in scores if any(_is_known(row, score) for row in rows)]
    measures = [measure for measure in measures if any(_is_known(row, measure) for row in rows)]
    width, height = PANEL_INCHES
    figure = new_figure(width * len(measures), height * len(scores) + 0.4)
    figure.set_layout_engine("constrained")
    panels = figure.subplots(len(scores), len(measures), squeeze=False)
    # Only predictors with a value are in the legend; the difference of the group average is 0.
    names = [
        name
        for name in dict.fromkeys(row["predictor"] for row in rows)
        if any(len(set(_values(rows, name, score))) > 1 for score in scores)
    ]
    styles = {name: style for name, style in predictor_styles(rows).items() if name in names}
    for line, score in zip(panels, scores, strict=True):
        for axes, measure in zip(line, measures, strict=True):
            for name, style in styles.items():
                values = _values(rows, name, score)
                if len(set(values)) > 1:
                    quality = [
                        row[measure] for row in rows if row["predictor"] == name and _is_known(row, score)
                    ]
                    axes.plot(
                        quality, values, style["marker"], color=style["colour"], markersize=4, alpha=0.75
                    )
            axes.set_xlabel(MEASURE_LABELS.get(measure, measure))
            axes.set_ylabel(SCORE_LABELS.get(score, score))
            axes.grid(color="#e4e4e4", linewidth=0.6)
            hide_spines(axes, "top", "right")
    handles = [
        panels[0, 0].plot([], [], style["marker"], color=style["colour"], label=name)[0]
        for name, style in styles.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False)
    return png_bytes(figure, font_points=FONT_POINTS)


def _is_known(row: Row, score: str) -> bool:
    return bool(np.isfinite(row[score]))


def _values(rows: Sequence[Row], predictor: str, score: str) -> list[float]:
    return [row[score] for row in rows if row["predictor"] == predictor and _is_known(row, score)]
