"""Figures of maps: axial slices on the MNI template, glass brain, and cortical surface, drawn by nilearn."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.report.figures.images import Image, as_nibabel, robust_limit
from bids_deeptaskgen.report.figures.style import default_style, figure_of, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

# Axial slices in mm that show the hand area, the visual and the auditory cortex, and the cerebellum.
SLICES_MM = (-30, -14, 0, 12, 26, 42, 58)
COLOUR_MAP = "cold_hot"
# The threshold is this share of the limit of the colours.
THRESHOLD_SHARE = 1 / 6
WIDTH_INCHES, ROW_INCHES, HEADING_INCHES = 13.0, 2.4, 0.5
GLASS_INCHES = (10.0, 2.8)
SURFACE_INCHES = (11.0, 2.9)
SURFACE_VIEWS = (("left", "lateral"), ("left", "medial"), ("right", "medial"), ("right", "lateral"))
N_VERTICES = 10242


def plot_statmap(
    image: Image,
    *,
    title: str = "",
    units: str = "z",
    limit: float | None = None,
    threshold: float | None = None,
    slices_mm: Sequence[float] = SLICES_MM,
    axes: "Axes | None" = None,
) -> "Figure":
    """Draw axial slices of a map on the MNI template, with the left hemisphere on the left.

    Parameters
    ----------
    image : str, Path, nibabel image or array
        See `as_nibabel`.
    title : str
    units : str
        Units of the map, for the colour bar.
    limit : float or None
        Value at the ends of the colour bar, which is symmetric; None for the 99.5th percentile of magnitudes.
    threshold : float or None
        Smaller magnitudes are transparent; None for a sixth of the limit.
    slices_mm : sequence of float
        z of the slices in mm.
    axes : Axes or None
        Where to draw; None for a new figure.

    Returns
    -------
    Figure

    Examples
    --------
    >>> volume = np.zeros((91, 109, 91))
    >>> volume[60:70, 50:60, 40:50] = 3
    >>> figure = plot_statmap(volume, title="Example", slices_mm=(12,))
    """
    content = as_nibabel(image)
    limit = robust_limit(content.dataobj) if limit is None else limit
    with default_style(), _without_warnings_of_empty_maps():
        if axes is None:
            height = ROW_INCHES + (HEADING_INCHES if title else 0)
            figure = new_figure(WIDTH_INCHES, height)
            axes = figure.add_axes((0, 0, 0.97, ROW_INCHES / height))
            figure.text(0.5, 1 - 0.5 * HEADING_INCHES / height, title, ha="center", va="center", fontsize=12)
        elif title:
            axes.set_title(title, fontsize=12)
        display = _nilearn().plot_stat_map(
            content,
            figure=figure_of(axes),
            axes=axes,
            display_mode="z",
            cut_coords=list(slices_mm),
            vmax=limit,
            threshold=limit * THRESHOLD_SHARE if threshold is None else threshold,
            # Otherwise a map without negative values would have another colour scale.
            symmetric_cbar=True,
            cmap=COLOUR_MAP,
        )
        _label_display(display, units)
    return figure_of(axes)


def plot_statmaps(
    rows: Sequence[tuple[str, Image]], *, heading: str = "", units: str = "z", limit: float | None = None
) -> "Figure":
    """Draw axial slices of maps, one row per map, on one colour scale.

    Parameters
    ----------
    rows : sequence of (str, image)
        Title and image of each map.
    heading, units : str
    limit : float or None
        See `plot_statmap`; None for the 99.5th percentile of the magnitudes of all maps.

    Returns
    -------
    Figure

    Examples
    --------
    >>> volume = np.zeros((91, 109, 91))
    >>> figure = plot_statmaps([("first", volume), ("second", volume)])
    >>> [text.get_text() for text in figure.texts]
    ['', 'first', 'second']
    """
    images = [as_nibabel(image) for _, image in rows]
    limit = robust_limit(*(image.dataobj for image in images)) if limit is None else limit
    height = ROW_INCHES * len(rows) + HEADING_INCHES
    with default_style():
        figure = new_figure(WIDTH_INCHES, height)
        figure.text(0.5, 1 - 0.5 * HEADING_INCHES / height, heading, ha="center", va="center", fontsize=13)
        for number, ((title, _), image) in enumerate(zip(rows, images, strict=True)):
            top = 1 - (HEADING_INCHES + number * ROW_INCHES) / height
            figure.text(0.01, top, title, va="top", fontsize=12)
            # The line above the slices is for the title.
            place = (0.0, top - ROW_INCHES / height, 0.97, 0.86 * ROW_INCHES / height)
            plot_statmap(image, units=units, limit=limit, axes=figure.add_axes(place))
    return figure


def plot_glass_brain(
    image: Image,
    *,
    title: str = "",
    units: str = "z",
    limit: float | None = None,
    threshold: float | None = None,
    axes: "Axes | None" = None,
) -> "Figure":
    """Draw the values of largest magnitude of a map through a transparent brain, with their sign.

    Parameters
    ----------
    image : str, Path, nibabel image or array
        See `as_nibabel`.
    title, units : str
    limit, threshold : float or None
        See `plot_statmap`.
    axes : Axes or None
        Where to draw; None for a new figure.

    Returns
    -------
    Figure

    Examples
    --------
    >>> volume = np.zeros((91, 109, 91))
    >>> volume[60:70, 50:60, 40:50] = 3
    >>> figure = plot_glass_brain(volume, title="Example")
    """
    content = as_nibabel(image)
    limit = robust_limit(content.dataobj) if limit is None else limit
    with default_style(), _without_warnings_of_empty_maps():
        if axes is None:
            axes = new_figure(*GLASS_INCHES).add_axes((0, 0, 0.96, 0.9))
        if title:
            figure_of(axes).suptitle(title, fontsize=12)
        display = _nilearn().plot_glass_brain(
            content,
            figure=figure_of(axes),
            axes=axes,
            display_mode="lyrz",
            vmax=limit,
            threshold=limit * THRESHOLD_SHARE if threshold is None else threshold,
            plot_abs=False,
            symmetric_cbar=True,
            colorbar=True,
            black_bg=False,
            cmap=COLOUR_MAP,
        )
        _label_display(display, units)
    return figure_of(axes)


def plot_surface(
    values: Image | NDArray[np.floating],
    *,
    title: str = "",
    units: str = "z",
    limit: float | None = None,
    threshold: float | None = None,
) -> "Figure":
    """Draw a map on the cortical surface fsaverage5, in lateral and medial views of both hemispheres.

    Parameters
    ----------
    values : str, Path, nibabel image or array
        An image, which is averaged over the depth of the cortex (see `as_nibabel`), or an array of shape
        (20484,) with the values at the vertices, left then right hemisphere.
    title, units : str
    limit, threshold : float or None
        See `plot_statmap`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> figure = plot_surface(np.zeros(20484), title="Example")
    >>> [axes.get_title() for axes in figure.axes][:2]
    ['left, lateral', 'left, medial']
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    plotting, meshes = _nilearn(), _fsaverage5()
    hemispheres = _vertex_values(values, meshes)
    limit = robust_limit(*hemispheres.values()) if limit is None else limit
    threshold = limit * THRESHOLD_SHARE if threshold is None else threshold
    with default_style():
        figure = new_figure(*SURFACE_INCHES)
        for number, (hemisphere, view) in enumerate(SURFACE_VIEWS):
            axes = figure.add_axes((0.23 * number, -0.05, 0.225, 0.9), projection="3d")
            plotting.plot_surf_stat_map(
                meshes[f"infl_{hemisphere}"],
                hemispheres[hemisphere],
                hemi=hemisphere,
                view=view,
                bg_map=meshes[f"sulc_{hemisphere}"],
                figure=figure,
                axes=axes,
                vmax=limit,
                vmin=-limit,
                threshold=threshold,
                colorbar=False,
                cmap=COLOUR_MAP,
            )
            axes.set_title(f"{hemisphere}, {view}", fontsize=10, y=0.93)
        figure.suptitle(title, fontsize=12, y=0.98)
        scale = ScalarMappable(Normalize(-limit, limit), _thresholded_colours(limit, threshold))
        figure.colorbar(scale, cax=figure.add_axes((0.93, 0.12, 0.012, 0.68)), label=f"value ({units})")
    return figure


def _nilearn() -> Any:
    """Import nilearn's figures late: the import takes a second."""
    from nilearn import plotting

    return plotting


def _fsaverage5() -> Any:
    """Return the files of fsaverage5 that nilearn contains."""
    from nilearn.datasets import fetch_surf_fsaverage

    return fetch_surf_fsaverage("fsaverage5")


def _vertex_values(values: Image, meshes: Any) -> dict[str, NDArray[np.floating]]:
    """Return the values at the vertices by hemisphere."""
    from nilearn.surface import vol_to_surf

    if getattr(values, "shape", None) == (2 * N_VERTICES,):
        hemispheres = np.split(np.asarray(values, np.float64), 2)
        return dict(zip(("left", "right"), hemispheres, strict=True))
    content = as_nibabel(values)
    return {
        side: vol_to_surf(content, meshes[f"pial_{side}"], inner_mesh=meshes[f"white_{side}"])
        for side in ("left", "right")
    }


def _thresholded_colours(limit: float, threshold: float) -> "ListedColormap":
    """Return the colours of maps with grey for values below the threshold."""
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap

    values = np.linspace(-limit, limit, 256)
    colours = mpl.colormaps[COLOUR_MAP](np.arange(256))
    colours[np.abs(values) < threshold] = 0.5, 0.5, 0.5, 1.0
    return ListedColormap(colours)


def _label_display(display: Any, units: str) -> None:
    """Write the units at the colour bar of a display of nilearn, and remove the boxes behind its labels.

    The boxes are white, and would hide text in the colour of a dark page.
    """
    for axes in display.axes.values():
        for text in axes.ax.texts:
            text.set_bbox(None)
    if units and getattr(display, "_cbar", None) is not None:
        display._cbar.set_label(f"value ({units})")


@contextmanager
def _without_warnings_of_empty_maps() -> Iterator[None]:
    """Draw only the template, without a warning, if no voxel of a map reaches the threshold."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="empty mask")
        yield
