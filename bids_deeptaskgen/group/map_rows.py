"""Rows of maps: one per participant, and one per session or run of participants with several.

Participants are read one at a time. Their rows go to a temporary file, from which all participants are read
at some voxels at a time; see `io.voxel_rows`. So the memory does not depend on the number of participants.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bids_deeptaskgen.bids.output.results import Result, ResultFault
from bids_deeptaskgen.bids.output.usable_maps import read_usable_maps
from bids_deeptaskgen.io.voxel_rows import VoxelRows
from bids_deeptaskgen.stats.map_statistics import average


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
                    runs[subject, result.run_name] = next(numbers)
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
            session or "": {run.run_name: read_usable_maps(output, run, list(rows), faults) for run in runs}
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
