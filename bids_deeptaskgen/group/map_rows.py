"""Rows of maps: one per participant, and one per session or run of participants with several.

Participants are read one at a time. Their rows go to a temporary file, from which all participants are read
at some voxels at a time; see `io.voxel_rows`. So the memory does not depend on the number of participants.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.results import Result, ResultFault
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.voxel_rows import VoxelRows
from bids_deeptaskgen.stats.map_statistics import average

logger = logging.getLogger("bids_deeptaskgen")

Maps = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class RowPlan:
    """Meaning of the rows.

    Attributes
    ----------
    participants : sequence of str
        Labels without ``sub-``; row i is the mean over the sessions of participant i.
    sessions : dict of (str, str) to int
        Row of each participant and session, of participants with several sessions.
    runs : dict of (str, str) to int
        Row of each participant and run, of the session in `run_sessions`.
    run_sessions : dict of str to str
        First session with maps of several runs, by participant; empty for data without sessions.
    """

    participants: Sequence[str]
    sessions: Mapping[tuple[str, str], int]
    runs: Mapping[tuple[str, str], int]
    run_sessions: Mapping[str, str]

    @property
    def n_rows(self) -> int:
        """Return the number of rows."""
        return len(self.participants) + len(self.sessions) + len(self.runs)


def run_name(result: Result) -> str:
    """Return the name of a run with its own maps.

    Parameters
    ----------
    result : Result

    Returns
    -------
    str
        For example ``dir-AP run-1``; empty if runs are combined.
    """
    return " ".join(f"{key}-{value}" for key, value in result.entities if key in ("run", "dir"))


def group_by_session(results: Sequence[Result]) -> dict[str, dict[str | None, list[Result]]]:
    """Group the results of a set by participant, then by session.

    Parameters
    ----------
    results : sequence of Result

    Returns
    -------
    dict of str to dict of str or None to list of Result
        Runs by session by participant.
    """
    participants: dict[str, dict[str | None, list[Result]]] = {}
    for result in results:
        participants.setdefault(result.subject, {}).setdefault(result.session, []).append(result)
    return participants


def plan_rows(results: Sequence[Result]) -> RowPlan:
    """Assign rows to the participants, sessions and runs of a set.

    Parameters
    ----------
    results : sequence of Result

    Returns
    -------
    RowPlan
    """
    by_participant = group_by_session(results)
    numbers = count(len(by_participant))
    sessions: dict[tuple[str, str], int] = {}
    runs: dict[tuple[str, str], int] = {}
    run_sessions: dict[str, str] = {}
    for subject, by_session in by_participant.items():
        for session in by_session if len(by_session) > 1 else ():
            sessions[subject, session or ""] = next(numbers)
        for session, items in by_session.items():
            if len(items) > 1 and subject not in run_sessions:
                run_sessions[subject] = session or ""
                for result in items:
                    runs[subject, run_name(result)] = next(numbers)
    return RowPlan(tuple(by_participant), sessions, runs, run_sessions)


def fill_rows(
    output: Path,
    results: Sequence[Result],
    plan: RowPlan,
    rows: Mapping[str, VoxelRows],
    faults: list[ResultFault],
) -> dict[str, set[int]]:
    """Read the maps of some contrasts, one participant at a time, and write their rows.

    Runs are averaged within sessions, then sessions within participants; otherwise a session with two runs
    (``--no-combine-runs``) would count twice.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    results : sequence of Result
        Sessions and runs of one set.
    plan : RowPlan
    rows : dict of str to VoxelRows
        Rows of each contrast that is read.
    faults : list of ResultFault
        Maps that cannot be read, or hold no values, are added.

    Returns
    -------
    dict of str to set of int
        Rows with a map, by contrast.
    """
    written_rows: dict[str, set[int]] = {label: set() for label in rows}
    for number, (subject, by_session) in enumerate(group_by_session(results).items()):
        maps = {
            session or "": {run_name(run): read_usable_maps(output, run, list(rows), faults) for run in runs}
            for session, runs in by_session.items()
        }
        for label, contrast_rows in rows.items():
            of_contrast = {
                session: {name: run[label] for name, run in runs.items() if label in run}
                for session, runs in maps.items()
            }
            sessions = {
                session: average(list(runs.values())) for session, runs in of_contrast.items() if runs
            }
            if not sessions:
                continue
            numbered_maps = {number: average(list(sessions.values()))}
            for session, values in sessions.items():
                if (subject, session) in plan.sessions:
                    numbered_maps[plan.sessions[subject, session]] = values
            if subject in plan.run_sessions:
                for name, values in of_contrast[plan.run_sessions[subject]].items():
                    numbered_maps[plan.runs[subject, name]] = values
            for row, values in numbered_maps.items():
                contrast_rows.write(row, values)
            written_rows[label] |= numbered_maps.keys()
    return written_rows


def with_usable_maps(results: Sequence[Result], plan: RowPlan, written_rows: Collection[int]) -> list[Result]:
    """Select the sessions whose maps are in an average.

    Parameters
    ----------
    results : sequence of Result
        Sessions and runs of one set.
    plan : RowPlan
    written_rows : collection of int
        Rows with a map of any contrast.

    Returns
    -------
    list of Result
    """
    numbers = {label: number for number, label in enumerate(plan.participants)}
    rows = [
        plan.sessions.get((result.subject, result.session or ""), numbers[result.subject])
        for result in results
    ]
    return [result for result, row in zip(results, rows, strict=True) if row in written_rows]


def read_usable_maps(
    output: Path, result: Result, contrasts: Sequence[str], faults: list[ResultFault]
) -> Maps:
    """Read the maps of a session or run, for those contrasts that it has.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    result : Result
    contrasts : sequence of str
        Labels.
    faults : list of ResultFault
        Maps that cannot be read, or hold no values, are added.

    Returns
    -------
    dict of str to float32 array of shape (91, 109, 91)
    """
    labels = [label for label in contrasts if label in result.maps.contrasts]
    try:
        maps = dict(zip(labels, result.read(output, labels), strict=True)) if labels else {}
    except InputError:
        # A damaged image must not exclude the images of other contrasts.
        maps = dict(_read_each(output, result, labels, faults))
    for label in list(maps):
        if not np.any(np.isfinite(maps[label]) & (maps[label] != 0)):
            del maps[label]
            path = result.statmap(output, label)
            reason = f"{path}: the map is 0 or NaN everywhere. Delete it and re-run this participant."
            _add_fault(faults, result, label, reason)
    return maps


def _read_each(
    output: Path, result: Result, labels: Sequence[str], faults: list[ResultFault]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for label in labels:
        try:
            yield label, result.read(output, [label])[0]
        except InputError as error:
            _add_fault(faults, result, label, str(error))


def _add_fault(faults: list[ResultFault], result: Result, label: str, reason: str) -> None:
    logger.error("%s", reason)
    faults.append(ResultFault(result.subject, result.session, (label,), reason))
