"""Figure of the agreement of maps, contrast by contrast."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_deeptaskgen.report.figures.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    VERMILION,
    WIDTH_INCHES,
    default_style,
    figure_of,
    hide_spines,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS, MARKERS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE), "ospDv"
CONTRAST_INCHES = 0.17


def plot_agreement(
    agreement: Mapping[str, Mapping[str, float]],
    *,
    measures: Mapping[str, str] | Sequence[str] = (),
    label: str = "spatial correlation r",
    title: str = "",
    axes: "Axes | None" = None,
) -> "Figure":
    """Draw measures of agreement of each contrast as dots.

    Parameters
    ----------
    agreement : dict of str to dict of str to float
        Value by contrast and measure; NaN or absent where unavailable.
    measures : dict of str to str, or sequence of str
        Measures to draw, with titles for the legend; empty for all.
    label : str
        Label of the axis of values, with units.
    title : str
    axes : Axes or None
        Where to draw; None for a new figure.

    Returns
    -------
    Figure

    Examples
    --------
    >>> figure = plot_agreement({"wm2bk": {"window_r": 0.6}, "faces": {"window_r": 0.4}})
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['wm2bk', 'faces']
    """
    names = list(measures) or list(dict.fromkeys(name for row in agreement.values() for name in row))
    titles = dict(measures) if isinstance(measures, Mapping) else {}
    contrasts = list(agreement)
    with default_style():
        if axes is None:
            height = 1.3 + CONTRAST_INCHES * len(contrasts)
            axes = new_figure(WIDTH_INCHES, height).add_axes(
                (0.27, 0.5 / height, 0.7, 1 - (1.0 + 0.18 * (len(names) > 2)) / height)
            )
        for number, name in enumerate(names):
            values = [agreement[contrast].get(name, np.nan) for contrast in contrasts]
            # Measures of a contrast are offset, so that none hides another.
            shift = 0.5 * ((number + 0.5) / len(names) - 0.5)
            style: dict[str, Any] = {
                "color": COLOURS[number % len(COLOURS)],
                "marker": MARKERS[number % len(MARKERS)],
            }
            y = np.arange(len(contrasts)) + shift
            axes.plot(values, y, linestyle="none", markersize=5, label=titles.get(name, name), **style)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(contrasts)), contrasts, fontsize=8)
        axes.set_ylim(len(contrasts) - 0.4, -0.6)
        axes.set_xlim(right=1.02)
        axes.set_xlabel(label)
        axes.grid(axis="both", color="#888888", alpha=0.3, linewidth=0.6)
        axes.set_axisbelow(True)
        hide_spines(axes, "top", "right", "left")
        axes.set_title(title, fontsize=10, loc="left", pad=24 if names else 6)
        if names:
            place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 2}
            axes.legend(**place, frameon=False, fontsize=8)
    return figure_of(axes)
