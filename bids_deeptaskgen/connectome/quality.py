"""Figures by which to judge the resting-state data behind a person's maps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.session import SessionConnectomes

# No series that still has its mean varies by more than that mean.
MIN_TSNR = 1.0


def quality_metrics(
    participant: SessionConnectomes,
    roi_coverage: NDArray[np.float64],
    grey_matter: NDArray[np.bool_],
    mean_roi_connectome: tuple[float, ...] | None = None,
) -> dict[str, Any]:
    """Summarise the data of a session in single figures.

    Parameters
    ----------
    participant : PersonConnectome
    roi_coverage : array of shape (n_rois,)
        From ``coverage_of_rois``.
    grey_matter : boolean array of shape (n_voxels,)
        Voxels for which maps are predicted.
    mean_roi_connectome : tuple of float, optional
        The training people's mean ROI-by-ROI correlations, upper triangle row by row.

    Returns
    -------
    dict
        Figures under names that carry their unit; None where a figure cannot be had.
    """
    runs = participant.runs
    moved = [run.fd_mm[1:] for run in runs if run.fd_mm is not None and len(run.fd_mm) > 1]
    fd_mm = np.concatenate(moved) if moved else None
    seen = grey_matter & participant.has_signal
    return {
        "n_runs": len(runs),
        "n_volumes": sum(run.series.n_volumes for run in runs),
        "n_volumes_kept": sum(len(run.kept) for run in runs),
        "minutes_kept": _rounded(sum(run.minutes for run in runs)),
        "n_regressors": [len(run.regressors.names) for run in runs],
        "n_residual_dof": sum(run.n_residual_dof for run in runs),
        "fd_mean_mm": None if fd_mm is None else _rounded(fd_mm.mean()),
        "fd_max_mm": None if fd_mm is None else _rounded(fd_mm.max()),
        "tsnr_median": _tsnr(participant.tsnr[seen]),
        "coverage_grey_matter": _rounded(seen.sum() / max(grey_matter.sum(), 1)),
        "coverage_rois_min": _rounded(roi_coverage.min()),
        "n_voxels_without_variance": participant.n_flat,
        "typicality": typicality(participant.roi_connectome, mean_roi_connectome),
    }


def _tsnr(tsnr: NDArray[np.float64]) -> float | None:
    """Give the median; None where there is nothing, or where the mean of the series was taken off."""
    median = float(np.median(tsnr)) if len(tsnr) else 0.0
    return _rounded(median) if abs(median) >= MIN_TSNR else None


def coverage_of_rois(weights: NDArray[np.float32], has_signal: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of each ROI map's weight that lies on voxels with signal.

    Parameters
    ----------
    weights : array of shape (n_rois, n_voxels)
        Absolute values of the model's ROI maps.
    has_signal : boolean array of shape (n_voxels,)

    Returns
    -------
    array of shape (n_rois,)
        From 0 to 1.
    """
    total = weights.sum(axis=1, dtype=np.float64)
    share: NDArray[np.float64] = weights[:, has_signal].sum(axis=1, dtype=np.float64) / total
    return share


def typicality(
    roi_connectome: NDArray[np.float64], mean_roi_connectome: tuple[float, ...] | None
) -> float | None:
    """How much a person's ROI-by-ROI correlations resemble the mean of the training people's.

    Parameters
    ----------
    roi_connectome : array of shape (n_rois, n_rois)
    mean_roi_connectome : tuple of float or None
        Upper triangle, row by row.

    Returns
    -------
    float or None
        Pearson r over the pairs of ROIs; None where the model does not carry the mean or an ROI is flat.
    """
    if mean_roi_connectome is None:
        return None
    own = roi_connectome[np.triu_indices_from(roi_connectome, k=1)]
    if not np.isfinite(own).all() or own.std() == 0:
        return None
    return _rounded(np.corrcoef(own, mean_roi_connectome)[0, 1])


def _rounded(value: float) -> float:
    # Six digits are more than any of these figures means, and the same on every machine.
    return float(f"{value:.6g}")
