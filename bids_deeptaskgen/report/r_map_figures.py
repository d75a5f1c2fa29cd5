"""Figures of maps of r across participants."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.axial_slices import SLICES_MM
from bids_deeptaskgen.report.colours import diverging_table
from bids_deeptaskgen.report.figures.images import as_slices, robust_limit
from bids_deeptaskgen.report.figures.style import default_style, new_figure, png_bytes
from bids_deeptaskgen.report.map_images import encode_signed
from bids_deeptaskgen.report.underlay import underlay_slices

MAP_WIDTH_INCHES, MAP_ROW_INCHES = 13.0, 1.5
FONT_POINTS = 9.0


@default_style(FONT_POINTS)
def draw_r_maps(maps: Mapping[str, Path], heading: str) -> bytes:
    """Draw axial slices of maps of r across participants, one row per predictor, on one colour scale.

    Parameters
    ----------
    maps : dict of str to Path
        Image by the name of the predictor; 0 is no value.
    heading : str
        Heading of the figure.

    Returns
    -------
    bytes
        A PNG image, with the left hemisphere on the left. Voxels without a value show the template.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    slices = [as_slices(path) for path in maps.values()]
    limit = robust_limit(*slices)
    figure = new_figure(MAP_WIDTH_INCHES, MAP_ROW_INCHES * len(slices) + 0.4)
    figure.set_layout_engine("constrained")
    panels = figure.subplots(len(slices), 1, squeeze=False)[:, 0]
    for axes, name, values in zip(panels, maps, slices, strict=True):
        axes.imshow(_montage(values, limit), interpolation="antialiased")
        axes.set_title(name, loc="left", fontsize=FONT_POINTS, pad=2)
        axes.set_axis_off()
    width = underlay_slices().shape[2]
    for number, z_mm in enumerate(SLICES_MM):
        panels[-1].text(
            (number + 0.5) * width, 0.0, f"z {z_mm}", ha="center", va="top", fontsize=7,
            transform=panels[-1].get_xaxis_transform(),
        )  # fmt: skip
    colours = ListedColormap(diverging_table("light")[1:] / 255)
    scale = ScalarMappable(Normalize(-limit, limit), colours)
    figure.colorbar(scale, ax=panels, fraction=0.012, pad=0.01, label="r")
    figure.suptitle(heading, fontsize=FONT_POINTS + 1)
    return png_bytes(figure, font_points=FONT_POINTS)


def _montage(values: NDArray[np.floating], limit: float) -> NDArray[np.uint8]:
    """Draw slices over the template, side by side, in RGB."""
    template = underlay_slices()
    _, n_rows, n_columns = template.shape
    # Pixel (2 i, 2 j) of the template is at pixel (i, j) of the slices.
    enlarged = values.repeat(2, axis=1).repeat(2, axis=2)[:, :n_rows, :n_columns]
    grey = np.where(template > 0, 150 + template // 3, 255).astype(np.uint8)
    coloured = diverging_table("light")[encode_signed(enlarged, limit)]
    images = np.where((enlarged != 0)[..., None], coloured, grey[..., None])
    return np.concatenate(list(images), axis=1).astype(np.uint8)
