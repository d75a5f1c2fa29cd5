"""Description of the connectome of a session: input, cleaning and quality."""

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np

from bids_deeptaskgen.connectome.coverage import check_coverage, coverage_of_rois, region_without_signal
from bids_deeptaskgen.connectome.findings import Finding
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.connectome.prepare_run import PreparedRun
from bids_deeptaskgen.connectome.quality import quality_metrics
from bids_deeptaskgen.connectome.session import SessionConnectomes
from bids_deeptaskgen.connectome.template_warp import TRANSFORM, WARPED_SPACE
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.pipeline.fsl_warp import TOOL
from bids_deeptaskgen.pipeline.write_tables import list_pairs

logger = logging.getLogger("bids_deeptaskgen")


def describe_session(
    context: RunContext, session: SessionInputs, result: SessionConnectomes
) -> dict[str, Any]:
    """Describe input and quality of a session for its sidecars and its quality file.

    Parameters
    ----------
    context : RunContext
    session : SessionInputs
        Original files, before any warp.
    result : SessionConnectomes

    Returns
    -------
    dict
        JSON values.
    """
    bundle = context.bundle
    grey_matter = bundle.output_mask[bundle.brain_mask]
    coverage = coverage_of_rois(bundle.roi_weights, result.has_signal)
    region = region_without_signal(result.has_signal, bundle.brain_mask)[grey_matter]
    findings = [
        *result.findings,
        *check_coverage(session.name, coverage, bundle.roi_weights, bundle.brain_mask, region.mean()),
    ]
    distribution = bundle.connectome_distribution()
    metrics = quality_metrics(result, coverage, grey_matter, bundle.card.mean_roi_connectome, distribution)
    return {
        "runs": [
            _describe_run(context, run, plan) for run, plan in zip(session.runs, result.runs, strict=True)
        ],
        "n_windows": result.n_windows,
        "n_connectomes": len(result.connectomes),
        "metrics": {**metrics, "share_without_values": float(f"{region.mean():.6g}")},
        "roi_connectome": list_pairs(result.roi_connectome),
        "roi_coverage": [float(f"{share:.6g}") for share in coverage],
        "flags": [describe_flag(finding) for finding in findings],
        "series_hashes": list(result.checks.fingerprints),
        "typicality_reference": distribution.reference if distribution else {},
    }


def describe_flag(finding: Finding) -> dict[str, Any]:
    """Describe a finding as an entry of ``Flags`` in the quality file.

    Parameters
    ----------
    finding : Finding

    Returns
    -------
    dict
        JSON values.
    """
    return {
        "Name": finding.name,
        "Value": finding.value,
        "Threshold": finding.threshold,
        "Message": finding.message,
    }


def log_flags(name: str, flags: Iterable[dict[str, Any]]) -> None:
    """Log a warning for each flag of a session.

    Parameters
    ----------
    name : str
        Of the session.
    flags : iterable of dict
        From `describe_flag`.
    """
    for flag in flags:
        logger.warning("%s: %s: %s", name, flag["Name"], " ".join(flag["Message"].split()))


def _describe_run(context: RunContext, run: RunInputs, plan: PreparedRun) -> dict[str, Any]:
    regressors, series = plan.regressors, plan.series
    return {
        "sources": [context.dataset.uri(path) for path in run.files],
        **({"denoised_by": run.denoised_by} if run.denoised_by else {}),
        "regressors": list(regressors.names),
        **({"regressor_sources": regressors.sources} if regressors.sources else {}),
        **_describe_warp(run),
        "n_residual_dof": plan.n_residual_dof,
        "n_volumes": series.n_volumes,
        "n_volumes_kept": len(plan.kept_volumes),
        **_count_removed(plan, context.cleaning.fd_threshold),
        "t_r": plan.t_r,
        "resampled": plan.sampler.resamples,
        "voxel_sizes_mm": [float(f"{size:.6g}") for size in series.grid.voxel_sizes_mm],
    }


def _count_removed(plan: PreparedRun, fd_threshold: float) -> dict[str, int]:
    """Count the removed volumes by cause; an outlier of the input that moved counts as motion."""
    n_volumes = plan.series.n_volumes
    is_dummy = plan.is_dummy if len(plan.is_dummy) else np.zeros(n_volumes, bool)
    is_removed = ~is_dummy
    is_removed[plan.kept_volumes] = False
    has_moved = np.zeros(n_volumes, bool)
    if fd_threshold and plan.fd_mm is not None:
        has_moved = is_removed & (plan.fd_mm > fd_threshold)
    return {
        "n_dummy_scans": int(is_dummy.sum()),
        "n_outlier_volumes": int((is_removed & ~has_moved).sum()),
        "n_motion_volumes": int(has_moved.sum()),
    }


def _describe_warp(run: RunInputs) -> dict[str, str]:
    """Describe how a run in another space was brought to the model's space."""
    if run.fsl_warp:
        return {"warped_with": f"{TOOL} of FSL"}
    return {"warped_with": TRANSFORM, "warped_from": run.space} if run.space == WARPED_SPACE else {}
