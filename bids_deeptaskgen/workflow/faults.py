"""The one place that turns a person's fault into their record."""

import traceback
from collections.abc import Callable

from bids_deeptaskgen.core.atomic import write_text
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.workflow.records import CRASHED, FAILED, Job, Record, note


def as_record(job: Job, record: Record, compute: Callable[[], Record]) -> Record:
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
        return record.now(status=FAILED, reason=str(error))
    except MemoryError:
        reason = "out of memory.\nGive more (--mem and the scheduler), or lower --nprocs or --n-windows."
        return record.now(status=CRASHED, reason=reason)
    except Exception as error:
        # Text, not a pickle, so that it can be read and mailed.
        crash = job.settings.output_dir / "logs" / f"crash-{record.name.replace(' ', '_')}.txt"
        write_text(crash, traceback.format_exc())
        reason = f"internal error ({type(error).__name__}: {error}).\nSee {crash} and report it."
        return record.now(status=CRASHED, reason=reason)


def noted(job: Job, record: Record) -> Record:
    """Note a record where progress and closing table find it; stop at a fault if that is asked for."""
    note(job, record)
    if record.failed and job.settings.stop_on_first_crash:
        message = f"{record.name}: {record.reason} (--stop-on-first-crash)"
        raise RuntimeError(message)
    return record
