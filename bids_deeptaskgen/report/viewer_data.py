"""Data of the viewer of maps: images as PNG, with as many details as a page has space for."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bids_deeptaskgen.connectome.axial_slices import SLICES_MM
from bids_deeptaskgen.grid import CROP, OUTPUT_GRID
from bids_deeptaskgen.report.colours import diverging_table, sequential_table
from bids_deeptaskgen.report.participant_content import Bytes, MapContent
from bids_deeptaskgen.report.png import png_strip, png_uri
from bids_deeptaskgen.report.surface import N_COARSE, N_VERTICES, VIEWS, SurfacePicture, draw_surface
from bids_deeptaskgen.report.underlay import glass_underlay, underlay_slices

# Only every n-th byte of a map is kept, 31 on each side of zero: the page is a fifth smaller, and a step is
# less than readers distinguish on a colour scale.
BYTE_STEP = 4
# The same for magnitudes.
SD_STEP = 8
# Radius in pixels of the mean that smooths the surface between vertices, by vertices per hemisphere.
SMOOTHING = {N_VERTICES: 1, N_COARSE: 3}
# Values below this share of the colour range are hidden at first, as in `map_figures`.
THRESHOLD_SHARE = 1 / 6
# Part of the images that is drawn, the box of the models' grid: first column, first row, columns, rows. Of
# projections along x and y, and along z, which is that of slices.
_FIRST = [n - part.stop for n, part in zip(OUTPUT_GRID.shape, CROP, strict=True)]
_X, _Y, _Z = (part.stop - part.start for part in CROP)
BOXES = (
    (CROP[1].start, _FIRST[2], _Y, _Z),
    # The models' grid runs from right to left.
    (_FIRST[0], _FIRST[2], _X, _Z),
    (_FIRST[0], _FIRST[1], _X, _Y),
)


@dataclass(frozen=True)
class Detail:
    """Details of the images of a page.

    Attributes
    ----------
    step : int
        Every n-th voxel is kept; above 1, the surface is fsaverage4.
    byte_step : int
        Every n-th byte is kept.
    """

    step: int = 1
    byte_step: int = BYTE_STEP


def slice_data() -> dict[str, Any]:
    """Return what the script needs to draw slices and colours.

    Returns
    -------
    dict
        JSON.
    """
    return {
        "slicesMm": SLICES_MM,
        "sliceBox": BOXES[2],
        "colours": colour_data(),
        "underlay": png_strip(underlay_slices()),
    }


def viewer_data(detail: Detail) -> dict[str, Any]:
    """Return what the script needs to draw surfaces and projections.

    Parameters
    ----------
    detail : Detail

    Returns
    -------
    dict
        JSON.
    """
    glass = [{"box": box, "png": png_uri(image)} for box, image in zip(BOXES, glass_underlay(), strict=True)]
    return {"thresholdShare": THRESHOLD_SHARE, "surface": _surface(detail.step), "glass": glass}


def colour_data() -> dict[str, list[int]]:
    """Return the tables of colours by name, three numbers for each byte.

    Returns
    -------
    dict of str to list of int
        ``light``, ``dark`` and ``sd``.
    """
    tables = {scheme: diverging_table(scheme) for scheme in ("light", "dark")}
    return {name: table.ravel().tolist() for name, table in (tables | {"sd": sequential_table()}).items()}


def surface_name(step: int) -> str:
    """Return the name of the surface of images with a step.

    Parameters
    ----------
    step : int
        See `Detail`.

    Returns
    -------
    str

    Examples
    --------
    >>> surface_name(1), surface_name(2)
    ('fsaverage5', 'fsaverage4')
    """
    return "fsaverage5" if step == 1 else "fsaverage4"


def map_data(image: MapContent, facts: Iterable[tuple[str, str]], detail: Detail) -> dict[str, Any]:
    """Convert a map to data of the viewer.

    Parameters
    ----------
    image : MapContent
    facts : iterable of (str, str)
        Heading and words.
    detail : Detail

    Returns
    -------
    dict
        JSON.
    """
    images, step = image.images, detail.step
    data: dict[str, Any] = {
        "label": image.label,
        "task": image.task,
        "units": image.units,
        "limit": short(images.limit),
        "step": step,
        "slices": png_strip(coarsen(images.slices[:, ::step, ::step], detail.byte_step)),
        "glass": [png_uri(coarsen(plane[::step, ::step], detail.byte_step)) for plane in images.glass],
        "surface": png_uri(_picture(step).arrange(coarsen(images.surface, detail.byte_step))),
        "warning": image.warning,
        "facts": list(facts),
    }
    if image.sd_slices is not None:
        data["sd"] = {
            "png": png_strip(coarsen_magnitudes(image.sd_slices[:, ::step, ::step])),
            "limit": short(image.sd_limit),
            "meaning": image.sd_meaning,
        }
    return data


def _picture(step: int) -> SurfacePicture:
    return draw_surface(N_VERTICES if step == 1 else N_COARSE)


def _surface(step: int) -> dict[str, Any]:
    """Store the pixels' vertices as red and green, plus 1 so that 0 is no vertex, and shading as blue."""
    picture = _picture(step)
    codes = picture.pixels + 1
    image = np.stack([codes >> 8, codes & 255, picture.shading], axis=-1).astype(np.uint8)
    return {
        "png": png_uri(image),
        "width": image.shape[1] // len(VIEWS),
        "height": image.shape[0],
        "smoothing": SMOOTHING[picture.n_vertices],
        "views": [{"title": title, "hemisphere": side} for side, _, title in VIEWS],
    }


def coarsen(encoded: Bytes, step: int) -> Bytes:
    """Round the bytes of signed values to fewer values.

    Parameters
    ----------
    encoded : uint8 array
        128 is zero, 0 is no value; see `participant_content.MapImages`.
    step : int
        Distance of the values that are kept.

    Returns
    -------
    uint8 array of the same shape
        Zero, the sign of a value, and no value are kept.

    Examples
    --------
    >>> coarsen(np.array([0, 1, 127, 128, 130, 255], np.uint8), 4).tolist()
    [0, 4, 128, 128, 128, 252]
    """
    signed = encoded.astype(np.int16) - 128
    rounded = np.rint(signed / step).astype(np.int16) * step + 128
    # 127 is no multiple of the step, so rounding may leave the range.
    rounded = np.where(rounded > 255, rounded - step, np.where(rounded < 1, rounded + step, rounded))
    return np.where(encoded == 0, 0, rounded).astype(np.uint8)


def coarsen_magnitudes(encoded: Bytes) -> Bytes:
    """Round the bytes of magnitudes to fewer values.

    Parameters
    ----------
    encoded : uint8 array
        0 is no value.

    Returns
    -------
    uint8 array of the same shape
        No value is kept; the smallest value becomes the middle of its step.

    Examples
    --------
    >>> coarsen_magnitudes(np.array([0, 1, 7, 8, 255], np.uint8)).tolist()
    [0, 4, 4, 12, 252]
    """
    middle = encoded // SD_STEP * SD_STEP + SD_STEP // 2
    return np.where(encoded == 0, 0, middle).astype(np.uint8)


def short(value: float) -> float:
    """Round to 4 significant digits, which the page shows and computes with.

    Parameters
    ----------
    value : float

    Returns
    -------
    float

    Examples
    --------
    >>> short(0.123456), short(-1234567.0)
    (0.1235, -1235000.0)
    """
    return float(f"{value:.3e}")
