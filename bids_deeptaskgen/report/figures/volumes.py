"""Figures of the series on axial slices: brain mask on the mean image, and temporal signal-to-noise ratio."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.axial_slices import SLICES_MM
from bids_deeptaskgen.report.figures.images import Image, as_slices, robust_limit
from bids_deeptaskgen.report.figures.style import ORANGE, WIDTH_INCHES, default_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

N_COLUMNS = 6
PANEL_INCHES, HEADING_INCHES = 1.35, 0.4


def plot_mask_outline(mean: Image, mask: Image, *, title: str = "Brain mask on the mean image") -> "Figure":
    """Draw the outline of a brain mask on the mean image of a series, on axial slices.

    Parameters
    ----------
    mean, mask : str, Path, nibabel image or array
        See `as_slices`; the two may be on different grids.
    title : str

    Returns
    -------
    Figure

    Examples
    --------
    >>> mean = np.zeros((91, 109, 91))
    >>> mean[20:70, 20:90, 10:80] = 100
    >>> figure = plot_mask_outline(mean, mean > 50)
    """
    slices, mask_slices = as_slices(mean), as_slices(mask) > 0.5
    with default_style():
        figure, panels = _montage(title, right_inches=0.0)
        _draw_slices(panels, slices, limits=(0.0, robust_limit(slices)), colour_map="gray")
        for axes, outline in zip(panels, mask_slices, strict=True):
            if outline.any() and not outline.all():
                axes.contour(outline.astype(np.float32), levels=[0.5], colors=[ORANGE], linewidths=1.0)
    return figure


def plot_tsnr(
    tsnr: Image, *, title: str = "Temporal signal-to-noise ratio", limit: float | None = None
) -> "Figure":
    """Draw the temporal signal-to-noise ratio (mean over standard deviation in time) on axial slices.

    Parameters
    ----------
    tsnr : str, Path, nibabel image or array
        See `as_slices`; without units.
    title : str
    limit : float or None
        Value at the end of the colour bar; None for the 99.5th percentile.

    Returns
    -------
    Figure

    Examples
    --------
    >>> figure = plot_tsnr(np.full((91, 109, 91), 60.0), limit=100)
    >>> figure.axes[-1].get_ylabel()
    'tSNR (ratio)'
    """
    slices = as_slices(tsnr)
    with default_style():
        figure, panels = _montage(title, right_inches=0.9)
        limits = (0.0, robust_limit(slices) if limit is None else limit)
        picture = _draw_slices(panels, slices, limits=limits, colour_map="inferno")
        height = figure.get_figheight()
        bar = figure.add_axes((1 - 0.8 / WIDTH_INCHES, 0.3 / height, 0.12 / WIDTH_INCHES, 1 - 0.9 / height))
        figure.colorbar(picture, cax=bar, label="tSNR (ratio)")
    return figure


def _montage(title: str, right_inches: float) -> tuple["Figure", list["Axes"]]:
    """Build axes for all slices in rows below a title."""
    n_rows = -(-len(SLICES_MM) // N_COLUMNS)
    width = (WIDTH_INCHES - right_inches) / N_COLUMNS
    panel_height = PANEL_INCHES * width / (WIDTH_INCHES / N_COLUMNS) + 0.1
    height = HEADING_INCHES + n_rows * panel_height
    figure = new_figure(WIDTH_INCHES, height)
    figure.text(0.01, 1 - 0.5 * HEADING_INCHES / height, title, va="center", fontsize=10)
    panels = []
    for number in range(len(SLICES_MM)):
        row, column = divmod(number, N_COLUMNS)
        bottom = 1 - (HEADING_INCHES + (row + 1) * panel_height) / height
        size = (0.98 * width / WIDTH_INCHES, 0.98 * panel_height / height)
        panels.append(figure.add_axes((column * width / WIDTH_INCHES, bottom, *size)))
    return figure, panels


def _draw_slices(
    panels: list["Axes"], slices: NDArray[np.float32], limits: tuple[float, float], colour_map: str
) -> "AxesImage":
    """Draw a slice in each of the axes, with its height in mm, and mark left and right."""
    for axes, pixels, z in zip(panels, slices, SLICES_MM, strict=True):
        picture = axes.imshow(
            pixels, cmap=colour_map, vmin=limits[0], vmax=limits[1], interpolation="nearest", aspect="equal"
        )
        axes.set_axis_off()
        for x, label, side in ((0.02, "L", "left"), (0.98, "R", "right")):
            axes.text(x, 0.98, label, transform=axes.transAxes, ha=side, va="top", color="white", fontsize=8)
        axes.text(0.02, 0.02, f"z = {z} mm", transform=axes.transAxes, va="bottom", color="white", fontsize=7)
    return picture
