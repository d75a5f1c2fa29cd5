"""Quality metrics of the resting-state data of a session."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.prepare_run import PreparedRun
from bids_deeptaskgen.connectome.session import SessionConnectomes
from bids_deeptaskgen.connectome.typicality import ConnectomeDistribution, typicality

# A series with its mean never varies by more than that mean.
MIN_TSNR = 1.0


def quality_metrics(
    participant: SessionConnectomes,
    roi_coverage: NDArray[np.float64],
    grey_matter: NDArray[np.bool_],
    mean_roi_connectome: tuple[float, ...] | None = None,
    distribution: ConnectomeDistribution | None = None,
) -> dict[str, Any]:
    """Compute quality metrics of a session.

    Parameters
    ----------
    participant : SessionConnectomes
    roi_coverage : array of shape (n_rois,)
        From `connectome.coverage.coverage_of_rois`.
    grey_matter : boolean array of shape (n_voxels,)
        Voxels for which maps are predicted.
    mean_roi_connectome : tuple of float, optional
        Mean ROI-by-ROI correlations of the training participants, upper triangle row by row.
    distribution : ConnectomeDistribution, optional
        Of the ROI-by-ROI connectomes of the training participants.

    Returns
    -------
    dict
        Metrics under names that include their unit; None where a metric is unavailable.
    """
    runs = participant.runs
    usable_voxels = grey_matter & participant.has_signal
    return {
        **describe_volumes(runs),
        "tsnr_median": _median_tsnr(participant.tsnr[usable_voxels]),
        "coverage_grey_matter": _rounded(usable_voxels.sum() / max(grey_matter.sum(), 1)),
        "coverage_rois_min": _rounded(roi_coverage.min()),
        "n_voxels_without_variance": participant.n_flat,
        "typicality": typicality(participant.roi_connectome, mean_roi_connectome),
        "mahalanobis_distance": distribution
        and distribution.mahalanobis_distance(participant.roi_connectome),
        **participant.checks.metrics,
    }


def describe_volumes(runs: Sequence[PreparedRun]) -> dict[str, Any]:
    """Compute the metrics of a session that need no volume: amount of data, regressors and motion.

    Parameters
    ----------
    runs : sequence of PreparedRun

    Returns
    -------
    dict
        None where a metric is unavailable.
    """
    n_volumes = sum(run.series.n_volumes for run in runs)
    n_kept = sum(len(run.kept_volumes) for run in runs)
    n_steady = n_volumes - sum(int(run.is_dummy.sum()) for run in runs)
    is_censored = any(run.censors for run in runs)
    fd_series = [run.fd_mm[1:] for run in runs if run.fd_mm is not None and len(run.fd_mm) > 1]
    fd_mm = np.concatenate(fd_series) if fd_series else None
    return {
        "n_runs": len(runs),
        "n_volumes": n_volumes,
        "n_volumes_kept": n_kept,
        "minutes_kept": _rounded(sum(run.minutes for run in runs)),
        "n_regressors": [len(run.regressors.names) for run in runs],
        "n_residual_dof": sum(run.n_residual_dof for run in runs),
        "removed_share": _rounded(1 - n_kept / n_volumes),
        "motion_censored_share": _rounded(1 - n_kept / max(n_steady, 1)) if is_censored else None,
        "fd_mean_mm": None if fd_mm is None else _rounded(fd_mm.mean()),
        "fd_max_mm": None if fd_mm is None else _rounded(fd_mm.max()),
    }


def _median_tsnr(tsnr: NDArray[np.float64]) -> float | None:
    """Return the median; None without voxels, or for demeaned series."""
    median = float(np.median(tsnr)) if len(tsnr) else 0.0
    return _rounded(median) if abs(median) >= MIN_TSNR else None


def _rounded(value: float) -> float:
    # Six digits exceed the precision of these metrics and agree on every machine.
    return float(f"{value:.6g}")
