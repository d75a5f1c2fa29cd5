"""First step: the files of a person become connectomes that wait for their prediction."""

import logging

from bids_deeptaskgen.bids.input.query import query_of
from bids_deeptaskgen.bids.input.sessions import SessionFault
from bids_deeptaskgen.bids.input.sources import collect
from bids_deeptaskgen.bids.output.completion import finished, input_fingerprint
from bids_deeptaskgen.connectome.censoring import Cleaning
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.connectome.prepare_run import Demands
from bids_deeptaskgen.connectome.quality import coverage_of_rois, quality_metrics
from bids_deeptaskgen.connectome.session import PersonConnectome, connect_person
from bids_deeptaskgen.connectome.template_warp import TRANSFORM, WARPED_SPACE
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.npy import save_array
from bids_deeptaskgen.machine import told_seconds
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.pipeline.failures import as_record, noted
from bids_deeptaskgen.pipeline.fsl_warp import TOOL, in_standard_space
from bids_deeptaskgen.pipeline.model_cache import load_model, roi_space, roi_weights
from bids_deeptaskgen.pipeline.records import (
    CONNECTED,
    FAILED,
    PRESENT,
    Job,
    Record,
    discard,
    discard_outdated,
    read_record,
    waiting_path,
)
from bids_deeptaskgen.pipeline.write_maps import wanted_maps
from bids_deeptaskgen.settings.fill import fill

logger = logging.getLogger("bids_deeptaskgen")


def connect_person_job(job: Job) -> list[Record]:
    """Compute the connectomes of all sessions of a person.

    Parameters
    ----------
    job : Job

    Returns
    -------
    list of Record
        One for each session, or one that says why there is none.
    """
    found: list[SessionInputs | SessionFault] = []

    def find() -> Record:
        query, combine = query_of(job.settings), job.settings.combine_runs
        with told_seconds(f"sub-{job.subject}: files"):
            found.extend(collect(job.located, job.subject, query, combine_runs=combine))
        return Record(job.subject)

    looked_up = as_record(job, Record(job.subject), find)
    if looked_up.failed:
        return [noted(job, looked_up)]
    if not found:
        reason = "no run of those that are asked for.\nLook at the preflight table (--dry-run)."
        return [noted(job, looked_up.now(status=FAILED, reason=reason))]
    return [_connect_session(job, session) for session in found]


def _connect_session(job: Job, session: SessionInputs | SessionFault) -> Record:
    record = Record(session.subject, session.session, session.entities)
    return noted(job, as_record(job, record, lambda: _connect(job, session, record)))


def _connect(job: Job, session: SessionInputs | SessionFault, record: Record) -> Record:
    if isinstance(session, SessionFault):
        raise session.error
    fingerprint = input_fingerprint(session)
    bundle = load_model(job.model)
    waiting = waiting_path(job, record, fingerprint)
    discard_outdated(waiting)
    note_file, connectome = waiting.with_suffix(".json"), waiting.with_suffix(".npy")
    wanted = wanted_maps(job.settings, bundle)
    if finished(job.settings.output_dir, session, job.settings_hash, fingerprint, wanted):
        # A run that was killed between the two has not thrown it away.
        discard(connectome)
        return record.now(status=PRESENT, n_maps=len(wanted.contrasts))
    if note_file.exists() and connectome.exists():
        logger.info("%s: the connectome of an earlier run that was broken off is used", record.name)
        return read_record(note_file).now(connectome=str(connectome))
    cleaning = fill(Cleaning, job.settings)
    demands = fill(Demands, job.settings, window_minutes=bundle.card.window_minutes)
    with told_seconds(f"{record.name}: connectome"):
        with in_standard_space(session, job.records.parent) as standard:
            person = connect_person(standard, roi_space(job.model), cleaning, demands)
        facts = _facts(job, session, person, bundle) | {"input_fingerprint": fingerprint}
        save_array(connectome, person.connectomes)
    record = record.now(status=CONNECTED, connectome=str(connectome), facts=facts)
    write_json(note_file, record.as_json())
    return record


def _warp_of(run: RunInputs) -> dict[str, str]:
    """Say how a run came to the model's space, if it was in another."""
    if run.fsl_warp:
        return {"warped_with": f"{TOOL} of FSL"}
    return {"warped_with": TRANSFORM, "warped_from": run.space} if run.space == WARPED_SPACE else {}


def _facts(job: Job, session: SessionInputs, person: PersonConnectome, bundle: Bundle) -> dict[str, object]:
    """Gather what sidecars and the quality file will say of the input."""
    grey_matter = bundle.output_mask[bundle.brain_mask]
    coverage = coverage_of_rois(roi_weights(job.model), person.has_signal)
    return {
        "runs": [
            {
                "sources": [job.located.uri(path) for path in run.files],
                "regressors": list(plan.regressors.names),
                **({"regressor_sources": plan.regressors.sources} if plan.regressors.sources else {}),
                **_warp_of(run),
                "n_residual_dof": plan.n_residual_dof,
                "n_volumes": plan.series.n_volumes,
                "n_volumes_kept": len(plan.kept),
                "t_r": plan.t_r,
                "resampled": plan.sampler.resamples,
                "voxel_sizes_mm": [float(f"{size:.6g}") for size in plan.series.grid.voxel_sizes_mm],
            }
            for run, plan in zip(session.runs, person.runs, strict=True)
        ],
        "n_windows": person.n_windows,
        "n_connectomes": len(person.connectomes),
        "metrics": quality_metrics(person, coverage, grey_matter, bundle.card.mean_roi_connectome),
        "roi_coverage": [float(f"{share:.6g}") for share in coverage],
    }
