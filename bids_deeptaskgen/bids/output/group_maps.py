"""Averages over the participants of an output dataset, from those maps that can be used."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.results import Result, ResultFault
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.models.contrasts import Contrast
from bids_deeptaskgen.stats.map_statistics import MapStatistics, average

logger = logging.getLogger("bids_deeptaskgen")


@dataclass
class GroupAverage:
    """Statistics of a contrast, and the participants in them.

    Attributes
    ----------
    statistics : MapStatistics
    participants : set of str
        Labels without ``sub-``.
    """

    statistics: MapStatistics
    participants: set[str] = field(default_factory=set)


def average_over_participants(
    output: Path, results: Sequence[Result], contrasts: Sequence[str]
) -> tuple[dict[str, GroupAverage], list[ResultFault]]:
    """Compute the map statistics of some contrasts, one participant at a time.

    Runs are averaged within sessions, then sessions within participants; otherwise a session with two runs
    (``--no-combine-runs``) would count twice.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    results : sequence of Result
    contrasts : sequence of str
        Labels of the contrasts.

    Returns
    -------
    dict of str to GroupAverage
        By contrast.
    list of ResultFault
        Maps that cannot be read or hold no values, and are left out.
    """
    averages = {label: GroupAverage(MapStatistics(OUTPUT_GRID.shape)) for label in contrasts}
    faults: list[ResultFault] = []
    participants: dict[str, dict[str | None, list[Result]]] = {}
    for result in results:
        participants.setdefault(result.subject, {}).setdefault(result.session, []).append(result)
    for subject, sessions in participants.items():
        maps = [[_maps_of(output, run, contrasts, faults) for run in runs] for runs in sessions.values()]
        for label, group_average in averages.items():
            by_session = [[run[label] for run in runs if label in run] for runs in maps]
            if any(by_session):
                group_average.statistics.add(average(average(runs) for runs in by_session if runs))
                group_average.participants.add(subject)
    for fault in faults:
        logger.error("%s", fault.reason)
    return averages, faults


def _maps_of(
    output: Path, result: Result, contrasts: Sequence[str], faults: list[ResultFault]
) -> dict[str, NDArray[np.float32]]:
    """Read the maps of a session, for those contrasts that it has; add unusable maps to the faults."""
    labels = [label for label in contrasts if label in result.maps.contrasts]
    try:
        maps = dict(zip(labels, result.read(output, labels), strict=True)) if labels else {}
    except InputError:
        maps = {}
        # A damaged image must not exclude the images of other contrasts.
        for label in labels:
            try:
                maps[label] = result.read(output, [label])[0]
            except InputError as error:
                faults.append(ResultFault(result.subject, result.session, (label,), str(error)))
    for label in list(maps):
        if not np.any(np.isfinite(maps[label]) & (maps[label] != 0)):
            del maps[label]
            reason = (
                f"{result.statmap(output, label)}: the map is 0 or NaN everywhere. Re-run this participant."
            )
            faults.append(ResultFault(result.subject, result.session, (label,), reason))
    return maps


def contrast_of(output: Path, results: Sequence[Result], label: str) -> tuple[Contrast, str]:
    """Read the contrast and the units of a map from the first sidecar that can be read.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    results : sequence of Result
    label : str
        Label of the contrast.

    Returns
    -------
    Contrast
    str
        Units of the map.

    Raises
    ------
    InputError
        If no sidecar describes the contrast.
    """
    problem: Exception | None = None
    for result in results:
        if label not in result.maps.contrasts:
            continue
        try:
            fields = read_json(sidecar_path(result.statmap(output, label)))["DeepTaskGen"]
            entries = [fields["Contrast"]] if "Contrast" in fields else fields["Contrasts"]
            entry = next(entry for entry in entries if entry["Label"] == label)
            values = (entry["SourceName"], entry["Task"], entry["TypicalRetestCorrelation"])
            return Contrast(label, *values), entry["Units"]
        except (InputError, KeyError, TypeError, StopIteration) as error:
            problem = problem or error
    message = f"{label}: no sidecar describes this contrast ({problem}). Re-run the participants."
    raise InputError(message)
