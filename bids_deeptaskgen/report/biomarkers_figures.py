"""Figures of the prediction of traits as PNG bytes."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.report.figures.predictor_styles import predictor_styles
from bids_deeptaskgen.report.figures.style import default_style, hide_spines, new_figure, png_bytes

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Styles = Mapping[str, Mapping[str, str]]

WIDTH_INCHES = 9.0
FONT_POINTS = 10.0
DPI = 144
PANELS_PER_ROW = 3
# Longest lines of names of features, beside and above axes.
NAME_WIDTH, TITLE_WIDTH = 22, 32
# More participants are drawn as a density.
MAX_POINTS = 1500
# Shortest part of an interval that is drawn beyond the scores of a learning curve.
MIN_REACH = 0.5
GREY, LIGHT_GREY = "#5f5f5f", "#e4e4e4"
BASELINE_LINES = {"mean": ":", "confounds": "--"}
LEVEL_LINES = ("-", "--", "-.", ":")


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


def style_features(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Choose a colour and a marker for each feature set, equal in all figures of a page.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    dict of str to dict
        ``colour`` and ``marker``.
    """
    return predictor_styles([{"predictor": name, "role": "model"} for name in names])


def wrap_name(name: str, width: int = NAME_WIDTH) -> str:
    r"""Divide a long name into lines, after hyphens, underscores and points where possible.

    Parameters
    ----------
    name : str
    width : int
        Number of characters of a line.

    Returns
    -------
    str

    Examples
    --------
    >>> wrap_name("predicted_working_memory_maps", 16)
    'predicted_\nworking_memory_\nmaps'
    """
    parts = re.findall(r"[^_.\s-]*[_.\s-]*", name)
    lines = [""]
    for part in parts:
        for piece in textwrap.wrap(part, width, drop_whitespace=False) or [part]:
            if len(lines[-1]) + len(piece) > width and lines[-1]:
                lines.append("")
            lines[-1] += piece
    return "\n".join(line.strip() for line in lines if line.strip())


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
    figure = _new_figure(1.25 + 0.55 * len(names))
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
    if handles:
        figure.legend(
            handles.values(), handles.keys(), loc="outside upper right", ncols=2, frameon=False, fontsize=9
        )
    return _png(figure)


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


@default_style(FONT_POINTS)
def draw_predictions(panels: Mapping[str, tuple[Floats, Floats]], label: str, styles: Styles) -> bytes:
    """Draw predicted against measured values, one panel per feature set.

    Parameters
    ----------
    panels : dict of str to (array of shape (n_participants,), array of shape (n_participants,))
        Measured and predicted values by feature set.
    label : str
        Name of the target.
    styles : dict of str to dict
        From `style_features`.

    Returns
    -------
    bytes
        A PNG image. All panels have the same axes.
    """
    figure, columns = _panels(list(panels), 2.55)
    values = np.concatenate([np.concatenate(pair) for pair in panels.values()])
    margin = 0.04 * np.ptp(values) or 1.0
    limits = (values.min() - margin, values.max() + margin)
    for axes, (name, (measured, predicted)) in zip(columns, panels.items(), strict=False):
        axes.axline((limits[0], limits[0]), slope=1, color=GREY, linewidth=0.9, linestyle=":")
        if len(measured) > MAX_POINTS:
            extent = (*limits, *limits)
            axes.hexbin(measured, predicted, gridsize=45, bins="log", extent=extent, cmap="Greys", mincnt=1)
        else:
            axes.plot(measured, predicted, ".", color=styles[name]["colour"], alpha=0.5, markersize=5)
        axes.set_xlim(limits)
        axes.set_ylim(limits)
        axes.locator_params(nbins=4)
        axes.set_aspect("equal")
    figure.supxlabel(_shorten(f"measured {label}"), fontsize=FONT_POINTS)
    figure.supylabel(_shorten(f"predicted {label}", 40), fontsize=FONT_POINTS)
    return _png(figure)


@default_style(FONT_POINTS)
def draw_roc(
    panels: Mapping[str, Mapping[str, tuple[Floats, Floats]]],
    reference: Mapping[str, tuple[Floats, Floats]],
    styles: Styles,
) -> bytes:
    """Draw ROC curves, one panel per feature set, with those of the confounds in grey.

    Parameters
    ----------
    panels : dict of str to dict of str to (array, array)
        False and true positive rates by feature set and category.
    reference : dict of str to (array, array)
        Those of the baseline by category; empty without one.
    styles : dict of str to dict
        From `style_features`.

    Returns
    -------
    bytes
        A PNG image.
    """
    figure, columns = _panels(list(panels), 2.55)
    has_levels = any(len(curves) > 1 for curves in panels.values())
    handles: dict[str, Artist] = {}
    for axes, (name, curves) in zip(columns, panels.items(), strict=False):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.9, linestyle=":")
        for number, (level, curve) in enumerate(reference.items()):
            line = LEVEL_LINES[number % len(LEVEL_LINES)] if has_levels else "-"
            (handle,) = axes.plot(*curve, color="#a8a8a8", linewidth=1.2, linestyle=line)
            handles.setdefault("confounds only" + (f", {level}" if has_levels else ""), handle)
        for number, (level, curve) in enumerate(curves.items()):
            line = LEVEL_LINES[number % len(LEVEL_LINES)]
            (handle,) = axes.plot(*curve, color=styles[name]["colour"], linewidth=1.8, linestyle=line)
            if has_levels:
                # The style of the line, and not the colour, stands for the category.
                (handle,) = axes.plot([], [], color="black", linestyle=line)
                handles.setdefault(level, handle)
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(-0.01, 1.01)
        axes.set_aspect("equal")
    figure.supxlabel("false positive rate", fontsize=FONT_POINTS)
    figure.supylabel("true positive rate", fontsize=FONT_POINTS)
    _legend(figure, handles)
    return _png(figure)


@default_style(FONT_POINTS)
def draw_permutations(panels: Mapping[str, tuple[float, Floats]], label: str, styles: Styles) -> bytes:
    """Draw the distribution of the statistic of permuted targets, and the observed one as a line.

    Parameters
    ----------
    panels : dict of str to (float, array of shape (n_permutations,))
        Observed and permuted statistics by feature set.
    label : str
        Label of the axis.
    styles : dict of str to dict
        From `style_features`.

    Returns
    -------
    bytes
        A PNG image.
    """
    figure, columns = _panels(list(panels), 1.9)
    values = np.concatenate([np.append(permuted, statistic) for statistic, permuted in panels.values()])
    margin = 0.05 * np.ptp(values) or 1.0
    edges = np.linspace(values.min() - margin, values.max() + margin, 50)
    for axes, (name, (statistic, permuted)) in zip(columns, panels.items(), strict=False):
        axes.hist(permuted, bins=edges.tolist(), color="#b9b9b9")
        axes.axvline(statistic, color=styles[name]["colour"], linewidth=2.2)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_yticks([])
        hide_spines(axes, "left")
    figure.supxlabel(label, fontsize=FONT_POINTS)
    return _png(figure)


@default_style(FONT_POINTS)
def draw_learning_curves(
    panels: Mapping[str, Mapping[str, Sequence[tuple[int, float, float, float]]]],
    labels: Mapping[str, str],
    styles: Styles,
) -> bytes:
    """Draw a score against the number of training participants, one panel per target.

    Parameters
    ----------
    panels : dict of str to dict of str to sequence of (int, float, float, float)
        Number of training participants, score, and bounds of its interval, by target and feature set.
    labels : dict of str to str
        Label of the score of each target.
    styles : dict of str to dict
        From `style_features`.

    Returns
    -------
    bytes
        A PNG image.
    """
    figure, columns = _panels(list(panels), 2.7)
    handles: dict[str, Artist] = {}
    for axes, (target, curves) in zip(columns, panels.items(), strict=False):
        for number, (name, points) in enumerate(curves.items()):
            size, value, ci_low, ci_high = np.array(points, np.float64).T
            # Intervals of the same size are side by side.
            x = size * 1.04 ** (number - (len(curves) - 1) / 2)
            colour = styles[name]["colour"]
            axes.vlines(x, ci_low, ci_high, color=colour, linewidth=1, alpha=0.6)
            (handle,) = axes.plot(x, value, color=colour, marker=styles[name]["marker"], markersize=5)
            handles.setdefault(name, handle)
        sizes = sorted({point[0] for points in curves.values() for point in points})
        # Intervals of few folds may be very long.
        values = np.array([point[1:] for points in curves.values() for point in points])
        reach = max(2 * float(np.ptp(values[:, 0])), MIN_REACH)
        bottom, top = axes.get_ylim()
        axes.set_ylim(max(bottom, values[:, 0].min() - reach), min(top, values[:, 0].max() + reach))
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=45, ha="right", fontsize=9)
        axes.set_ylabel(labels[target], fontsize=FONT_POINTS)
        axes.grid(color=LIGHT_GREY, linewidth=0.6)
    figure.supxlabel("training participants", fontsize=FONT_POINTS)
    _legend(figure, handles)
    return _png(figure)


def _new_figure(height: float) -> "Figure":
    figure = new_figure(WIDTH_INCHES, height)
    figure.set_layout_engine("constrained")
    return figure


def _panels(names: Sequence[str], panel_height: float) -> tuple["Figure", list["Axes"]]:
    """Build a figure with a titled panel per name, all of one size whatever their number."""
    n_rows = -(-len(names) // PANELS_PER_ROW)
    n_lines = max(wrap_name(name, TITLE_WIDTH).count("\n") + 1 for name in names)
    figure = _new_figure(0.75 + n_rows * (panel_height + 0.2 * n_lines))
    panels = list(figure.subplots(n_rows, PANELS_PER_ROW, squeeze=False).flat)
    for axes, name in zip(panels, names, strict=False):
        axes.set_title(wrap_name(name, TITLE_WIDTH), fontsize=FONT_POINTS, loc="left")
        hide_spines(axes, "top", "right")
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    return figure, panels[: len(names)]


def _legend(figure: "Figure", handles: Mapping[str, "Artist"]) -> None:
    if handles:
        names = [wrap_name(name, 40) for name in handles]
        n_columns = min(3, len(names))
        figure.legend(
            handles.values(), names, loc="outside upper center", ncols=n_columns, frameon=False, fontsize=9
        )


def _shorten(text: str, width: int = 90) -> str:
    return text if len(text) <= width else text[: width - 1] + "\u2026"


def _png(figure: "Figure") -> bytes:
    return png_bytes(figure, DPI, FONT_POINTS)
