"""Compute the maps of many participants with nipype, and collect the record of each session."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bids_deeptaskgen.bids.output.recorded_failures import update_failures
from bids_deeptaskgen.io.atomic import remove_stale_files
from bids_deeptaskgen.io.marked_folder import refuse_deleted
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.pipeline.failures import explain_lost_worker
from bids_deeptaskgen.pipeline.memory_plan import MemoryPlan
from bids_deeptaskgen.pipeline.page_memory import PageMemory
from bids_deeptaskgen.pipeline.records import (
    CONNECTED,
    CRASHED,
    Job,
    Record,
    connectomes_folder,
    discard_others,
    read_records,
)
from bids_deeptaskgen.pipeline.report_step import (
    PAGES,
    PageJob,
    PageOutcome,
    read_outcomes,
    session_name,
)
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.workflow.engine import run_graph, run_page_graph, show_progress
from bids_deeptaskgen.workflow.work_folder import private_folder


def run_participants(
    context: RunContext, subjects: Sequence[str], plan: MemoryPlan
) -> tuple[list[Record], list[PageOutcome]]:
    """Compute and write the maps of participants, and their pages.

    Parameters
    ----------
    context : RunContext
    subjects : sequence of str
        Labels without ``sub-``. Without any, what killed runs left behind is removed nevertheless.
    plan : MemoryPlan
        Limit, and memory of the nodes.

    Returns
    -------
    list of Record
        At least one for each participant.
    list of PageOutcome
        Empty with ``--reports none``.
    """
    settings, output = context.settings, context.settings.output_dir
    work = settings.work_dir or output / "work"
    connectomes = connectomes_folder(settings)
    if settings.work_dir is None:
        # All maps of a dataset have the same settings hash, so connectomes with another hash are useless.
        discard_others(connectomes, context.settings_hash)
    with private_folder(work, keep=settings.work_dir is not None) as folder:
        records = folder / "records"
        jobs = [Job(subject, context, connectomes, records) for subject in subjects]
        _remove_stale_files(output, subjects, connectomes)
        refusal = ""
        try:
            if jobs:
                with show_progress(records, len(jobs)):
                    refusal = run_graph(jobs, folder, settings, plan)
        finally:
            # Killed workers could not remove their temporary files.
            _remove_stale_files(output, subjects, connectomes)
        saved_records = read_records(records)
        stops, pages = settings.stop_on_first_crash, list[PageOutcome]()
        if settings.reports != "none":
            pages = _read_pages(saved_records, subjects, folder, refusal, stops=stops)
        final_records = _add_lost(saved_records, subjects, folder, refusal, stops=stops)
        # Without participants that were not processed because another one failed.
        _record_failures(output, saved_records if stops else final_records)
        return final_records, pages


def run_pages(
    jobs: Sequence[PageJob], settings: ParticipantSettings, memory: PageMemory
) -> list[PageOutcome]:
    """Write the pages of participants again, from the files of the output dataset.

    Parameters
    ----------
    jobs : sequence of PageJob
        Their folder of outcomes is replaced by a private one.
    settings : ParticipantSettings
    memory : PageMemory

    Returns
    -------
    list of PageOutcome
        One for each job.
    """
    work = settings.work_dir or settings.output_dir / "work"
    with private_folder(work, keep=settings.work_dir is not None) as folder:
        outcomes = folder / PAGES
        page_jobs = [replace(job, outcomes=outcomes) for job in jobs]
        refusal = run_page_graph(page_jobs, folder, settings, memory)
        return _add_lost_pages([job.subject for job in jobs], folder, refusal)


def _read_pages(
    records: Sequence[Record], subjects: Sequence[str], folder: Path, refusal: str, *, stops: bool
) -> list[PageOutcome]:
    """Return the outcome of the page of each participant with a final record.

    Missing pages are not made here: the memory that ended their process would end this one, too. A plugin
    that returns before its jobs are done has saved no record yet, so that their pages are not missing.
    """
    final_subjects = {record.subject for record in records if record.status != CONNECTED}
    is_stopped = stops and any(record.failed for record in records)
    reason = "not made: stopped at the first failure (--stop-on-first-crash)." if is_stopped else refusal
    return _add_lost_pages([subject for subject in subjects if subject in final_subjects], folder, reason)


def _add_lost_pages(subjects: Sequence[str], folder: Path, reason: str = "") -> list[PageOutcome]:
    """Return the outcome of each page, with an error for each that is missing."""
    saved = {outcome.subject: outcome for outcome in read_outcomes(folder / PAGES)}
    if not saved.keys() >= set(subjects):
        reason = f"{reason or _explain_lost(folder)}\nMake the page with --reports-only."
    return [saved.get(subject, PageOutcome(subject, error=reason)) for subject in subjects]


def _add_lost(
    records: Sequence[Record], subjects: Sequence[str], folder: Path, refusal: str, *, stops: bool
) -> list[Record]:
    """Add a record for each participant whose process ended before it wrote the final record."""
    final_records = [record for record in records if record.status != CONNECTED]
    open_records = [record for record in records if record.status == CONNECTED]
    without_record = sorted(set(subjects) - {record.subject for record in records})
    lost_records = [*open_records, *map(Record, without_record)]
    is_stopped = stops and any(record.failed for record in final_records)
    reason = "not processed: stopped at the first failure (--stop-on-first-crash)." if is_stopped else ""
    if lost_records and not is_stopped:
        reason = refusal or _explain_lost(folder)
    return final_records + [record.replace(status=CRASHED, reason=reason) for record in lost_records]


def _explain_lost(folder: Path) -> str:
    """Explain why a result is missing; refuse a private folder that was deleted, with the results in it."""
    refuse_deleted(folder)
    return explain_lost_worker(folder)


def _record_failures(output: Path, records: Sequence[Record]) -> None:
    """Record the failures of all participants, also without pages and of those whose process ended."""
    by_subject: dict[str, list[Record]] = {}
    for record in records:
        by_subject.setdefault(record.subject, []).append(record)
    for subject, members in by_subject.items():
        failures = {session_name(record): record.reason for record in members if record.failed}
        update_failures(output, subject, failures, map(session_name, members))


def _remove_stale_files(output: Path, subjects: Sequence[str], connectomes: Path) -> None:
    """Remove temporary files of killed processes from the folders to which this run writes."""
    for folder in (output, output / "logs", connectomes):
        remove_stale_files(folder, recursive=False)
    for subject in subjects:
        remove_stale_files(output / f"sub-{subject}")
