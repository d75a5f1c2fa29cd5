"""Participants whose maps exist: found by names, sizes and times of files, without pybids and nipype.

The decision is that of the first step (`participant.compute_connectomes`): the same search of the input, the
same fingerprint, the same completion record. Only pybids' index of the participant's files is left out, which
takes most of the time. Whatever is not certain is left to the first step.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bids_deeptaskgen.bids.input.sessions import SessionFault
from bids_deeptaskgen.bids.input.sources import find_sessions
from bids_deeptaskgen.bids.output.completion import finished_maps, input_fingerprint
from bids_deeptaskgen.bids.output.folders import list_names
from bids_deeptaskgen.io.atomic import stale_files
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.pipeline.records import MAPS_EXIST, Record
from bids_deeptaskgen.pipeline.report_step import PageJob, PageOutcome, find_current_pages, has_failure

logger = logging.getLogger("bids_deeptaskgen")


class Completed(NamedTuple):
    """Participants of a run for whom nothing is to do.

    Attributes
    ----------
    records : dict of str to list of Record
        One record for each session, by participant.
    pages : list of PageOutcome
        Their pages; empty with ``--reports none``.
    page_subjects : list of str
        Labels of the participants whose maps exist and whose page has to be made.
    """

    records: dict[str, list[Record]]
    pages: list[PageOutcome]
    page_subjects: list[str]


def find_finished(context: RunContext, subjects: Sequence[str]) -> dict[str, list[Record]]:
    """Find the participants whose maps all exist, with the settings of this run and from the current input.

    Parameters
    ----------
    context : RunContext
    subjects : sequence of str
        Labels without ``sub-`` of participants with usable input.

    Returns
    -------
    dict of str to list of Record
        One record for each session, by participant, as from the first step.
    """
    folders = set(list_names(context.settings.output_dir, "sub-"))
    finished: dict[str, list[Record]] = {}
    for subject in subjects:
        if f"sub-{subject}" in folders and (records := _read_finished(context, subject)):
            finished[subject] = records
    return finished


def _read_finished(context: RunContext, subject: str) -> list[Record]:
    """Return a record for each session of a participant; none if a session is unfinished or unclear."""
    settings, required_maps = context.settings, context.required_maps
    records: list[Record] = []
    try:
        sessions = find_sessions(
            context.dataset, subject, context.query, combine_runs=settings.combine_runs, uses_pybids=False
        )
        for session in sessions:
            if isinstance(session, SessionFault):
                return []
            fingerprint = input_fingerprint(session)
            maps = finished_maps(settings.output_dir, session, context.settings_hash, fingerprint)
            if maps is None or not maps.cover(required_maps):
                return []
            records.append(
                Record(
                    session.subject,
                    session.session,
                    session.entities,
                    status=MAPS_EXIST,
                    n_maps=len(required_maps.contrasts),
                    names_task=len(settings.task_id) > 1,
                )
            )
    except Exception as error:  # noqa: BLE001 - the job of the participant meets it again, and reports it
        logger.debug("sub-%s: not known to be finished (%s: %s)", subject, type(error).__name__, error)
        return []
    return records


def select_completed(
    context: RunContext, finished: Mapping[str, Sequence[Record]], connectomes: Path
) -> Completed:
    """Select the finished participants for whom nothing is to do: their pages are current, no file is left.

    Parameters
    ----------
    context : RunContext
    finished : dict of str to list of Record
        Result of `find_finished`.
    connectomes : Path
        Folder of connectomes that wait for prediction. A killed run may have left some.

    Returns
    -------
    Completed
    """
    settings, output = context.settings, context.settings.output_dir
    waiting = {name.partition("_")[0] for name in list_names(connectomes, "sub-")}
    names_by_subject: dict[str, list[str]] = {}
    for name in list_names(output, "sub-"):
        if name.endswith(".html"):
            label = name.removesuffix(".html").partition("_")[0]
            names_by_subject.setdefault(label, []).append(name)
    records: dict[str, list[Record]] = {}
    pages: list[PageOutcome] = []
    page_subjects: list[str] = []
    for subject, subject_records in finished.items():
        folder = f"sub-{subject}"
        is_clean = folder not in waiting and next(stale_files(output / folder), None) is None
        is_clean = is_clean and not has_failure(output, subject)
        outcome = None
        if settings.reports != "none":
            job = PageJob(
                subject, output, settings.reports, output, context.bundle, is_forced=settings.overwrite
            )
            outcome = find_current_pages(job, names_by_subject.get(folder, ()))
            if outcome is None:
                page_subjects.append(subject)
                continue
        if is_clean:
            pages += [outcome] if outcome else []
            records[subject] = list(subject_records)
    return Completed(records, pages, page_subjects)
