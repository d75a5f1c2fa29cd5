"""Tables of a run, on the terminal and in its logs."""

import os
import time
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

from bids_deeptaskgen.bids.input.participant_folders import is_participant_folder
from bids_deeptaskgen.bids.input.preflight import Preflight
from bids_deeptaskgen.io.atomic import process_namespace, write_text
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.pipeline.records import FAILED, MAPS_EXIST, NOT_SELECTED, Record

# With more, finished participants are not listed on the terminal: they would hide those that failed.
MAX_FINISHED = 100


def unusable_records(rows: Sequence[Preflight]) -> list[Record]:
    """Return the record of each session that has no usable input.

    Parameters
    ----------
    rows : sequence of Preflight
        Input of each session.

    Returns
    -------
    list of Record
        With the reason; with status `FAILED`, or `NOT_SELECTED` if the user's options exclude the session. If
        they exclude every session, all are `FAILED`.
    """
    is_all_excluded = not any(row.is_selected for row in rows)
    return [
        Record(
            row.subject,
            row.session,
            (("task", row.task),) if row.task else (),
            status=FAILED if row.failed or is_all_excluded else NOT_SELECTED,
            reason=row.reason,
            names_task=bool(row.task),
        )
        for row in rows
        if row.reason
    ]


def records_without(unusable: Sequence[Record], processed: Sequence[Record]) -> list[Record]:
    """Remove the records of unusable sessions for which the run has a record.

    Parameters
    ----------
    unusable : sequence of Record
        Result of `unusable_records`.
    processed : sequence of Record
        Records of the run. A record without task is about all tasks of its session.

    Returns
    -------
    list of Record

    Examples
    --------
    >>> missing = [Record("01", entities=(("task", "rest2"),))]
    >>> len(records_without(missing, [Record("01", entities=(("task", "rest1"),))]))
    1
    >>> len(records_without(missing, [Record("01")]))
    0
    """
    tasks: dict[tuple[str, str | None], set[str | None]] = {}
    for record in processed:
        tasks.setdefault((record.subject, record.session), set()).add(record.task)
    remaining = []
    for record in unusable:
        done_tasks = tasks.get((record.subject, record.session), set())
        is_covered = bool(done_tasks) if record.task is None else bool({None, record.task} & done_tasks)
        if not is_covered:
            remaining.append(record)
    return remaining


def preflight_table(rows: Sequence[Preflight], finished: Collection[str] = ()) -> str:
    """Format the BOLD files of each session, or the reason for their absence, as a text table.

    Parameters
    ----------
    rows : sequence of Preflight
        Input of each session.
    finished : collection of str
        Labels of the participants whose maps exist. If there are many, only their number is shown.

    Returns
    -------
    str
    """
    lines = [("participant", "BOLD files", "")]
    has_many = len(finished) > MAX_FINISHED
    lines += [
        (row.name, str(len(row.bold_names)), row.reason or ", ".join(row.bold_names))
        for row in rows
        if row.reason or not (has_many and row.subject in finished)
    ]
    closing = (
        f"\n{len(finished)} participants with maps from earlier runs are not listed." if has_many else ""
    )
    return _table(lines) + closing


def closing_table(records: Sequence[Record]) -> str:
    """Format the outcome of each session as a text table.

    Parameters
    ----------
    records : sequence of Record
        Records of all sessions of the run. If the maps of many existed, only their number is shown.

    Returns
    -------
    str
    """
    n_existing = sum(record.status == MAPS_EXIST for record in records)
    has_many = n_existing > MAX_FINISHED
    lines = [("participant", "status", "maps", "reason")]
    lines += [
        (record.name, record.status, str(record.n_maps), _remark(record))
        for record in records
        if not (has_many and record.status == MAPS_EXIST)
    ]
    closing = (
        f"\n{n_existing} sessions with maps from earlier runs ({MAPS_EXIST}) are not listed; the table in "
        "logs lists all."
    )
    return _table(lines) + (closing if has_many else "")


def log_path(output: Path, name: str) -> Path:
    """Name a log file, unique to this run: several runs may write to one dataset, as in a Slurm array.

    Parameters
    ----------
    output : Path
        Root of the output dataset.
    name : str
        End of the filename.

    Returns
    -------
    Path
    """
    return output / "logs" / f"{_run_name()}_{name}"


def write_logs(output: Path, records: Sequence[Record]) -> Path:
    """Write the table of a run and the list of failed participants.

    Parameters
    ----------
    output : Path
        Root of the output dataset.
    records : sequence of Record

    Returns
    -------
    Path
        The list, usable as ``--participant-label @FILE``.
    """
    failures = log_path(output, "failed.txt")
    write_tsv(log_path(output, "participants.tsv"), _columns(records))
    # Folders without a BIDS label cannot be named on the command line.
    labels = [subject for subject in failed_subjects(records) if is_participant_folder(f"sub-{subject}")]
    write_text(failures, "".join(f"sub-{subject}\n" for subject in labels))
    return failures


def failed_subjects(records: Sequence[Record]) -> list[str]:
    """List the participants with a failed session.

    Parameters
    ----------
    records : sequence of Record
        Records of all sessions of the run.

    Returns
    -------
    list of str
        Labels without ``sub-``, sorted, each once.

    Examples
    --------
    >>> failed_subjects([Record("02", status=FAILED), Record("01")])
    ['02']
    """
    return sorted({record.subject for record in records if record.failed})


def _columns(records: Sequence[Record]) -> dict[str, list[object]]:
    return {
        "participant_id": [f"sub-{record.subject}" for record in records],
        "session_id": [f"ses-{record.session}" if record.session else None for record in records],
        "task_id": [f"task-{record.task}" if record.task else None for record in records],
        "status": [record.status for record in records],
        "n_maps": [record.n_maps for record in records],
        "flags": [",".join(flag_names(record)) for record in records],
        "reason": [record.reason for record in records],
    }


def flag_names(record: Record) -> list[str]:
    """List the quality flags of a session, each once.

    Parameters
    ----------
    record : Record

    Returns
    -------
    list of str
        Keys of ``data/qc_flags.json``.

    Examples
    --------
    >>> flag_names(Record("01", facts={"flags": [{"Name": "copied_voxels"}]}))
    ['copied_voxels']
    """
    return list(dict.fromkeys(flag["Name"] for flag in record.facts.get("flags", ())))


def _remark(record: Record) -> str:
    """Return the reason of a failure, or the flags of a finished session."""
    names = flag_names(record)
    if record.failed or not names:
        return " ".join(record.reason.split())
    return f"flagged: {', '.join(names)}"


@cache
def _run_name() -> str:
    return f"{time.strftime('%Y%m%dT%H%M%S')}-{process_namespace()}-{os.getpid()}"


def _table(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
