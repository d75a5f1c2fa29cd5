"""Figure of the coverage of ROI maps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.data_checks.measurement import read_flag
from bids_deeptaskgen.report.figures.style import (
    BLUE,
    INK,
    VERMILION,
    WIDTH_INCHES,
    default_style,
    hide_spines,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT_INCHES = 3.0
LABEL_POINTS = 7.0
# Browsers draw text with fonts of other widths.
LABEL_RESERVE = 1.15


def plot_coverage(
    roi_coverage: NDArray[np.floating], roi_names: Sequence[str] = (), *, threshold: float | None = None
) -> "Figure":
    """Draw the coverage of each ROI map, with the names of ROIs below the threshold.

    Parameters
    ----------
    roi_coverage : array of shape (n_rois,)
        Share of the weight of each ROI map on voxels with signal; NaN if unknown.
    roi_names : sequence of str
        Names of the ROIs; empty for numbers from 1.
    threshold : float or None
        ROIs below it are low; None for the threshold of the flag ``low_roi_coverage``.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the number of names differs from the number of ROIs.

    Examples
    --------
    >>> figure = plot_coverage(np.array([0.98, 0.31]), ["visual", "motor"], threshold=0.5)
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['motor']
    """
    coverage = np.asarray(roi_coverage, np.float64)
    names = list(roi_names) or [f"ROI {number}" for number in range(1, len(coverage) + 1)]
    if len(names) != len(coverage):
        msg = f"`roi_names` has {len(names)} names for {len(coverage)} ROIs."
        raise ValueError(msg)
    limit = float(read_flag("low_roi_coverage").threshold or 0.0) if threshold is None else threshold
    is_low = coverage < limit
    with default_style():
        figure = new_figure(WIDTH_INCHES, HEIGHT_INCHES)
        axes = figure.add_axes((0.08, 0.17, 0.9, 0.7))
        numbers = np.arange(1, len(coverage) + 1)
        for members, colour, kind in ((~is_low, BLUE, "at or above"), (is_low, VERMILION, "below")):
            n_rois = int((members & np.isfinite(coverage)).sum())
            label = f"{kind} the threshold: {n_rois} of {len(coverage)} ROIs"
            axes.bar(numbers[members], coverage[members], width=0.7, color=colour, label=label)
        axes.axhline(
            limit, color=INK, linestyle="--", linewidth=0.6, zorder=0.5, label=f"threshold {limit:g}"
        )
        axes.set(xlim=(0.4, len(coverage) + 0.6), ylim=(0, 1.02), xlabel="ROI", ylabel="share with signal")
        axes.set_yticks(np.linspace(0, 1, 6))
        _label_rois(axes, coverage, names, is_low)
        hide_spines(axes, "top", "right")
        figure.legend(loc="upper center", ncols=3, frameon=False, fontsize=8, borderpad=0.3)
    return figure


def _label_rois(
    axes: "Axes", coverage: NDArray[np.floating], names: Sequence[str], is_low: NDArray[np.bool_]
) -> None:
    """Write names above low bars, the lowest first, where they do not overlap, and make room for them."""
    points_per_roi = 0.9 * WIDTH_INCHES * 72 / len(coverage)
    distance = int(np.ceil(1.1 * LABEL_POINTS / points_per_roi))
    labelled: list[int] = []
    for roi in np.argsort(coverage, kind="stable"):
        if is_low[roi] and all(abs(roi - number) >= distance for number in labelled):
            labelled.append(int(roi))
    for roi in np.flatnonzero(np.isnan(coverage)).tolist():
        axes.text(roi + 1, 0.02, "?", ha="center", va="bottom")
    top = axes.get_ylim()[1]
    for roi in sorted(labelled):
        place = (roi + 1, coverage[roi] + 0.02)
        text = axes.text(*place, names[roi], rotation=90, ha="center", va="bottom", fontsize=LABEL_POINTS)
        # The text has a fixed length, the bar below it shrinks with the range of the axis.
        share = min(0.9, LABEL_RESERVE * text.get_window_extent().height / axes.bbox.height)
        top = max(top, place[1] / (1 - share))
    axes.set_ylim(0, top)
