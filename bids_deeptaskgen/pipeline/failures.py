"""Conversion of exceptions into records of failed sessions."""

import logging
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path

from bids_deeptaskgen.errors import UserError, is_out_of_memory, system_refusal
from bids_deeptaskgen.io.atomic import atomic_path, write_text
from bids_deeptaskgen.pipeline.records import CRASHED, FAILED, Job, Record, save_record
from bids_deeptaskgen.settings.flags import with_flags

logger = logging.getLogger("bids_deeptaskgen")

# A disk with less free space cannot hold the maps of a participant either.
PROBE_BYTES = 1_000_000


def run_as_record(job: Job, record: Record, compute: Callable[[], Record]) -> Record:
    """Run a computation, and record its failure.

    Parameters
    ----------
    job : Job
    record : Record
        Record before the computation.
    compute : callable
        Returns the record after the computation.

    Returns
    -------
    Record
        The computed one; on an error, one with status failed (unusable input) or crashed (fault of the
        software or the machine), and the reason.
    """
    try:
        return compute()
    except UserError as error:
        return record.replace(status=FAILED, reason=with_flags(str(error)))
    except Exception as error:
        if is_out_of_memory(error):
            reason = (
                "out of memory.\nIncrease --mem and the scheduler's limit, or lower --nprocs or --n-windows."
            )
            return record.replace(status=CRASHED, reason=reason)
        refusal = system_refusal(error)
        reason = refusal[1] if refusal else _reported(job, record, error)
        return record.replace(status=CRASHED, reason=reason)


def _reported(job: Job, record: Record, error: Exception) -> str:
    """Write the traceback to a crash file, and return the reason with its path."""
    # Text, not a pickle, so that users can read and send it.
    crash = job.context.settings.output_dir / "logs" / f"crash-{record.stem}.txt"
    try:
        write_text(crash, "".join(traceback.format_exception(error)))
    except OSError:
        logger.exception("%s: internal error; the crash file cannot be written to %s", record.name, crash)
    return f"internal error ({type(error).__name__}: {error}).\nSee {crash} and report it."


def explain_lost_worker(folder: Path) -> str:
    """Explain why a final record is missing: the disk is not writable, or the process was killed.

    Parameters
    ----------
    folder : Path
        Folder of the records.

    Returns
    -------
    str
    """
    probe = folder / "probe"
    try:
        # A quota may limit the number of files and folders, too.
        with atomic_path(probe / "file") as temporary:
            temporary.write_bytes(bytes(PROBE_BYTES))
    except OSError as error:
        if refusal := system_refusal(error):
            return refusal[1]
    finally:
        shutil.rmtree(probe, ignore_errors=True)
    return (
        "its process ended before it was done (see the messages above; it may have been killed for its "
        "memory use: lower --nprocs)."
    )


def save_or_stop(job: Job, record: Record) -> Record:
    """Save a record; raise for a failure with ``--stop-on-first-crash``.

    Parameters
    ----------
    job : Job
    record : Record

    Returns
    -------
    Record
        `record`, unchanged.

    Raises
    ------
    RuntimeError
        If the record is a failure and the settings stop at the first one.
    """
    save_record(job, record)
    if record.failed and job.context.settings.stop_on_first_crash:
        message = f"{record.name}: {record.reason} (--stop-on-first-crash)"
        raise RuntimeError(message)
    return record
