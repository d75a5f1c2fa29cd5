"""Compute the maps of many participants with nipype, and collect the record of each session."""

from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.io.atomic import remove_stale_files
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.pipeline.failures import explain_lost_worker
from bids_deeptaskgen.pipeline.records import (
    CONNECTED,
    CRASHED,
    Job,
    Record,
    discard_others,
    read_records,
)
from bids_deeptaskgen.workflow.engine import CONNECTOMES, private_folder, run_graph, show_progress


def run_participants(context: RunContext, subjects: Sequence[str]) -> list[Record]:
    """Compute and write the maps of participants.

    Parameters
    ----------
    context : RunContext
    subjects : sequence of str
        Labels without ``sub-``.

    Returns
    -------
    list of Record
        At least one for each participant.
    """
    settings, output = context.settings, context.settings.output_dir
    work = settings.work_dir or output / "work"
    connectomes = work / CONNECTOMES
    if settings.work_dir is None:
        # All maps of a dataset have the same settings hash, so connectomes with another hash are useless.
        discard_others(connectomes, context.settings_hash)
    with private_folder(work, keep=settings.work_dir is not None) as folder:
        records = folder / "records"
        jobs = [Job(subject, context, connectomes, records) for subject in subjects]
        _remove_stale_files(output, subjects, connectomes)
        try:
            with show_progress(records, len(jobs)):
                run_graph(jobs, folder, settings)
        finally:
            # Killed workers could not remove their temporary files.
            _remove_stale_files(output, subjects, connectomes)
        return _add_lost(read_records(records), subjects, folder, stops=settings.stop_on_first_crash)


def _add_lost(
    records: Sequence[Record], subjects: Sequence[str], folder: Path, *, stops: bool
) -> list[Record]:
    """Add a record for each participant whose process ended before it wrote the final record."""
    final_records = [record for record in records if record.status != CONNECTED]
    open_records = [record for record in records if record.status == CONNECTED]
    without_record = sorted(set(subjects) - {record.subject for record in records})
    lost_records = [*open_records, *map(Record, without_record)]
    is_stopped = stops and any(record.failed for record in final_records)
    reason = "not processed: stopped at the first failure (--stop-on-first-crash)." if is_stopped else ""
    if lost_records and not is_stopped:
        reason = explain_lost_worker(folder)
    return final_records + [record.replace(status=CRASHED, reason=reason) for record in lost_records]


def _remove_stale_files(output: Path, subjects: Sequence[str], connectomes: Path) -> None:
    """Remove temporary files of killed processes from the folders to which this run writes."""
    for folder in (output, output / "logs", connectomes):
        remove_stale_files(folder, recursive=False)
    for subject in subjects:
        remove_stale_files(output / f"sub-{subject}")
