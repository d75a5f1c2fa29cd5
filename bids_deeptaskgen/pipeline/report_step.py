"""Third step: the page of a participant, made from the files of the output dataset only."""

import json
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bids_deeptaskgen.bids.output.results import Result, read_dataset
from bids_deeptaskgen.io.atomic import write_json, write_text
from bids_deeptaskgen.machine import log_duration
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.pipeline.records import MAPS_EXIST, Job, Record
from bids_deeptaskgen.report.pages import is_current, list_pages, plan_pages

if TYPE_CHECKING:
    from bids_deeptaskgen.report.reading.session_agreement import SetAgreement

# Subfolder of a run's private folder for the outcomes of pages.
PAGES = "pages"


@dataclass(frozen=True)
class PageJob:
    """Pages of one participant.

    Attributes
    ----------
    subject : str
        Label without ``sub-``.
    output_dir : Path
        Root of the output dataset.
    reports : {"full", "qc"}
        Kind of page.
    outcomes : Path
        Folder of the outcomes of this run.
    bundle : Bundle or None
        Model of the maps, whose mean maps are subtracted before maps are compared; None if unavailable.
    is_forced : bool
        Make pages again even if they are newer than the maps.
    """

    subject: str
    output_dir: Path
    reports: str
    outcomes: Path
    bundle: Bundle | None = None
    is_forced: bool = False


@dataclass(frozen=True)
class PageOutcome:
    """Outcome of the pages of a participant.

    Attributes
    ----------
    subject : str
    pages : tuple of str
        Names of the files in the root of the output dataset.
    error : str
        Why a page could not be made; empty without an error.
    """

    subject: str
    pages: tuple[str, ...] = ()
    error: str = ""


def page_job(job: Job) -> PageJob:
    """Return the job that makes the pages of a participant at the end of a run.

    Parameters
    ----------
    job : Job

    Returns
    -------
    PageJob
    """
    settings = job.context.settings
    return PageJob(
        job.subject,
        settings.output_dir,
        settings.reports,
        job.records.parent / PAGES,
        job.context.bundle,
        is_forced=settings.overwrite,
    )


def write_pages(job: PageJob, records: Sequence[Record] = ()) -> PageOutcome:
    """Write the pages of a participant; an error becomes the outcome, and never affects the maps.

    Parameters
    ----------
    job : PageJob
    records : sequence of Record
        Records of the sessions in this run; those of other participants are ignored.

    Returns
    -------
    PageOutcome
    """
    records = [record for record in records if record.subject == job.subject]
    try:
        with log_duration(f"sub-{job.subject}: page"):
            outcome = PageOutcome(job.subject, tuple(_write_pages(job, records)))
        # Of an earlier run.
        _traceback_path(job).unlink(missing_ok=True)
    except Exception as error:  # the maps exist, with or without a page
        outcome = PageOutcome(job.subject, error=_report_error(job, error))
    write_json(job.outcomes / f"sub-{job.subject}.json", asdict(outcome))
    return outcome


def read_outcomes(folder: Path) -> list[PageOutcome]:
    """Read the outcomes of a run.

    Parameters
    ----------
    folder : Path
        ``PageJob.outcomes``; need not exist.

    Returns
    -------
    list of PageOutcome
        Sorted by participant.
    """
    contents = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    return [
        PageOutcome(content["subject"], tuple(content["pages"]), content["error"]) for content in contents
    ]


def _write_pages(job: PageJob, records: Sequence[Record]) -> list[str]:
    """Write the pages that are missing or out of date, remove those that no session has, and list all."""
    from bids_deeptaskgen.report.reading.session_agreement import compare_results

    results, faults = read_dataset(job.output_dir, [job.subject])
    failures = {record.name: record.reason for record in records if record.failed}
    failures |= {fault.session or job.subject: fault.reason for fault in faults if not fault.contrasts}
    plan = plan_pages(job.subject, results)
    if not results and not failures:
        return []
    is_unchanged = not failures and all(record.status == MAPS_EXIST for record in records)
    # Each page has the agreement with the maps on all others.
    outdated = {
        name: members
        for name, members in plan.items()
        if job.is_forced
        or not is_unchanged
        or not is_current(job.output_dir / name, job.output_dir, results, job.reports)
    }
    agreement = compare_results(job.output_dir, results, job.bundle) if outdated else None
    for name, members in outdated.items():
        write_text(job.output_dir / name, _render(job, members, failures, agreement))
    for path in list_pages(job.output_dir, job.subject):
        if path.name not in plan:
            path.unlink(missing_ok=True)
    return list(plan)


def _render(
    job: PageJob, results: Sequence[Result], failures: Mapping[str, str], agreement: "SetAgreement | None"
) -> str:
    from bids_deeptaskgen.report.participant_html import render_participant
    from bids_deeptaskgen.report.reading.participant import read_participant

    content = read_participant(
        job.output_dir, job.subject, results, failures, agreement=agreement, has_maps=job.reports == "full"
    )
    return render_participant(content)


def _report_error(job: PageJob, error: Exception) -> str:
    """Write the traceback of an error to the logs, and return the reason with its path."""
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    path = _traceback_path(job)
    try:
        write_text(path, "".join(traceback.format_exception(error)))
    except OSError:
        return reason
    return f"{reason}\nSee {path}."


def _traceback_path(job: PageJob) -> Path:
    return job.output_dir / "logs" / f"page-sub-{job.subject}.txt"
