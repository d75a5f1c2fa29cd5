"""Appearance that figures share: colours, sizes, and drawing without pyplot, display or global settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours of Okabe and Ito, which are distinct for colour-blind readers. The contrast of the first three
# against white and against #121212 is 3 or more (WCAG 2.2, criterion 1.4.11).
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
)  # fmt: skip
# Text, axes and lines. `inline_svg` replaces this colour by the text colour of the page.
INK = "#000000"
WIDTH_INCHES = 7.2
FONT_POINTS = 9.0
DPI = 110
# Settings of matplotlib that concern windows and not figures.
UNRELATED = ("backend", "docstring", "interactive", "timezone", "tk.", "toolbar", "webagg")


@contextmanager
def default_style() -> Iterator[None]:
    """Set matplotlib's defaults and the font size of the figures, and restore the user's settings.

    Yields
    ------
    None
    """
    import matplotlib as mpl

    defaults = {key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith(UNRELATED)}
    with mpl.rc_context(defaults | {"font.size": FONT_POINTS, "axes.titlesize": FONT_POINTS}):
        yield


def new_figure(width: float, height: float) -> "Figure":
    """Build an empty figure that pyplot does not know.

    Parameters
    ----------
    width, height : float
        Size in inches.

    Returns
    -------
    Figure
        With the Agg canvas, which needs no display.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def hide_spines(axes: "Axes", *sides: str) -> None:
    """Remove sides of the frame of axes.

    Parameters
    ----------
    axes : Axes
    sides : str
        Of ``top``, ``right``, ``bottom``, ``left``.
    """
    for side in sides:
        axes.spines[side].set_visible(False)


def png_bytes(figure: "Figure", dpi: int = DPI) -> bytes:
    """Convert a figure to a PNG image.

    Parameters
    ----------
    figure : Figure
    dpi : int
        Pixels per inch.

    Returns
    -------
    bytes
        Without the version of matplotlib, so they depend on the figure alone.

    Examples
    --------
    >>> png_bytes(new_figure(1, 1))[1:4]
    b'PNG'
    """
    content = BytesIO()
    with default_style():
        figure.savefig(content, format="png", dpi=dpi, metadata={"Software": None})
    return content.getvalue()
