"""Figures of the prediction of traits: predictions, ROC curves, permutations and learning curves."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.report.biomarkers_layout import (
    FONT_POINTS,
    GREY,
    LIGHT_GREY,
    Styles,
    add_legend,
    label_panels,
    shorten,
    titled_panels,
    to_png,
)
from bids_deeptaskgen.report.figures.style import default_style, hide_spines

if TYPE_CHECKING:
    from matplotlib.artist import Artist

Floats = NDArray[np.float64]
# More participants are drawn as a density.
MAX_POINTS = 1500
# Shortest part of an interval that is drawn beyond the scores of a learning curve.
MIN_REACH = 0.5
LEVEL_LINES = ("-", "--", "-.", ":")


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
    figure, columns = titled_panels(list(panels), 2.55)
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
    figure.supylabel(shorten(f"predicted {label}", 40), fontsize=FONT_POINTS)
    label_panels(figure, columns, shorten(f"measured {label}"))
    return to_png(figure)


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
    figure, columns = titled_panels(list(panels), 2.55)
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
    figure.supylabel("true positive rate", fontsize=FONT_POINTS)
    add_legend(figure, handles)
    label_panels(figure, columns, "false positive rate")
    return to_png(figure)


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
    figure, columns = titled_panels(list(panels), 1.9)
    values = np.concatenate([np.append(permuted, statistic) for statistic, permuted in panels.values()])
    margin = 0.05 * np.ptp(values) or 1.0
    edges = np.linspace(values.min() - margin, values.max() + margin, 50)
    for axes, (name, (statistic, permuted)) in zip(columns, panels.items(), strict=False):
        axes.hist(permuted, bins=edges.tolist(), color="#b9b9b9")
        axes.axvline(statistic, color=styles[name]["colour"], linewidth=2.2)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_yticks([])
        hide_spines(axes, "left")
    label_panels(figure, columns, label)
    return to_png(figure)


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
    figure, columns = titled_panels(list(panels), 2.7)
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
    add_legend(figure, handles)
    label_panels(figure, columns, "training participants")
    return to_png(figure)
