"""Metrics of the signal of a series that have no flag: DVARS, and the global signal."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.data_checks.confounds_checks import (
    GLOBAL_SIGNAL,
    correlate_series,
    is_demeaned,
)
from bids_deeptaskgen.connectome.data_checks.observer import ObservedSeries

Reference = Mapping[str, NDArray[np.float64]]
Metric = Callable[[ObservedSeries, Reference, NDArray[np.intp]], float | None]


def dvars_median_percent(
    observed: ObservedSeries, _reference: Reference, kept_volumes: NDArray[np.intp]
) -> float | None:
    """Compute the median of DVARS in percent of the mean signal (Power et al. 2012, NeuroImage 59:2142).

    Parameters
    ----------
    observed : ObservedSeries
    _reference : dict
        Not used.
    kept_volumes : integer array of shape (n_kept,)

    Returns
    -------
    float or None
        Over pairs of adjacent volumes that are both kept. None for demeaned series.
    """
    level = float(np.nanmean(observed.global_signal))
    change = observed.change[1:][np.diff(kept_volumes) == 1]
    if is_demeaned(observed) or not level > 0 or not len(change):
        return None
    return 100 * float(np.median(change)) / level


def global_signal_r(
    observed: ObservedSeries, reference: Reference, kept_volumes: NDArray[np.intp]
) -> float | None:
    """Correlate the mean over the mask with the global signal of the confounds table.

    Parameters
    ----------
    observed : ObservedSeries
    reference : dict of str to array of shape (n_volumes,)
        From `reference_signals`.
    kept_volumes : integer array of shape (n_kept,)

    Returns
    -------
    float or None
        Pearson r. None without the column, or for demeaned series.
    """
    if is_demeaned(observed) or GLOBAL_SIGNAL not in reference:
        return None
    return correlate_series(observed.global_signal, reference[GLOBAL_SIGNAL][kept_volumes])


def global_signal_share(
    observed: ObservedSeries, _reference: Reference, _kept_volumes: NDArray[np.intp]
) -> float | None:
    """Compute the standard deviation of the global signal relative to that of a voxel.

    A brain's voxels share part of their signal; the mean over n voxels of independent noise varies by
    1 / sqrt(n) of a voxel only.

    Parameters
    ----------
    observed : ObservedSeries
    _reference, _kept_volumes : dict, array
        Not used.

    Returns
    -------
    float or None
        From 0 to 1. None for demeaned series, whose global signal may have been removed.
    """
    if is_demeaned(observed):
        return None
    samples = observed.samples[:, np.isfinite(observed.samples).all(axis=0)]
    voxel_sd = float(np.median(samples.std(axis=0))) if samples.size else 0.0
    # In the same volumes as the voxels.
    return float(samples.mean(axis=1).std()) / voxel_sd if voxel_sd > 0 else None


# Each with the choice of the worst value over the runs of a session.
SIGNAL_METRICS: Mapping[str, tuple[Metric, Callable[[Sequence[float]], float]]] = {
    "dvars_median_percent": (dvars_median_percent, max),
    "global_signal_r": (global_signal_r, min),
    "global_signal_share": (global_signal_share, min),
}
