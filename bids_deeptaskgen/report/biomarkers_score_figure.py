"""Figure of the scores of feature sets."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.report.biomarkers_layout import (
    FONT_POINTS,
    GREY,
    LIGHT_GREY,
    Styles,
    add_legend,
    to_png,
    wide_figure,
    wrap_name,
)
from bids_deeptaskgen.report.figures.style import default_style, hide_spines

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
BASELINE_LINES = {"mean": ":", "confounds": "--"}


class ScoreMarks(NamedTuple):
    """Score of a feature set with an interval and the scores of folds.

    Attributes
    ----------
    value, ci_low, ci_high : float
    folds : float64 array of shape (n_folds,)
    """

    value: float
    ci_low: float
    ci_high: float
    folds: Floats


class ScorePanel(NamedTuple):
    """Panel with a score of all feature sets.

    Attributes
    ----------
    label : str
        Label of the axis.
    marks : dict of str to ScoreMarks
        By feature set.
    baselines : dict of str to float
        Score of ``mean`` and ``confounds``.
    """

    label: str
    marks: Mapping[str, ScoreMarks]
    baselines: Mapping[str, float]


@default_style(FONT_POINTS)
def draw_scores(panels: Sequence[ScorePanel], styles: Styles) -> bytes:
    """Draw scores of all feature sets, with intervals, the scores of folds, and baselines as lines.

    Parameters
    ----------
    panels : sequence of ScorePanel
        With the same feature sets.
    styles : dict of str to dict
        From `style_features`.

    Returns
    -------
    bytes
        A PNG image.
    """
    names = list(dict.fromkeys(name for panel in panels for name in panel.marks))
    figure = wide_figure(1.25 + 0.55 * len(names))
    columns = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    handles: dict[str, Artist] = {}
    for axes, panel in zip(columns, panels, strict=True):
        limits = find_limits(panel)
        for place, name in enumerate(names):
            if name in panel.marks:
                _draw_marks(axes, panel.marks[name], place, styles[name], limits)
        for name, value in panel.baselines.items():
            if np.isfinite(value):
                line = axes.axvline(value, color=GREY, linestyle=BASELINE_LINES[name], linewidth=1.3)
                handles.setdefault(f"{name} only", line)
        axes.set_xlim(limits)
        axes.set_xlabel(panel.label)
        axes.grid(axis="x", color=LIGHT_GREY, linewidth=0.6)
        hide_spines(axes, "top", "right", "left")
        axes.tick_params(axis="y", length=0)
    columns[0].set_yticks(range(len(names)), [wrap_name(name) for name in names])
    columns[0].set_ylim(len(names) - 0.4, -0.5)
    add_legend(figure, handles, "outside upper right")
    return to_png(figure)


def find_limits(panel: ScorePanel) -> tuple[float, float]:
    """Choose the limits of the axis, so that very long intervals do not compress everything else.

    Parameters
    ----------
    panel : ScorePanel

    Returns
    -------
    (float, float)
        All scores are between the limits. Intervals of few folds may reach further.
    """
    folds = [marks.folds for marks in panel.marks.values()]
    points = np.concatenate(
        [*folds, [*panel.baselines.values(), *(mark.value for mark in panel.marks.values())]]
    )
    points = points[np.isfinite(points)]
    ends = np.array([[mark.ci_low, mark.ci_high] for mark in panel.marks.values()])
    ends = np.append(ends[np.isfinite(ends)], points)
    span = float(np.ptp(points)) or 0.1
    lower = max(float(ends.min()), float(points.min()) - span)
    upper = min(float(ends.max()), float(points.max()) + span)
    margin = 0.04 * (upper - lower) or 0.1
    return lower - margin, upper + margin


def _draw_marks(
    axes: "Axes", marks: ScoreMarks, place: int, style: Mapping[str, str], limits: tuple[float, float]
) -> None:
    colour = style["colour"]
    folds = marks.folds[np.isfinite(marks.folds)]
    # Spread in a fixed order, so that equal scores do not hide each other.
    spread = 0.22 + 0.16 * ((np.arange(len(folds)) * 0.618) % 1)
    axes.plot(folds, place + spread, ".", color=colour, alpha=0.35, markersize=5)
    axes.hlines(place, marks.ci_low, marks.ci_high, color=colour, linewidth=2)
    axes.plot(marks.value, place, style["marker"], color=colour, markersize=7)
    # Arrows mark intervals that reach further than the axis.
    for marker, limit, is_cut in (
        ("<", limits[0], marks.ci_low < limits[0]),
        (">", limits[1], marks.ci_high > limits[1]),
    ):
        if is_cut:
            axes.plot(limit, place, marker, color=colour, markersize=7, clip_on=False)
