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
        # Maps in a dataset have one hash alone, so that connectomes with another one are of no more use.
        discard_others(connectomes, context.settings_hash)
    with private_folder(work, keep=settings.work_dir is not None) as folder:
        records = folder / "records"
        jobs = [Job(subject, context, connectomes, records) for subject in subjects]
        _remove_stale_files(output, subjects, connectomes)
        try:
            with show_progress(records, len(jobs)):
                run_graph(jobs, folder, settings)
        finally:
            # Workers that were killed could not remove their temporary files.
            _remove_stale_files(output, subjects, connectomes)
        return _with_lost(read_records(records), subjects, folder, stops=settings.stop_on_first_crash)


def _with_lost(
    records: Sequence[Record], subjects: Sequence[str], folder: Path, *, stops: bool
) -> list[Record]:
    """Add a record for each participant whose process ended before it wrote the last one."""
    ended = [record for record in records if record.status != CONNECTED]
    begun = [record for record in records if record.status == CONNECTED]
    without_record = sorted(set(subjects) - {record.subject for record in records})
    lost = [*begun, *map(Record, without_record)]
    stopped = stops and any(record.failed for record in ended)
    reason = "not done: the run stopped at the first failure (--stop-on-first-crash)." if stopped else ""
    if lost and not stopped:
        reason = explain_lost_worker(folder)
    return ended + [record.replace(status=CRASHED, reason=reason) for record in lost]


def _remove_stale_files(output: Path, subjects: Sequence[str], connectomes: Path) -> None:
    """Remove what killed processes left where this run writes; the rest of the dataset is not searched."""
    for folder in (output, output / "logs", connectomes):
        remove_stale_files(folder, below=False)
    for subject in subjects:
        remove_stale_files(output / f"sub-{subject}")
