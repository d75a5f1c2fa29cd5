"""Processing of one participant, from files to maps. Start here.

There are two steps, since one network processes the connectomes of many participants:

1. `compute_connectomes` finds the files of a participant, computes the connectomes of each session
   (`connectome.session`) and saves them.
2. `prediction_step.predict_chunk` runs the network on the saved connectomes and calls `finish_session`,
   which writes the maps of a session (`write_maps`) and removes its connectomes.

The workflow runs both steps in separate processes. Each step returns a `Record` per session. A failure is
also a record, not an exception that ends the run (`failures.run_as_record`).
"""

import logging
import time
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.input.sessions import SessionFault
from bids_deeptaskgen.bids.input.sources import find_sessions
from bids_deeptaskgen.bids.output.completion import finished_maps, input_fingerprint
from bids_deeptaskgen.bids.output.report_data import make_session_images, save_session_images
from bids_deeptaskgen.connectome.inputs import SessionInputs
from bids_deeptaskgen.connectome.session import SessionConnectomes, compute_session_connectomes
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.machine import log_duration
from bids_deeptaskgen.pipeline.connectome_step import describe_session, log_flags
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.pipeline.extra_connectomes import ExtraRequest, request_extra, save_with_extra
from bids_deeptaskgen.pipeline.failures import run_as_record, save_or_stop
from bids_deeptaskgen.pipeline.fsl_warp import in_standard_space
from bids_deeptaskgen.pipeline.map_collection import PredictedMaps
from bids_deeptaskgen.pipeline.records import (
    CONNECTED,
    FAILED,
    MAPS_EXIST,
    Job,
    Record,
    discard,
    discard_outdated,
    read_waiting,
    waiting_path,
)
from bids_deeptaskgen.pipeline.write_maps import write_session

logger = logging.getLogger("bids_deeptaskgen")


def compute_connectomes(job: Job) -> list[Record]:
    """Run the first step: compute the connectomes of all sessions of a participant.

    Parameters
    ----------
    job : Job

    Returns
    -------
    list of Record
        One for each session, or a single one with the reason why there is no session.
    """
    sessions: list[SessionInputs | SessionFault] = []
    context = job.context

    def read_sessions() -> Record:
        with log_duration(f"sub-{job.subject}: files"):
            combine = context.settings.combine_runs
            sessions.extend(find_sessions(context.dataset, job.subject, context.query, combine_runs=combine))
        return Record(job.subject)

    lookup = run_as_record(job, Record(job.subject), read_sessions)
    if lookup.failed:
        return [save_or_stop(job, lookup)]
    if not sessions:
        reason = "no run matches the settings.\nCheck the preflight table (--dry-run)."
        return [save_or_stop(job, lookup.replace(status=FAILED, reason=reason))]
    return [_process_session(job, session) for session in sessions]


def _process_session(job: Job, session: SessionInputs | SessionFault) -> Record:
    record = Record(
        session.subject,
        session.session,
        session.entities,
        names_task=len(job.context.settings.task_id) > 1,
    )
    return save_or_stop(job, run_as_record(job, record, lambda: _compute_session(job, session, record)))


def _compute_session(job: Job, session: SessionInputs | SessionFault, record: Record) -> Record:
    """Compute the connectomes of a session, unless its maps or connectomes exist."""
    if isinstance(session, SessionFault):
        raise session.error
    context: RunContext = job.context
    settings, required_maps = context.settings, context.required_maps
    fingerprint = input_fingerprint(session)
    path_stem = waiting_path(job, record, fingerprint)
    discard_outdated(path_stem)
    connectome, description = path_stem.with_suffix(".npy"), path_stem.with_suffix(".json")
    earlier_maps = finished_maps(settings.output_dir, session, context.settings_hash, fingerprint)
    if earlier_maps and earlier_maps.cover(required_maps):
        # A run that was killed after writing the maps may have left it.
        discard(connectome)
        return record.replace(status=MAPS_EXIST, n_maps=len(required_maps.contrasts))
    has_images = settings.reports == "none" or path_stem.with_suffix(".npz").exists()
    request = request_extra(context, earlier_maps)
    if description.exists() and connectome.exists():
        waiting = read_waiting(description)
        if waiting and request.is_met_by(waiting.facts) and has_images:
            logger.info("%s: the connectome of an earlier, interrupted run is used", record.name)
            return waiting.replace(connectome=str(connectome))
        discard(connectome)
    with log_duration(f"{record.name}: connectome"):
        facts = _measure_session(job, session, record, request, path_stem)
    facts["input_fingerprint"] = fingerprint
    log_flags(record.name, facts["flags"])
    record = record.replace(status=CONNECTED, connectome=str(connectome), facts=facts)
    write_json(description, record.as_json())
    return record


def _measure_session(
    job: Job, session: SessionInputs, record: Record, request: ExtraRequest, path_stem: Path
) -> dict[str, Any]:
    """Read the series of a session, save its connectomes and images, and return its facts."""
    context, started = job.context, time.monotonic()
    bundle, makes_images = context.bundle, context.settings.reports != "none"
    with in_standard_space(session, job.records.parent) as standard:
        result = compute_session_connectomes(
            standard,
            bundle.roi_space,
            context.cleaning,
            context.requirements,
            bundle.output_mask[bundle.brain_mask] if makes_images else None,
            keeps_runs=request.runs,
        )
        facts = describe_session(context, session, result)
        facts |= save_with_extra(context, path_stem.with_suffix(".npy"), record, result, request)
    if makes_images and result.previews:
        _save_images(path_stem.with_suffix(".npz"), record, result, context)
    facts["flags"] += facts.pop("extra_flags")
    facts["seconds"] = {"connectome": round(time.monotonic() - started, 2)}
    return facts


def _save_images(path: Path, record: Record, result: SessionConnectomes, context: RunContext) -> None:
    """Save the images of the page; log an error, since the maps do not depend on them."""
    try:
        save_session_images(path, make_session_images(result, context.bundle.brain_mask))
    except OSError:
        # A full disk concerns the maps, too.
        raise
    except Exception as error:
        logger.warning(
            "%s: the images of the page cannot be made (%s: %s).", record.name, type(error).__name__, error
        )
        logger.debug("%s", record.name, exc_info=True)


def finish_session(job: Job, record: Record, maps: PredictedMaps, device: str) -> Record:
    """Write the maps of a session and remove its connectomes: the end of the second step.

    Parameters
    ----------
    job : Job
    record : Record
        Record that the first step returned.
    maps : PredictedMaps
        Predicted maps of all contrasts of the model.
    device : str
        Device on which the network ran.

    Returns
    -------
    Record
    """
    with log_duration(f"{record.name}: maps written"):
        written_record = run_as_record(job, record, lambda: write_session(job.context, record, maps, device))
    save_or_stop(job, written_record)
    if not written_record.failed:
        discard(Path(record.connectome))
    return written_record
