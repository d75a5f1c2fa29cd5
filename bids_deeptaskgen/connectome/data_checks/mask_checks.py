"""Checks of a brain mask against the mean image of its own series."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from bids_deeptaskgen.connectome.data_checks.measurement import Measurement
from bids_deeptaskgen.connectome.data_checks.observer import ObservedSeries

# Shares of the median inside the mask. Voxels under the first have no signal; voxels above the second are
# brain rather than skull or scalp.
NO_SIGNAL, BRAIN_SIGNAL = 0.2, 0.5
# A displaced mask gains at least this share of signal at its best position; rotations and noise gain less.
MIN_GAIN = 0.015
# Larger displacements are not searched.
MAX_OFFSET_MM = 60.0


def mask_without_signal(observed: ObservedSeries) -> Measurement | None:
    """Compute the share of the mask whose voxels have no signal.

    Parameters
    ----------
    observed : ObservedSeries

    Returns
    -------
    Measurement or None
        Share of the mask, 0 to 1; None without a mask file.
    """
    image, _, level = _images(observed)
    mask = _coarse_mask(observed)
    if level <= 0 or not observed.places.has_mask_file or not mask.any():
        return None
    return Measurement(float((image[mask] < NO_SIGNAL * level).mean()))


def signal_outside_mask(observed: ObservedSeries) -> Measurement | None:
    """Compute the share of the model's brain that the mask leaves out although it has a brain's signal.

    Parameters
    ----------
    observed : ObservedSeries

    Returns
    -------
    Measurement or None
        Share of the voxels inside the mask or with signal, 0 to 1; None without a mask file.
    """
    _, image, level = _images(observed)
    in_mask = observed.places.mask.ravel(order="F")[observed.model_voxels]
    if level <= 0 or not observed.places.has_mask_file or not in_mask.any():
        return None
    n_outside = int((image[~in_mask] >= BRAIN_SIGNAL * level).sum())
    return Measurement(n_outside / (n_outside + int(in_mask.sum())))


def mask_offset(observed: ObservedSeries) -> Measurement | None:
    """Find the displacement of the mask from the position at which it contains most signal.

    Parameters
    ----------
    observed : ObservedSeries

    Returns
    -------
    Measurement or None
        Displacement in mm; 0 if the mask gains less than `MIN_GAIN` there. None without a mask file.
    """
    image, _, level = _images(observed)
    mask = _coarse_mask(observed) & (image > 0)
    if level <= 0 or not observed.places.has_mask_file or not mask.any():
        return None
    # Bright vessels and eyes count as much as brain.
    signal = np.clip(image / level, 0, 1)
    places = observed.places
    sizes_mm = [
        size * (part.step or 1) for size, part in zip(places.voxel_sizes_mm, places.coarse, strict=True)
    ]
    limits = [int(MAX_OFFSET_MM / size) for size in sizes_mm]
    # Zeros keep a mask that leaves on one side from entering on the other.
    shape = [fft.next_fast_len(n + limit, real=True) for n, limit in zip(mask.shape, limits, strict=True)]
    product = np.conj(fft.rfftn(mask.astype(np.float32), shape)) * fft.rfftn(signal, shape)
    overlap = fft.irfftn(product, shape)
    shifts = [fft.fftfreq(n, 1 / n) for n in shape]
    reachable = [np.flatnonzero(np.abs(shift) <= limit) for shift, limit in zip(shifts, limits, strict=True)]
    overlap = overlap[np.ix_(*reachable)]
    peak = np.unravel_index(int(overlap.argmax()), overlap.shape)
    gain = float(overlap[peak] / max(overlap[0, 0, 0], 1e-9)) - 1
    shift_mm = [
        shift[places_of_axis][index] * size
        for shift, places_of_axis, index, size in zip(shifts, reachable, peak, sizes_mm, strict=True)
    ]
    offset_mm = float(np.linalg.norm(shift_mm)) if gain >= MIN_GAIN else 0.0
    return Measurement(offset_mm, f"{gain:.1%}")


def _coarse_mask(observed: ObservedSeries) -> NDArray[np.bool_]:
    return observed.places.mask[observed.places.coarse]


def _images(observed: ObservedSeries) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Return the image that shows the brain (coarse, and at the model's voxels), and its level in the mask.

    That is the mean, or the deviation over time if the mean was removed, as in denoised series.
    """
    mask = _coarse_mask(observed)
    if not mask.any():
        return observed.mean, observed.model_mean, 0.0
    level, deviation = np.median(observed.mean[mask]), np.median(observed.spread[mask])
    if abs(level) > deviation:
        return observed.mean, observed.model_mean, float(level)
    return observed.spread, observed.model_spread, float(deviation)
