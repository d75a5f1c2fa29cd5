"""Maps of a session, as images for its page."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.report.map_images import map_images, sd_slices
from bids_deeptaskgen.report.participant_content import MapContent
from bids_deeptaskgen.report.reading.measures import AGREEMENT
from bids_deeptaskgen.report.reading.sources import SessionSources
from bids_deeptaskgen.report.surface import SurfaceSampler, make_surface_sampler

Floats = NDArray[np.float32]


def read_statmaps(sources: SessionSources, kind: str = "statmap") -> Iterator[tuple[str, Floats]]:
    """Read the maps of a session, one at a time unless they are in one image.

    Parameters
    ----------
    sources : SessionSources
    kind : {"statmap", "window_sd", "bootstrap_sd"}

    Yields
    ------
    label : str
    values : float32 array of shape (91, 109, 91)
        On ``OUTPUT_GRID``, in the units of the map.
    """
    result, output = sources.result, sources.output_dir
    labels = result.maps.contrasts
    if result.maps.layout == "3d":
        for label in labels:
            yield label, result.read(output, [label], kind)[0]
        return
    yield from zip(labels, result.read(output, labels, kind), strict=True)


def sd_kind(sources: SessionSources) -> tuple[str, str]:
    """Return which standard deviation of the maps exists.

    Parameters
    ----------
    sources : SessionSources

    Returns
    -------
    kind : str
        ``window_sd``, ``bootstrap_sd``, or empty.
    meaning : str
        Words for the page; empty without one.
    """
    label = sources.result.maps.contrasts[0]
    n_predictions = sources.provenance.get("Computed", {}).get("Predictions")
    for kind, meaning in (
        ("window_sd", f"over {n_predictions} windows"),
        ("bootstrap_sd", "over resamples of blocks of volumes (bootstrap)"),
    ):
        if sources.result.statmap(sources.output_dir, label, kind).is_file():
            return kind, meaning
    return "", ""


def read_maps(sources: SessionSources) -> list[MapContent]:
    """Read all maps of a session with their sidecars.

    Parameters
    ----------
    sources : SessionSources

    Returns
    -------
    list of MapContent
        In the order of the network's channels, as the sidecars state it; by task and label if they do not
        (files of an earlier version).
    """
    if not sources.result.maps.contrasts:
        return []
    entries = contrast_entries(sources)
    agreement = {row["contrast"]: row for row in sources.rows("agreement")}
    kind, meaning = sd_kind(sources)
    deviations = read_statmaps(sources, kind) if kind else repeat(("", None))
    sampler: SurfaceSampler | None = None
    contents = []
    for (label, values), (_, deviation) in zip(read_statmaps(sources), deviations, strict=False):
        # All maps have the same mask, that of the model without regions that lack signal.
        sampler = sampler or make_surface_sampler(values != 0)
        slices, limit = (None, 0.0) if deviation is None else sd_slices(deviation, sampler.mask)
        entry = entries[label]
        contents.append(
            MapContent(
                label=label,
                task=entry["Task"],
                source_name=entry["SourceName"],
                units=entry["Units"],
                images=map_images(values, sampler),
                sd_slices=slices,
                sd_limit=limit,
                sd_meaning=meaning,
                retest_r=entry.get("TypicalRetestCorrelation"),
                warning=entry.get("Warning", ""),
                calibration_weight=entry.get("CalibrationWeight"),
                agreement=_measures(agreement.get(label, {})),
            )
        )
    return sorted(contents, key=lambda content: _place(entries[content.label]))


def _place(entry: Mapping[str, Any]) -> tuple[float, str, str]:
    """Return what the maps are sorted by: the channel, else task and label."""
    return entry.get("Channel", np.inf), str(entry["Task"]), str(entry["Label"])


def contrast_entries(sources: SessionSources) -> dict[str, Mapping[str, Any]]:
    """Read what the sidecars state about the contrasts.

    Parameters
    ----------
    sources : SessionSources

    Returns
    -------
    dict of str to dict
        Entry of the sidecar by label.

    Raises
    ------
    InputError
        If a sidecar does not describe its contrast.
    """
    result, output = sources.result, sources.output_dir
    entries: dict[str, Mapping[str, Any]] = {}
    paths = dict.fromkeys(sidecar_path(result.statmap(output, label)) for label in result.maps.contrasts)
    for path in paths:
        fields = read_json(path).get("DeepTaskGen", {})
        contrasts: Sequence[Mapping[str, Any]] = fields.get("Contrasts") or [fields.get("Contrast", {})]
        entries |= {str(entry.get("Label")): entry for entry in contrasts}
    missing_labels = [label for label in result.maps.contrasts if label not in entries]
    if missing_labels:
        message = f"{next(iter(paths))}: does not describe {missing_labels[0]}. Re-run this participant."
        raise InputError(message)
    return {label: entries[label] for label in result.maps.contrasts}


def _measures(row: Mapping[str, str]) -> dict[str, float]:
    """Convert the cells of a row that are measures and numbers."""
    numbers: dict[str, float] = {}
    for name in AGREEMENT:
        try:
            value = float(row.get(name, "n/a"))
        except ValueError:
            continue
        if np.isfinite(value):
            numbers[name] = value
    return numbers
