"""Figures of an evaluation: maps of r across participants, and scores against data quality."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.axial_slices import SLICES_MM
from bids_deeptaskgen.report.colours import diverging_table
from bids_deeptaskgen.report.evaluation_figures import predictor_styles
from bids_deeptaskgen.report.figures.images import as_slices, robust_limit
from bids_deeptaskgen.report.figures.style import default_style, hide_spines, new_figure, png_bytes
from bids_deeptaskgen.report.map_images import encode_signed
from bids_deeptaskgen.report.underlay import underlay_slices

Row = Mapping[str, Any]

MAP_WIDTH_INCHES, MAP_ROW_INCHES = 13.0, 1.5
FONT_POINTS = 9.0
PANEL_INCHES = 2.9, 2.5
MEASURE_LABELS = {"minutes": "minutes kept", "mean_fd": "mean FD (mm)", "tsnr": "median tSNR"}
SCORE_LABELS = {"r": "r", "difference": "difference", "residual_r": "residual r"}


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


@default_style(FONT_POINTS)
def draw_quality(rows: Sequence[Row], scores: Sequence[str], measures: Sequence[str]) -> bytes:
    """Draw scores of participants against the quality of their data, one panel per score and measure.

    Parameters
    ----------
    rows : sequence of dict
        Rows of the table ``participant_quality``.
    scores : sequence of str
        Scores, one row of panels each.
    measures : sequence of str
        Measures, one column of panels each.

    Returns
    -------
    bytes
        A PNG image.
    """
    width, height = PANEL_INCHES
    figure = new_figure(width * len(measures), height * len(scores) + 0.4)
    figure.set_layout_engine("constrained")
    panels = figure.subplots(len(scores), len(measures), squeeze=False)
    # Only predictors with a value are in the legend; the difference of the group average is 0.
    names = [
        name
        for name in dict.fromkeys(row["predictor"] for row in rows)
        if any(len(set(_values(rows, name, score))) > 1 for score in scores)
    ]
    styles = {name: style for name, style in predictor_styles(rows).items() if name in names}
    for line, score in zip(panels, scores, strict=True):
        for axes, measure in zip(line, measures, strict=True):
            for name, style in styles.items():
                values = _values(rows, name, score)
                if len(set(values)) > 1:
                    quality = [
                        row[measure] for row in rows if row["predictor"] == name and _is_known(row, score)
                    ]
                    axes.plot(
                        quality, values, style["marker"], color=style["colour"], markersize=4, alpha=0.75
                    )
            axes.set_xlabel(MEASURE_LABELS.get(measure, measure))
            axes.set_ylabel(SCORE_LABELS.get(score, score))
            axes.grid(color="#e4e4e4", linewidth=0.6)
            hide_spines(axes, "top", "right")
    handles = [
        panels[0, 0].plot([], [], style["marker"], color=style["colour"], label=name)[0]
        for name, style in styles.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False)
    return png_bytes(figure, font_points=FONT_POINTS)


def _is_known(row: Row, score: str) -> bool:
    return bool(np.isfinite(row[score]))


def _values(rows: Sequence[Row], predictor: str, score: str) -> list[float]:
    return [row[score] for row in rows if row["predictor"] == predictor and _is_known(row, score)]
