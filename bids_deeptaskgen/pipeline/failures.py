"""The one place that turns a person's fault into their record."""

import logging
import traceback
from collections.abc import Callable
from pathlib import Path

from bids_deeptaskgen.errors import UserError, system_refusal
from bids_deeptaskgen.io.atomic import atomic_path, write_text
from bids_deeptaskgen.pipeline.records import CRASHED, FAILED, Job, Record, save_record

logger = logging.getLogger("bids_deeptaskgen")

# A disk without room for this much has no room for a person's maps either.
PROBE_BYTES = 1_000_000


def run_as_record(job: Job, record: Record, compute: Callable[[], Record]) -> Record:
    """Compute, or say in the record why that was not possible.

    Parameters
    ----------
    job : Job
    record : Record
        What is known so far.
    compute : callable
        Gives the record as it is afterwards.

    Returns
    -------
    Record
        As computed; or failed (the input is at fault) or crashed (the software or the machine is), with the
        reason.
    """
    try:
        return compute()
    except UserError as error:
        return record.replace(status=FAILED, reason=str(error))
    except MemoryError:
        reason = "out of memory.\nGive more (--mem and the scheduler), or lower --nprocs or --n-windows."
        return record.replace(status=CRASHED, reason=reason)
    except Exception as error:
        refusal = system_refusal(error)
        reason = refusal[1] if refusal else _reported(job, record, error)
        return record.replace(status=CRASHED, reason=reason)


def _reported(job: Job, record: Record, error: Exception) -> str:
    """Write what is needed to find a fault of the program, and say where it is."""
    # Text, not a pickle, so that it can be read and mailed.
    crash = job.context.settings.output_dir / "logs" / f"crash-{record.name.replace(' ', '_')}.txt"
    try:
        write_text(crash, "".join(traceback.format_exception(error)))
    except OSError:
        logger.exception("%s: internal error; it cannot be written to %s", record.name, crash)
    return f"internal error ({type(error).__name__}: {error}).\nSee {crash} and report it."


def explain_lost_worker(folder: Path) -> str:
    """Say why people may have no record of their end: nothing can be written, or their process was killed.

    Parameters
    ----------
    folder : Path
        Where records would be written.

    Returns
    -------
    str
    """
    try:
        with atomic_path(folder / "probe") as temporary:
            temporary.write_bytes(bytes(PROBE_BYTES))
    except OSError as error:
        if refusal := system_refusal(error):
            return refusal[1]
    return "its process ended before it was done (killed, for instance for its memory: lower --nprocs)."


def save_or_stop(job: Job, record: Record) -> Record:
    """Note a record where progress and closing table find it; stop at a fault if that is asked for."""
    save_record(job, record)
    if record.failed and job.context.settings.stop_on_first_crash:
        message = f"{record.name}: {record.reason} (--stop-on-first-crash)"
        raise RuntimeError(message)
    return record
