"""Records of batch jobs that ended without a result, so that other participants continue."""

from collections.abc import Sequence
from dataclasses import asdict

from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.pipeline.failures import save_or_stop
from bids_deeptaskgen.pipeline.records import CONNECTED, CRASHED, Job, Record, flatten, read_record
from bids_deeptaskgen.pipeline.report_step import PageJob, PageOutcome


def record_lost_connectomes(job: Job, reason: str) -> list[Record]:
    """Save a failure of a participant whose connectomes were being computed.

    Parameters
    ----------
    job : Job
    reason : str
        Why the job ended, and what to change.

    Returns
    -------
    list of Record
        The failure, and the records of sessions that were finished.
    """
    paths = sorted(job.records.glob(f"sub-{job.subject}*.json"))
    records = [record for record in map(read_record, paths) if record.subject == job.subject]
    return [*records, save_or_stop(job, Record(job.subject, status=CRASHED, reason=reason))]


def record_lost_maps(jobs: Sequence[Job], records: Sequence[Sequence[Record]], reason: str) -> list[Record]:
    """Save a failure of each session whose maps were not written; its connectomes are kept for the next run.

    Parameters
    ----------
    jobs : sequence of Job
        Participants of the chunk.
    records : sequence of sequence of Record
        Records of the first step for each job.
    reason : str
        Why the job ended, and what to change.

    Returns
    -------
    list of Record
        One for each session.
    """
    job_of = {job.subject: job for job in jobs}
    final_records = []
    for record in flatten(records):
        job = job_of[record.subject]
        path = job.records / f"{record.stem}.json"
        saved_record = read_record(path) if path.exists() else record
        if saved_record.status == CONNECTED:
            saved_record = save_or_stop(job, saved_record.replace(status=CRASHED, reason=reason))
        final_records.append(saved_record)
    return final_records


def record_lost_page(job: PageJob, reason: str) -> PageOutcome:
    """Save the outcome of a page whose job ended.

    Parameters
    ----------
    job : PageJob
    reason : str
        Why the job ended, and what to change.

    Returns
    -------
    PageOutcome
    """
    outcome = PageOutcome(job.subject, error=f"{reason}\nMake the page with --reports-only.")
    write_json(job.outcomes / f"sub-{job.subject}.json", asdict(outcome))
    return outcome
