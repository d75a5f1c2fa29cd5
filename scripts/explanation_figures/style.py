"""Common style: a light card, so that the figures are readable on light and on dark pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

CARD, INK, GREY, LIGHT = "#fbfbf8", "#1d2733", "#66717d", "#dfe3e6"
BLUE, ORANGE, GREEN, RED, PURPLE = "#2f6fb3", "#d0752a", "#3d8b4f", "#b8434e", "#7a5aa6"

_SETTINGS = {
    "figure.facecolor": CARD,
    "axes.facecolor": CARD,
    "savefig.facecolor": CARD,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    # Equal numbers give equal files.
    "svg.hashsalt": "bids_deeptaskgen",
}


@contextmanager
def card_style() -> Iterator[None]:
    """Apply the style to all figures that are drawn inside."""
    with mpl.rc_context(_SETTINGS):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Create a figure.

    Parameters
    ----------
    width, height : float
        Size in inches.
    """
    return Figure(figsize=(width, height), layout="constrained")


def blank_axes(figure: Figure, width: float, height: float) -> Axes:
    """Create axes for a diagram, without ticks and frame.

    Parameters
    ----------
    figure : Figure
    width, height : float
        Range of the coordinates, from 0.
    """
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    return axes


def save_svg(figure: Figure, path: Path) -> None:
    """Write a figure without the date, so that it changes only if its content changes.

    Parameters
    ----------
    figure : Figure
    path : Path
    """
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
