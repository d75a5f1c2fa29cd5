"""Data of a participant's page that its script draws: images as PNG, numbers and words as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bids_deeptaskgen.connectome.axial_slices import SLICES_MM
from bids_deeptaskgen.grid import CROP, OUTPUT_GRID
from bids_deeptaskgen.report.colours import diverging_table, sequential_table
from bids_deeptaskgen.report.html import format_number
from bids_deeptaskgen.report.participant_content import (
    Bytes,
    ConnectomeContent,
    MapContent,
    ParticipantContent,
    SessionContent,
)
from bids_deeptaskgen.report.png import png_strip, png_uri
from bids_deeptaskgen.report.surface import N_COARSE, N_VERTICES, VIEWS, SurfacePicture, draw_surface
from bids_deeptaskgen.report.underlay import glass_underlay, underlay_slices

# Only every n-th byte of a map is kept, 31 on each side of zero: the page is a fifth smaller, and a step is
# less than readers distinguish on a colour scale.
BYTE_STEP = 4
# The same for magnitudes.
SD_STEP = 8
# A page of more sessions has images at every second pixel and surfaces of fsaverage4, so that it stays small.
MAX_FULL_SESSIONS = 1
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
RETEST_REMARK = (
    "typical spatial correlation of measured maps of two visits of a participant; it includes the pattern "
    "that all participants share, so it is no reliability of individual differences"
)


def page_data(content: ParticipantContent) -> dict[str, Any]:
    """Convert the content that the page's script draws.

    Parameters
    ----------
    content : ParticipantContent

    Returns
    -------
    dict
        JSON without NaN. Without maps and connectomes, only the sessions' names.
    """
    n_drawn = sum(bool(session.maps) for session in content.sessions)
    step = 1 if n_drawn <= MAX_FULL_SESSIONS else 2
    sessions = [_session_data(content, session, step) for session in content.sessions]
    data: dict[str, Any] = {"sessions": sessions}
    if any(session["maps"] or session["connectome"] for session in sessions):
        data |= {"slicesMm": SLICES_MM, "sliceBox": BOXES[2], "colours": _colours()}
        data["underlay"] = png_strip(underlay_slices())
    if n_drawn:
        data |= {"thresholdShare": THRESHOLD_SHARE, "surface": _surface(step)}
        data["glass"] = [
            {"box": box, "png": png_uri(image)} for box, image in zip(BOXES, glass_underlay(), strict=True)
        ]
    return data


def _colours() -> dict[str, list[int]]:
    tables = {scheme: diverging_table(scheme) for scheme in ("light", "dark")}
    return {name: table.ravel().tolist() for name, table in (tables | {"sd": sequential_table()}).items()}


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


def _session_data(content: ParticipantContent, session: SessionContent, step: int) -> dict[str, Any]:
    # The maps of a task are neighbours in the selector, so the next map is the next entry.
    tasks = list(dict.fromkeys(image.task for image in session.maps))
    maps = sorted(session.maps, key=lambda image: tasks.index(image.task))
    return {
        "name": session.name,
        "maps": [_map_data(content, session, image, step) for image in maps],
        "connectome": _connectome_data(session.connectome, step) if session.connectome else None,
    }


def _map_data(content: ParticipantContent, session: SessionContent, image: MapContent, step: int) -> Any:
    images = image.images
    data: dict[str, Any] = {
        "label": image.label,
        "task": image.task,
        "units": image.units,
        "limit": _short(images.limit),
        "step": step,
        "slices": png_strip(coarsen(images.slices[:, ::step, ::step], BYTE_STEP)),
        "glass": [png_uri(coarsen(plane[::step, ::step], BYTE_STEP)) for plane in images.glass],
        "surface": png_uri(_picture(step).arrange(coarsen(images.surface, BYTE_STEP))),
        "warning": image.warning,
        "facts": list(map_facts(content, session, image)),
    }
    if image.sd_slices is not None:
        data["sd"] = {
            "png": png_strip(coarsen_magnitudes(image.sd_slices[:, ::step, ::step])),
            "limit": _short(image.sd_limit),
            "meaning": image.sd_meaning,
        }
    return data


def map_facts(
    content: ParticipantContent, session: SessionContent, image: MapContent
) -> Iterator[tuple[str, str]]:
    """List what is known of a map.

    Parameters
    ----------
    content : ParticipantContent
    session : SessionContent
    image : MapContent
        Of the session.

    Yields
    ------
    tuple of (str, str)
        Heading and words.
    """
    yield "Contrast", image.source_name
    yield "Units", image.units
    if image.retest_r is None:
        yield "Retest reliability", "not known"
    else:
        yield "Retest reliability", f"r = {format_number(image.retest_r, 2)} ({RETEST_REMARK})"
    if image.calibration_weight is None:
        yield "Calibration", "not calibrated"
    else:
        weight = format_number(image.calibration_weight, 2)
        yield "Calibration", f"calibrated; weight of the network's map: {weight}"
    if image.sd_slices is not None:
        yield "Standard deviation", image.sd_meaning
    yield from _agreement_facts(session.agreement_measures, image.agreement)
    for pair, value in content.session_agreement_by_contrast.get(image.label, {}).items():
        yield f"Agreement between {content.set_kinds}: {pair}", format_number(value)


def _agreement_facts(measures: Sequence[Any], values: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    titles = {measure.name: measure.title for measure in measures}
    for name, value in values.items():
        yield titles.get(name, name), format_number(value)


def _connectome_data(connectome: ConnectomeContent, step: int) -> dict[str, Any]:
    images = () if connectome.maps is None else tuple(connectome.maps[:, :, ::step, ::step])
    return {
        "names": list(connectome.roi_names),
        "matrix": [
            [round(value, 3) if np.isfinite(value) else None for value in row]
            for row in connectome.matrix.tolist()
        ],
        "maps": [png_strip(coarsen(image, BYTE_STEP)) for image in images],
        "step": 2 * step,
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


def _short(value: float) -> float:
    """Round to 4 significant digits, which the page shows and computes with."""
    return float(f"{value:.3e}")
