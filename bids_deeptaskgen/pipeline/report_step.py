"""Third step: the page of a participant, made from the files of the output dataset only."""

import json
import logging
import os
import traceback
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bids_deeptaskgen.bids.output.recorded_failures import (
    covers,
    failures_path,
    read_failures,
    update_failures,
)
from bids_deeptaskgen.bids.output.results import Result, read_dataset
from bids_deeptaskgen.errors import system_refusal
from bids_deeptaskgen.io.atomic import write_json, write_text
from bids_deeptaskgen.machine import log_duration, software_versions
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.pipeline.records import MAPS_WRITTEN, Job, Record
from bids_deeptaskgen.report.pages import content_digest, is_current, list_pages, plan_pages, read_mark

logger = logging.getLogger("bids_deeptaskgen")

if TYPE_CHECKING:
    from bids_deeptaskgen.report.reading.session_agreement import SetAgreement

# Subfolder of a run's private folder for the outcomes of pages.
PAGES = "pages"
# After this many rounds, pages that other runs change at the same time are left to them.
MAX_ROUNDS = 3


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
        _traceback_path(job.output_dir, job.subject).unlink(missing_ok=True)
    except Exception as error:  # the maps exist, with or without a page
        outcome = PageOutcome(job.subject, error=_report_error(job, error))
    try:
        write_json(job.outcomes / f"sub-{job.subject}.json", asdict(outcome))
    except OSError as error:
        # The outcome is then missing, which the end of the run reports.
        refusal = system_refusal(error)
        reason = refusal[1].rstrip(".") if refusal else str(error)
        logger.error("sub-%s: the outcome of its page cannot be saved (%s).", job.subject, reason)
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


@dataclass(frozen=True)
class _State:
    """What the pages of a participant show at a moment: other runs may change it.

    Attributes
    ----------
    plan : dict of str to list of Result
        Sets of maps by name of the page.
    failures : dict of str to str
        Reason by name of the session.
    failures_with_maps : frozenset of str
        Names among `failures` of sessions whose maps of an earlier run exist.
    digest : str
        Hash of all this.
    """

    plan: Mapping[str, Sequence[Result]]
    failures: Mapping[str, str]
    failures_with_maps: frozenset[str]
    digest: str


def _write_pages(job: PageJob, records: Sequence[Record]) -> list[str]:
    """Write the pages that are missing or out of date, remove those that no session has, and list all."""
    from bids_deeptaskgen.report.reading.session_agreement import compare_results

    failures = {session_name(record): record.reason for record in records if record.failed}
    update_failures(job.output_dir, job.subject, failures, map(session_name, records))
    must_write = job.is_forced or any(record.status == MAPS_WRITTEN for record in records)
    state = _read_state(job, failures)
    if not any(state.plan.values()) and not state.failures:
        return []
    # Another run that finishes a session at the same time may overwrite a page by an older one.
    for _ in range(MAX_ROUNDS):
        paths = {name: job.output_dir / name for name in state.plan}
        outdated = [name for name, path in paths.items() if must_write or not is_current(path, state.digest)]
        if not outdated:
            break
        # Each page has the agreement with the maps on all others.
        results = [result for members in state.plan.values() for result in members]
        agreement = compare_results(job.output_dir, results, job.bundle)
        for name in outdated:
            write_text(paths[name], _render(job, state.plan[name], state, agreement))
        must_write, state = False, _read_state(job, failures)
    for path in list_pages(job.output_dir, job.subject):
        if path.name not in state.plan:
            path.unlink(missing_ok=True)
    return list(state.plan)


def _read_state(job: PageJob, failures: Mapping[str, str]) -> _State:
    """Read the sets of maps and the failures of a participant; `failures` are those of this run."""
    results, faults = read_dataset(job.output_dir, [job.subject])
    recorded = read_failures(job.output_dir, job.subject) | dict(failures)
    names = [_name_of(result.subject, result.session, *result.entities) for result in results]
    failures_with_maps = frozenset(
        failure for failure in recorded if any(covers(failure, name) for name in names)
    )
    all_failures = dict(recorded)
    for fault in faults:
        if not fault.contrasts:
            name = _name_of(fault.subject, fault.session)
            all_failures[name] = "\n".join(filter(None, (all_failures.get(name), fault.reason)))
    model = job.bundle.weights_sha256 if job.bundle else ""
    version = software_versions()["bids-deeptaskgen"]
    digest = content_digest(job.output_dir, results, all_failures, job.reports, version, model)
    return _State(plan_pages(job.subject, results), all_failures, failures_with_maps, digest)


def find_current_pages(job: PageJob, names: Collection[str]) -> PageOutcome | None:
    """Find the pages of a participant without failures, if `write_pages` would leave all as they are.

    Parameters
    ----------
    job : PageJob
    names : collection of str
        Names of the participant's HTML files in the root of the output dataset.

    Returns
    -------
    PageOutcome or None
        None if a page is missing, out of date or superfluous, or this cannot be decided.
    """
    if job.is_forced:
        return None
    try:
        state = _read_state(job, {})
    except Exception as error:  # noqa: BLE001 - `write_pages` meets it again, and reports it
        logger.debug(
            "sub-%s: its pages may be out of date (%s: %s)", job.subject, type(error).__name__, error
        )
        return None
    if not all(is_current(job.output_dir / name, state.digest) for name in state.plan):
        return None
    if any(read_mark(job.output_dir / name) is not None for name in set(names) - state.plan.keys()):
        return None
    return PageOutcome(job.subject, tuple(state.plan))


def has_failure(output_dir: Path, subject: str) -> bool:
    """Return whether the logs have a failure of a participant, or the traceback of a page.

    Parameters
    ----------
    output_dir : Path
        Root of the output dataset.
    subject : str
        Label without ``sub-``.
    """
    paths = (failures_path(output_dir, subject), _traceback_path(output_dir, subject))
    return any(os.path.lexists(path) for path in paths)


def session_name(record: Record) -> str:
    """Return the name of a session for pages, with all entities of its files.

    Parameters
    ----------
    record : Record

    Returns
    -------
    str

    Examples
    --------
    >>> session_name(Record("01", "1", (("task", "rest"),))), session_name(Record("01"))
    ('sub-01 ses-1 task-rest', 'sub-01')
    """
    return _name_of(record.subject, record.session, *record.entities)


def _name_of(subject: str, session: str | None, *entities: tuple[str, str]) -> str:
    pairs = [("sub", subject), *([("ses", session)] if session else []), *entities]
    return " ".join(f"{key}-{value}" for key, value in pairs)


def _render(job: PageJob, members: Sequence[Result], state: _State, agreement: "SetAgreement | None") -> str:
    from bids_deeptaskgen.report.participant_html import render_participant
    from bids_deeptaskgen.report.reading.participant import read_participant

    content = read_participant(
        job.output_dir,
        job.subject,
        members,
        state.failures,
        agreement=agreement,
        has_maps=job.reports == "full",
        failures_with_maps=state.failures_with_maps,
        digest=state.digest,
    )
    return render_participant(content)


def _report_error(job: PageJob, error: Exception) -> str:
    """Return the reason of an error; write the traceback of one that is not of the system to the logs."""
    if refusal := system_refusal(error):
        return _encodable(refusal[1])
    reason = _encodable(f"{type(error).__name__}: {' '.join(str(error).split())}")
    path = _traceback_path(job.output_dir, job.subject)
    try:
        write_text(path, _encodable("".join(traceback.format_exception(error))))
    except OSError:
        return reason
    return f"{reason}\nSee {path}."


def _encodable(text: str) -> str:
    """Replace characters that UTF-8 cannot encode, such as those of damaged names of files."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _traceback_path(output_dir: Path, subject: str) -> Path:
    return output_dir / "logs" / f"page-sub-{subject}.txt"
