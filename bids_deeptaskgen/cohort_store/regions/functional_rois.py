"""Functional ROIs: in each region of a search space, the voxels with the largest values of a map.

A share of the voxels of the region is selected (Nieto-Castanon and Fedorenko 2012, NeuroImage 63:1646, for
regions of a group), so functional ROIs of all participants and contrasts have the same size. No threshold
on the values applies: a functional ROI exists for any map, also for one without activation.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

# Volume of a voxel of the maps.
VOXEL_MM3 = 8.0
# Labels of one hemisphere cross the midline with up to 0.8% of their voxels (Harvard-Oxford); the smaller
# side of regions of both hemispheres has 18% and more (Glasser, numbers 1-180 in both).
MIN_SIDE_SHARE = 0.05
_NAN = float("nan")


class FunctionalRoi(NamedTuple):
    """Size, position and values of a functional ROI.

    Attributes
    ----------
    n_available : int
        Voxels of the region with a value.
    n_voxels : int
        Voxels of the functional ROI; 0 if the map has no value in the region. Then all others are NaN.
    volume_mm3 : float
    mean, minimum, peak : float
        Mean, smallest and largest value of the map in the functional ROI.
    peak_x_mm, peak_y_mm, peak_z_mm : float
        Position of the largest value.
    centre_x_mm, centre_y_mm, centre_z_mm : float
        Mean position of the voxels, not weighted by their values.
    lateralisation_index : float
        See `lateralisation_index`.
    """

    n_available: int
    n_voxels: int
    volume_mm3: float
    mean: float = _NAN
    minimum: float = _NAN
    peak: float = _NAN
    peak_x_mm: float = _NAN
    peak_y_mm: float = _NAN
    peak_z_mm: float = _NAN
    centre_x_mm: float = _NAN
    centre_y_mm: float = _NAN
    centre_z_mm: float = _NAN
    lateralisation_index: float = _NAN


def roi_size(n_available: int, percent: float) -> int:
    """Compute the number of voxels of a functional ROI.

    Parameters
    ----------
    n_available : int
        Voxels of the region with a value.
    percent : float
        Share of these voxels, in percent.

    Returns
    -------
    int
        The nearest integer (of two, the even one), at least 1; 0 if no voxel is available.

    Examples
    --------
    >>> roi_size(126, 10), roi_size(125, 10), roi_size(3, 10), roi_size(0, 10)
    (13, 12, 1, 0)
    """
    return max(1, round(percent / 100 * n_available)) if n_available else 0


def select_top(values: Floats, percent: float) -> Bools:
    """Select the voxels of a region with the largest values.

    Parameters
    ----------
    values : array of shape (n_voxels,)
        Map in the region; NaN where it has no value.
    percent : float
        Share of the voxels with a value, in percent.

    Returns
    -------
    boolean array of shape (n_voxels,)
        Of equal values at the limit, the first are selected.

    Examples
    --------
    >>> select_top(np.array([1.0, 3, 3, np.nan, 3]), 50)
    array([False,  True,  True, False, False])
    """
    candidates = np.flatnonzero(np.isfinite(values))
    selection = np.zeros(len(values), bool)
    n_voxels = roi_size(len(candidates), percent)
    if not n_voxels:
        return selection
    available = values[candidates]
    place = len(available) - n_voxels
    limit = np.partition(available, place)[place]
    is_larger = available > limit
    ties = np.flatnonzero(available == limit)[: n_voxels - int(is_larger.sum())]
    selection[candidates[is_larger]] = True
    selection[candidates[ties]] = True
    return selection


def measure_roi(values: Floats, selection: Bools, positions_mm: NDArray[np.float64]) -> FunctionalRoi:
    """Measure a functional ROI.

    Parameters
    ----------
    values : array of shape (n_voxels,)
        Map in the region; NaN where it has no value.
    selection : boolean array of shape (n_voxels,)
        Voxels of the functional ROI, all with a value.
    positions_mm : array of shape (n_voxels, 3)
        x, y, z of the voxels of the region.

    Returns
    -------
    FunctionalRoi
    """
    has_value = np.isfinite(values)
    n_available, n_voxels = int(np.count_nonzero(has_value)), int(np.count_nonzero(selection))
    if not n_voxels:
        return FunctionalRoi(n_available, 0, 0.0)
    roi_values, roi_positions = values[selection], positions_mm[selection]
    peak = int(np.argmax(roi_values))
    peak_mm, centre_mm = roi_positions[peak].tolist(), roi_positions.mean(axis=0).tolist()
    return FunctionalRoi(
        n_available,
        n_voxels,
        n_voxels * VOXEL_MM3,
        mean=float(np.mean(roi_values, dtype=np.float64)),
        minimum=float(roi_values.min()),
        peak=float(roi_values[peak]),
        peak_x_mm=peak_mm[0],
        peak_y_mm=peak_mm[1],
        peak_z_mm=peak_mm[2],
        centre_x_mm=centre_mm[0],
        centre_y_mm=centre_mm[1],
        centre_z_mm=centre_mm[2],
        lateralisation_index=lateralisation_index(selection, has_value, positions_mm[:, 0]),
    )


def lateralisation_index(selection: Bools, has_value: Bools, x_mm: NDArray[np.float64]) -> float:
    """Compute the lateralisation index (L - R) / (L + R) of a functional ROI.

    L and R are the shares of the available voxels of the region's left and right part that are in the
    functional ROI, so that a larger part of a region does not count as lateralisation. Voxels on the midline
    (x = 0) are in neither.

    Parameters
    ----------
    selection : boolean array of shape (n_voxels,)
        Voxels of the functional ROI.
    has_value : boolean array of shape (n_voxels,)
        Available voxels of the region.
    x_mm : array of shape (n_voxels,)
        Position of the voxels, to the right.

    Returns
    -------
    float
        1 if the functional ROI is on the left only, -1 on the right only. NaN if less than 5% of the
        available voxels beside the midline are on one side, which is a region of one hemisphere; and if the
        functional ROI is on the midline only.

    Examples
    --------
    >>> x_mm = np.array([-4.0, -2, 2, 4])
    >>> lateralisation_index(np.array([True, True, True, False]), np.ones(4, bool), x_mm)
    0.3333333333333333
    """
    is_left, is_right = x_mm < 0, x_mm > 0
    n_left, n_right = np.count_nonzero(has_value & is_left), np.count_nonzero(has_value & is_right)
    if min(n_left, n_right) < max(1, MIN_SIDE_SHARE * (n_left + n_right)):
        return _NAN
    left_share = np.count_nonzero(selection & is_left) / n_left
    right_share = np.count_nonzero(selection & is_right) / n_right
    total = left_share + right_share
    return float((left_share - right_share) / total) if total else _NAN
