"""Figures of maps as PNG files."""

from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.io.atomic import write_bytes
from bids_deeptaskgen.report.figures.maps import plot_statmaps
from bids_deeptaskgen.report.figures.style import png_bytes

DPI = 90


def draw_statmaps(path: Path, rows: Sequence[tuple[str, Path]], *, heading: str = "") -> None:
    """Draw axial slices of maps on the template, one row per map, on one colour scale.

    The left hemisphere is on the left.

    Parameters
    ----------
    path : Path
        PNG file to write.
    rows : sequence of (str, Path)
        Title and image file of each map.
    heading : str
        Heading of the figure.
    """
    write_bytes(path, png_bytes(plot_statmaps(rows, heading=heading), DPI))
