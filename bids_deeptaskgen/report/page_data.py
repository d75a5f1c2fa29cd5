"""Data of a participant's page that its script draws: images as PNG, numbers and words as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bids_deeptaskgen.report.html import format_number
from bids_deeptaskgen.report.participant_content import (
    ConnectomeContent,
    MapContent,
    ParticipantContent,
    SessionContent,
)
from bids_deeptaskgen.report.png import png_strip
from bids_deeptaskgen.report.viewer_data import BYTE_STEP, Detail, coarsen, map_data, slice_data, viewer_data

# A page of more sessions has images at every second pixel and surfaces of fsaverage4, so that it stays small.
MAX_FULL_SESSIONS = 1
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
    detail = Detail(map_step(n_drawn))
    sessions = [_session_data(content, session, detail) for session in content.sessions]
    data: dict[str, Any] = {"sessions": sessions}
    if any(session["maps"] or session["connectome"] for session in sessions):
        data |= slice_data()
    if n_drawn:
        data |= viewer_data(detail)
    return data


def map_step(n_drawn: int) -> int:
    """Return the step of the images of a page, see `viewer_data.Detail`.

    Parameters
    ----------
    n_drawn : int
        Number of sessions with maps.

    Returns
    -------
    int
    """
    return 1 if n_drawn <= MAX_FULL_SESSIONS else 2


def _session_data(content: ParticipantContent, session: SessionContent, detail: Detail) -> dict[str, Any]:
    # The maps of a task are neighbours in the selector, so the next map is the next entry.
    tasks = list(dict.fromkeys(image.task for image in session.maps))
    maps = sorted(session.maps, key=lambda image: tasks.index(image.task))
    return {
        "name": session.name,
        "maps": [map_data(image, map_facts(content, session, image), detail) for image in maps],
        "connectome": _connectome_data(session.connectome, detail.step) if session.connectome else None,
    }


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
    yield "Retest reliability", retest_words(image)
    if image.calibration_weight is None:
        yield "Calibration", "not calibrated"
    else:
        weight = format_number(image.calibration_weight, 2)
        yield "Calibration", f"calibrated; weight of the predicted map: {weight}"
    if image.sd_slices is not None:
        yield "Standard deviation", image.sd_meaning
    yield from _agreement_facts(session.agreement_measures, image.agreement)
    for pair, value in content.session_agreement_by_contrast.get(image.label, {}).items():
        yield f"Agreement between {content.set_kinds}: {pair}", format_number(value)


def retest_words(image: MapContent) -> str:
    """Describe the retest reliability of measured maps of a contrast.

    Parameters
    ----------
    image : MapContent

    Returns
    -------
    str
    """
    if image.retest_r is None:
        return "not known"
    return f"r = {format_number(image.retest_r, 2)} ({RETEST_REMARK})"


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
