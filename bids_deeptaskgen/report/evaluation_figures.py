"""Figures of an evaluation as PNG bytes: scores of models and baselines, and correlation matrices."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.report.figures.predictor_styles import predictor_styles
from bids_deeptaskgen.report.figures.style import default_style, hide_spines, new_figure, png_bytes

Row = Mapping[str, Any]

MATRICES_PER_ROW = 6
CONTRAST_INCHES = 0.16
FONT_POINTS = 10.0


@default_style(FONT_POINTS)
def draw_scores(rows: Sequence[Row], score: str, label: str) -> bytes:
    """Draw a score of each contrast for models and baselines, with intervals, chance level and ceiling.

    Parameters
    ----------
    rows : sequence of dict
        Rows of the table of scores, of all scores.
    score : str
        Score to draw.
    label : str
        Label of the axis.

    Returns
    -------
    bytes
        A PNG image.
    """
    finite_rows = [row for row in rows if row["score"] == score and np.isfinite(row["value"])]
    contrasts = list(dict.fromkeys(row["contrast"] for row in finite_rows))
    # Styles follow from the rows of all scores, so that a predictor looks the same in all figures.
    names = {row["predictor"] for row in finite_rows}
    styles = {name: style for name, style in predictor_styles(rows).items() if name in names}
    height = 1.1 + CONTRAST_INCHES * len(contrasts) * max(1.0, 0.45 * len(styles))
    figure = new_figure(9, height)
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    height_of: dict[tuple[str, str], float] = {}
    for number, (name, style) in enumerate(styles.items()):
        name_rows = [row for row in finite_rows if row["predictor"] == name]
        # Predictors of a contrast are offset, so that none hides another.
        shift = 0.7 * ((number + 0.5) / len(styles) - 0.5)
        y = [contrasts.index(row["contrast"]) + shift for row in name_rows]
        height_of |= {(row["contrast"], name): place for row, place in zip(name_rows, y, strict=True)}
        value = np.array([row["value"] for row in name_rows])
        axes.plot(value, y, style["marker"], color=style["colour"], markersize=5.5, label=name)
        ends = [[row["ci_low"] for row in name_rows], [row["ci_high"] for row in name_rows]]
        axes.hlines(y, *ends, color=style["colour"], linewidth=0.9)
    chances = {round(row["chance"], 9) for row in finite_rows if np.isfinite(row["chance"])}
    ceilings = {row["ceiling"] for row in finite_rows if np.isfinite(row["ceiling"])}
    for place in chances if len(chances) == 1 else ():
        axes.axvline(place, color="#c0392b", linestyle=":", linewidth=1, label=f"chance {place:.3g}")
    if len(chances) > 1:
        places = [(row["chance"], height_of[row["contrast"], row["predictor"]]) for row in finite_rows]
        axes.plot(*zip(*places, strict=True), "|", color="#c0392b", markersize=5, label="chance of each")
    for place in ceilings if len(ceilings) == 1 else ():
        axes.axvline(place, color="#27ae60", linestyle=":", linewidth=1, label=f"ceiling {place:.3g}")
    if len(ceilings) > 1:
        ceiling_of = {row["contrast"]: row["ceiling"] for row in finite_rows if np.isfinite(row["ceiling"])}
        y = np.array([contrasts.index(contrast) for contrast in ceiling_of])
        label_text = "ceiling of each contrast"
        axes.vlines(
            [*ceiling_of.values()], y - 0.4, y + 0.4, color="#27ae60", linewidth=1.6, label=label_text
        )
    dagger = {row["contrast"]: " \u2020" for row in finite_rows if row.get("unreliable")}
    axes.set_yticks(range(len(contrasts)), [label + dagger.get(label, "") for label in contrasts], fontsize=8)
    axes.set_ylim(len(contrasts) - 0.4, -0.6)
    axes.set_xlabel(label)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    hide_spines(axes, "top", "right", "left")
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    return png_bytes(figure, font_points=FONT_POINTS)


@default_style(FONT_POINTS)
def draw_matrices(matrices: Mapping[str, NDArray[np.floating]], heading: str) -> bytes:
    """Draw the correlations of all measured maps with all predictions, one matrix per contrast.

    Parameters
    ----------
    matrices : dict of str to array of shape (n_participants, n_participants)
        r by contrast, rows measured and columns predicted; NaN for participants without maps.
    heading : str
        Heading of the figure.

    Returns
    -------
    bytes
        A PNG image.
    """
    n_columns = min(MATRICES_PER_ROW, len(matrices))
    n_rows = -(-len(matrices) // n_columns)
    figure = new_figure(max(1.9 * n_columns, 5), 2.1 * n_rows + 0.9)
    figure.set_layout_engine("constrained")
    panels = figure.subplots(n_rows, n_columns, squeeze=False)
    values = np.concatenate([matrix.ravel() for matrix in matrices.values()])
    vmin, vmax = np.nanquantile(values, [0.005, 0.995])
    for axes, (contrast, matrix) in zip(panels.flat, matrices.items(), strict=False):
        picture = axes.imshow(matrix, vmin=vmin, vmax=vmax, cmap="viridis", interpolation="nearest")
        axes.set_title(contrast, fontsize=7)
        axes.set_xticks([])
        axes.set_yticks([])
    for axes in panels.flat[len(matrices) :]:
        axes.set_visible(False)
    panels[0, 0].set_xlabel("predicted", fontsize=7)
    panels[0, 0].set_ylabel("measured", fontsize=7)
    figure.colorbar(picture, ax=panels, shrink=0.8 / n_rows**0.5, label="r")
    figure.suptitle(heading, fontsize=10)
    return png_bytes(figure, font_points=FONT_POINTS)
