"""Figure of a run: motion, DVARS and the carpet plot on one time axis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.report.figures.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SKY,
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

# Inches.
LEFT_MARGIN, RIGHT_MARGIN, TOP_MARGIN, BOTTOM_MARGIN, GAP = 1.4, 0.12, 0.42, 0.48, 0.14
TRACE_HEIGHT, CARPET_HEIGHT, STRIP_WIDTH = 1.05, 2.6, 0.12
LABEL_DISTANCE = 0.15
GROUP_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)


def plot_run_quality(
    fd_mm: NDArray[np.floating] | None = None,
    dvars: NDArray[np.floating] | None = None,
    is_kept: NDArray[np.bool_] | None = None,
    t_r: float = 1.0,
    fd_threshold_mm: float = 0.0,
    carpet: NDArray[np.uint8] | None = None,
    carpet_groups: Sequence[tuple[str, int]] = (),
    *,
    n_dummies: int | None = None,
) -> "Figure":
    """Draw framewise displacement, DVARS and the carpet plot of a run on one time axis.

    Volume i spans the time from i to i + 1 repetition times. Each argument but `t_r` may be omitted.

    Parameters
    ----------
    fd_mm : array of shape (n_volumes,) or None
        Framewise displacement in mm; NaN where undefined.
    dvars : array of shape (n_volumes,) or None
        DVARS in percent of the mean signal; NaN where undefined.
    is_kept : boolean array of shape (n_volumes,) or None
        False for dummy scans and censored volumes.
    t_r : float
        Repetition time in s.
    fd_threshold_mm : float
        Volumes with a larger displacement are censored; 0 without censoring.
    carpet : uint8 array of shape (n_rows, n_columns) or None
        Signal of voxels in rows: 0 is -2 SD, 255 is 2 SD. Columns span the whole series.
    carpet_groups : sequence of (str, int)
        Name and number of rows of each tissue, from top to bottom.
    n_dummies : int or None
        Number of dummy scans; None if unknown: the volumes that are removed at the start then have the
        pattern of dummy scans, and the legend calls them "removed at the start".

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If arrays differ in their number of volumes, or `carpet_groups` in the number of rows.

    Examples
    --------
    >>> fd = np.array([0, 0.1, 0.7, 0.1])
    >>> figure = plot_run_quality(fd, is_kept=fd < 0.5, t_r=2, fd_threshold_mm=0.5)
    >>> float(figure.axes[-1].get_xlim()[1])
    8.0
    """
    n_volumes = _n_volumes(fd_mm, dvars, is_kept, carpet)
    if carpet is not None and carpet_groups and sum(rows for _, rows in carpet_groups) != len(carpet):
        n_rows = sum(rows for _, rows in carpet_groups)
        msg = f"`carpet` has {len(carpet)} rows, but `carpet_groups` has {n_rows}."
        raise ValueError(msg)
    traces = [
        (values, label, colour)
        for values, label, colour in ((fd_mm, "FD (mm)", BLUE), (dvars, "DVARS (%)", GREEN))
        if values is not None
    ]
    heights = [TRACE_HEIGHT] * len(traces) + ([CARPET_HEIGHT] if carpet is not None else [])
    with default_style():
        figure, panels = _panels(heights or [TRACE_HEIGHT], n_volumes * t_r)
        groups = _removed_volumes(is_kept, n_dummies)
        for axes, (values, label, colour) in zip(panels, traces, strict=False):
            _draw_trace(axes, values, t_r, label, colour)
            _draw_spans(axes, groups, t_r)
        if fd_mm is not None and fd_threshold_mm > 0:
            label = f"FD threshold {fd_threshold_mm:g} mm"
            panels[0].axhline(fd_threshold_mm, color=VERMILION, linestyle="--", linewidth=1.2, label=label)
            panels[0].set_ylim(0, max(panels[0].get_ylim()[1], 1.1 * fd_threshold_mm))
        if not traces:
            _draw_spans(panels[0], groups, t_r, only_strip=carpet is not None)
        if carpet is not None:
            _draw_carpet(panels[-1], carpet, n_volumes * t_r, carpet_groups)
        panels[-1].set_xlabel(f"time (s), {n_volumes} volumes of {t_r:g} s")
        _draw_legend(figure, panels[0])
    return figure


def _n_volumes(*arrays: NDArray[Any] | None) -> int:
    """Return the number of volumes of the series; a carpet may have fewer or more columns."""
    *series, carpet = arrays
    counts = {len(values) for values in series if values is not None}
    if len(counts) > 1:
        msg = f"`fd_mm`, `dvars` and `is_kept` differ in their number of volumes: {sorted(counts)}."
        raise ValueError(msg)
    return counts.pop() if counts else carpet.shape[1] if carpet is not None else 1


def _panels(heights: Sequence[float], duration: float) -> tuple["Figure", list["Axes"]]:
    """Build axes of equal left and right ends below each other, with time in s from 0 to the duration."""
    total = TOP_MARGIN + sum(heights) + GAP * (len(heights) - 1) + BOTTOM_MARGIN
    figure = new_figure(WIDTH_INCHES, total)
    top, panels = total - TOP_MARGIN, []
    for height in heights:
        place = (LEFT_MARGIN / WIDTH_INCHES, (top - height) / total)
        size = ((WIDTH_INCHES - LEFT_MARGIN - RIGHT_MARGIN) / WIDTH_INCHES, height / total)
        axes = figure.add_axes((*place, *size))
        axes.set_xlim(0, duration)
        hide_spines(axes, "top", "right")
        top -= height + GAP
        panels.append(axes)
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
    return figure, panels


def _draw_trace(axes: "Axes", values: NDArray[np.floating], t_r: float, label: str, colour: str) -> None:
    """Draw a value per volume at the middle of the volume."""
    axes.plot(
        (np.arange(len(values)) + 0.5) * t_r,
        values,
        color=colour,
        linewidth=1.0 if len(values) < 600 else 0.7,
    )
    finite = values[np.isfinite(values)]
    axes.set_ylim(0, 1.05 * finite.max() if finite.size and finite.max() > 0 else 1)
    axes.set_ylabel(label)
    axes.yaxis.set_label_coords(-0.62 / (WIDTH_INCHES - LEFT_MARGIN - RIGHT_MARGIN), 0.5)


def _removed_volumes(
    is_kept: NDArray[np.bool_] | None, n_dummies: int | None
) -> list[tuple[str, NDArray[np.bool_], dict[str, Any]]]:
    """List label, volumes and appearance of the kinds of volumes that are removed."""
    if is_kept is None:
        return []
    is_removed = ~np.asarray(is_kept, bool)
    n_leading = int(np.argmin(is_removed)) if not is_removed.all() else 0
    n_first = n_leading if n_dummies is None else n_dummies
    is_first = is_removed & (np.arange(len(is_removed)) < n_first)
    name = "removed at the start" if n_dummies is None else "dummy scans"
    styles: list[dict[str, Any]] = [
        {"facecolor": "none", "edgecolor": INK, "hatch": "////", "linewidth": 0, "alpha": 0.7},
        {"facecolor": VERMILION, "alpha": 0.45, "linewidth": 0},
    ]
    kinds = ((name, is_first), ("censored", is_removed & ~is_first))
    return [
        (f"{kind}: {volumes.sum()} of {len(volumes)}", volumes, style)
        for (kind, volumes), style in zip(kinds, styles, strict=True)
        if volumes.any()
    ]


def _draw_spans(
    axes: "Axes",
    groups: Sequence[tuple[str, NDArray[np.bool_], dict[str, Any]]],
    t_r: float,
    *,
    only_strip: bool = False,
) -> None:
    """Mark the time of removed volumes over the height of the axes, or in a strip above them."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    bottom, top = (1.01, 1.04) if only_strip else (0.0, 1.0)
    for label, volumes, style in groups:
        ends = np.diff(np.concatenate([[0], volumes.astype(np.int8), [0]]))
        spans = zip(np.flatnonzero(ends == 1) * t_r, np.flatnonzero(ends == -1) * t_r, strict=True)
        corners = [
            [(start, bottom), (start, top), (end, top), (end, bottom), (start, bottom)]
            for start, end in spans
        ]
        path = Path.make_compound_path(*(Path(np.array(box), closed=True) for box in corners))
        patch = PathPatch(
            path,
            transform=axes.get_xaxis_transform(),
            label=label,
            clip_on=not only_strip,
            zorder=0.5,
            **style,
        )
        axes.add_artist(patch)


def _draw_carpet(
    axes: "Axes", carpet: NDArray[np.uint8], duration: float, groups: Sequence[tuple[str, int]]
) -> None:
    """Draw the carpet in greys, with a strip of the tissues and their names on its left."""
    n_rows = len(carpet)
    extent = (0, duration, n_rows, 0)
    axes.imshow(carpet, cmap="gray", vmin=0, vmax=255, aspect="auto", interpolation="none", extent=extent)
    axes.set_yticks([])
    hide_spines(axes, "left", "bottom")
    box = axes.get_position()
    x = box.x0 - (STRIP_WIDTH + 0.03) / WIDTH_INCHES
    strip = figure_of(axes).add_axes((x, box.y0, STRIP_WIDTH / WIDTH_INCHES, box.height))
    strip.set(xlim=(0, 1), ylim=(n_rows, 0), xticks=[], yticks=[])
    hide_spines(strip, "top", "right", "bottom", "left")
    ends = np.cumsum([0, *(rows for _, rows in groups)])
    middles = (ends[:-1] + ends[1:]) / 2
    heights = _spread(middles, LABEL_DISTANCE / CARPET_HEIGHT * n_rows)
    for number, ((name, rows), start) in enumerate(zip(groups, ends[:-1], strict=True)):
        strip.barh(
            start, 1, height=rows, left=0, align="edge", color=GROUP_COLOURS[number % len(GROUP_COLOURS)]
        )
        strip.text(-0.4, heights[number], name, ha="right", va="center", fontsize=8)


def _spread(places: NDArray[np.floating], distance: float) -> NDArray[np.floating]:
    """Move labels downwards so that neighbours keep a distance."""
    spread = np.array(places, np.float64)
    for number in range(1, len(spread)):
        spread[number] = max(spread[number], spread[number - 1] + distance)
    return spread


def _draw_legend(figure: "Figure", axes: "Axes") -> None:
    """Draw a legend above all axes, if any artist has a label."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        height = figure.get_figheight()
        anchor = (LEFT_MARGIN / WIDTH_INCHES, 1 - 0.06 / height)
        figure.legend(
            handles,
            labels,
            loc="upper left",
            bbox_to_anchor=anchor,
            ncols=3,
            frameon=False,
            borderpad=0,
            fontsize=8,
        )
