"""Checks of the values of one series: rounding, copies of voxels and slices, frozen volumes and slices."""

import numpy as np

from bids_deeptaskgen.connectome.data_checks.measurement import Measurement
from bids_deeptaskgen.connectome.data_checks.observer import MIN_PROBES_PER_SLICE, ObservedSeries

# Values for the count of distinct values; more take longer and find no more values of a rounded series.
N_VALUES = 65536
# Share of a slice's voxels that equal their neighbours in the next slice.
MIN_REPEATED_SHARE = 0.9
# More repeated slices than both are copies of voxels, as in data with larger voxels.
MAX_REPEATED_SLICES, MAX_REPEATED_SLICE_SHARE = 3, 0.1
# Share of voxels with a copy above which slices are no unit of their own.
MAX_COPIES = 0.5
AXES = "ijk"


def distinct_values(observed: ObservedSeries) -> Measurement | None:
    """Count the distinct values of a series.

    Parameters
    ----------
    observed : ObservedSeries

    Returns
    -------
    Measurement or None
        Number of distinct values among those observed inside the mask; None if there are too few of them.
    """
    values = _values(observed)
    if len(values) < N_VALUES // 64:
        return None
    return Measurement(len(np.unique(values)), f"{len(values):,}")


def rounding_noise(observed: ObservedSeries) -> Measurement | None:
    """Compute the share of the variance over time that comes from rounding.

    Rounding to multiples of a step adds a variance of step^2 / 12 (Bennett 1948, Bell System Technical
    Journal 27:446).

    Parameters
    ----------
    observed : ObservedSeries

    Returns
    -------
    Measurement or None
        Median over voxels, 0 to 1; None if there is no signal.
    """
    distinct = np.unique(_values(observed))
    with np.errstate(invalid="ignore"):
        variance = observed.samples.var(axis=0, ddof=1) if len(observed.samples) > 1 else np.zeros(1)
    variance = variance[np.isfinite(variance) & (variance > 0)]
    if len(distinct) < 2 or not len(variance):
        return None
    step = float(np.diff(distinct).min())
    return Measurement(min(step**2 / 12 / float(np.median(variance)), 1.0), f"{step:.3g}")


def _values(observed: ObservedSeries) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Select at most about `N_VALUES` finite values."""
    values = observed.samples[:, :: max(1, observed.samples.size // N_VALUES)].ravel()
    return np.asarray(values[np.isfinite(values)])


def copied_voxels(observed: ObservedSeries) -> Measurement | None:
    """Compute the share of voxels whose series equals that of a neighbour.

    Parameters
    ----------
    observed : ObservedSeries

    Returns
    -------
    Measurement
        Share, 0 to 1. Repeated slices do not count.
    """
    copies = observed.copies.copy()
    for axis in range(3):
        is_repeated = np.isin(observed.probes[axis], _repeated_slices(observed, axis))
        copies[axis] &= ~is_repeated
    return Measurement(float(copies.any(axis=0).mean()))


def repeated_slices(observed: ObservedSeries) -> Measurement | None:
    """Count slices whose voxels all copy the next slice, along the axis with most of them.

    Parameters
    ----------
    observed : ObservedSeries

    Returns
    -------
    Measurement
        Number of slices; 0 if more than a tenth of the slices do, or most voxels are copies, as in data
        upsampled from larger voxels, which `copied_voxels` finds.
    """
    slices = [_repeated_slices(observed, axis) for axis in range(3)]
    axis = max(range(3), key=lambda axis: len(slices[axis]))
    numbers = ", ".join(map(str, slices[axis][:5])) + (", ..." if len(slices[axis]) > 5 else "")
    return Measurement(len(slices[axis]), f"{AXES[axis]} = {numbers}")


def _repeated_slices(observed: ObservedSeries, axis: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Find the slices that repeat the next slice; none if too many do."""
    if observed.copies.any(axis=0).mean() > MAX_COPIES:
        return np.empty(0, np.intp)
    n_slices = observed.places.shape[axis]
    counts = np.bincount(observed.probes[axis], minlength=n_slices)
    n_copies = np.bincount(observed.probes[axis][observed.copies[axis]], minlength=n_slices)
    is_counted = counts >= MIN_PROBES_PER_SLICE
    slices = np.flatnonzero(is_counted & (n_copies >= MIN_REPEATED_SHARE * counts))
    limit = max(MAX_REPEATED_SLICES, MAX_REPEATED_SLICE_SHARE * is_counted.sum())
    return slices if len(slices) <= limit else slices[:0]


def frozen_volumes(observed: ObservedSeries) -> Measurement | None:
    """Count volumes that equal the kept volume before.

    Parameters
    ----------
    observed : ObservedSeries

    Returns
    -------
    Measurement
        Number of volumes.
    """
    return Measurement(observed.n_frozen_volumes, f"{len(observed.global_signal)}")


def frozen_slices(observed: ObservedSeries) -> Measurement | None:
    """Count slices that keep their values, or are 0, in some volumes, while they vary in others.

    Parameters
    ----------
    observed : ObservedSeries

    Returns
    -------
    Measurement
        Number of slices, summed over volumes.
    """
    frozen = observed.frozen_slices
    (first, last), (start, end) = frozen.slices, frozen.volumes
    return Measurement(frozen.n_frozen, f"slices {first} to {last}, kept volumes {start} to {end}")
