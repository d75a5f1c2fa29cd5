"""Layout that the figures of biomarkers share: size, panels, names and legends."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from bids_deeptaskgen.report.figures.predictor_styles import predictor_styles
from bids_deeptaskgen.report.figures.style import hide_spines, new_figure, png_bytes

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LegendPlace = Literal["outside upper center", "outside upper right"]
# Colour and marker by feature set.
Styles = Mapping[str, Mapping[str, str]]

WIDTH_INCHES = 9.0
FONT_POINTS = 10.0
DPI = 144
PANELS_PER_ROW = 3
# Longest lines of names of features, beside and above axes.
NAME_WIDTH, TITLE_WIDTH = 22, 32
# Longest line of a label of axes, for each panel that it is below.
LABEL_WIDTH = 38
GREY, LIGHT_GREY = "#5f5f5f", "#e4e4e4"


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


def wide_figure(height: float) -> "Figure":
    """Build an empty figure of the usual width.

    Parameters
    ----------
    height : float
        In inches.

    Returns
    -------
    Figure
    """
    figure = new_figure(WIDTH_INCHES, height)
    figure.set_layout_engine("constrained")
    return figure


def titled_panels(names: Sequence[str], panel_height: float) -> tuple["Figure", list["Axes"]]:
    """Build a figure with a titled panel per name, all of one size whatever their number.

    Parameters
    ----------
    names : sequence of str
    panel_height : float
        In inches.

    Returns
    -------
    figure : Figure
    panels : list of Axes
    """
    n_rows = -(-len(names) // PANELS_PER_ROW)
    n_lines = max(wrap_name(name, TITLE_WIDTH).count("\n") + 1 for name in names)
    figure = wide_figure(0.75 + n_rows * (panel_height + 0.2 * n_lines))
    panels = list(figure.subplots(n_rows, PANELS_PER_ROW, squeeze=False).flat)
    for axes, name in zip(panels, names, strict=False):
        axes.set_title(wrap_name(name, TITLE_WIDTH), fontsize=FONT_POINTS, loc="left")
        hide_spines(axes, "top", "right")
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    return figure, panels[: len(names)]


def label_panels(figure: "Figure", panels: Sequence["Axes"], text: str) -> None:
    """Add a label of the x axes below the panels, in several lines if it is wider than they are.

    Parameters
    ----------
    figure : Figure
        From `titled_panels`; with everything else that needs space.
    panels : list of Axes
        Those with content.
    text : str
    """
    n_columns = min(len(panels), PANELS_PER_ROW)
    text = "\n".join(textwrap.wrap(text, LABEL_WIDTH * n_columns))
    label = figure.supxlabel(text, fontsize=FONT_POINTS)
    # The middle of the panels is known after the layout, and differs from that of the figure.
    figure.draw_without_rendering()
    boxes = [axes.get_position(original=True) for axes in panels[:n_columns]]
    label.set_x((boxes[0].x0 + boxes[-1].x1) / 2)


def add_legend(
    figure: "Figure", handles: Mapping[str, "Artist"], place: LegendPlace = "outside upper center"
) -> None:
    """Add a legend above the panels, unless it is empty.

    Parameters
    ----------
    figure : Figure
    handles : dict of str to Artist
        By label.
    place : {"outside upper center", "outside upper right"}
    """
    if handles:
        names = [wrap_name(name, 40) for name in handles]
        n_columns = min(3, len(names))
        figure.legend(handles.values(), names, loc=place, ncols=n_columns, frameon=False, fontsize=9)


def shorten(text: str, width: int = 90) -> str:
    """Shorten a text to a number of characters.

    Parameters
    ----------
    text : str
    width : int

    Returns
    -------
    str
    """
    return text if len(text) <= width else text[: width - 1] + "\u2026"


def to_png(figure: "Figure") -> bytes:
    """Convert a figure to a PNG image of the usual resolution.

    Parameters
    ----------
    figure : Figure

    Returns
    -------
    bytes
    """
    return png_bytes(figure, DPI, FONT_POINTS)
