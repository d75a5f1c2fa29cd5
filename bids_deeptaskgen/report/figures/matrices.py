"""Figure of the correlations between ROIs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.report.figures.style import WIDTH_INCHES, default_style, figure_of, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE_INCHES, LABEL_INCHES = 4.4, 1.7
MIN_POINTS, MAX_POINTS = 4.0, 9.0


def plot_connectome_matrix(
    matrix: NDArray[np.floating],
    roi_names: Sequence[str] = (),
    *,
    title: str = "",
    limit: float = 1.0,
    axes: "Axes | None" = None,
) -> "Figure":
    """Draw the correlation between the time series of ROIs.

    Parameters
    ----------
    matrix : array of shape (n_rois, n_rois)
        Pearson r; NaN, where unavailable, is grey.
    roi_names : sequence of str
        Names of the ROIs; empty for numbers from 1. Names that do not fit are omitted at equal steps.
    title : str
    limit : float
        Correlation at the ends of the colour bar.
    axes : Axes or None
        Where to draw; None for a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the matrix is not square, or the number of names differs from that of ROIs.

    Examples
    --------
    >>> figure = plot_connectome_matrix(np.eye(3), ["visual", "motor", "auditory"])
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['visual', 'motor', 'auditory']
    """
    matrix = np.asarray(matrix, np.float64)
    n_rois = len(matrix)
    names = list(roi_names) or [str(number) for number in range(1, n_rois + 1)]
    if matrix.shape != (n_rois, n_rois) or len(names) != n_rois:
        msg = f"`matrix` has the shape {matrix.shape}, and `roi_names` has {len(names)} names."
        raise ValueError(msg)
    with default_style():
        if axes is None:
            width, height = WIDTH_INCHES, SIDE_INCHES + 0.8
            axes = new_figure(width, height).add_axes(
                (LABEL_INCHES / width, 0.4 / height, SIDE_INCHES / width, SIDE_INCHES / height)
            )
        picture = axes.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="none")
        axes.set_facecolor("#999999")
        height = 72 * axes.get_position().height * figure_of(axes).get_figheight()
        step = int(np.ceil(n_rois * MIN_POINTS / height))
        points = min(MAX_POINTS, height / n_rois * step * 0.85)
        ticks = np.arange(0, n_rois, step)
        axes.set_yticks(ticks, [names[tick] for tick in ticks], fontsize=points)
        axes.set_xticks([])
        axes.set_xlabel("ROIs in the same order")
        axes.set_title(title, fontsize=10)
        figure_of(axes).colorbar(picture, cax=axes.inset_axes((1.03, 0.15, 0.035, 0.7)), label="Pearson r")
    return figure_of(axes)
