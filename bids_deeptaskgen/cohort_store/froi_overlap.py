"""Overlap of the functional ROI of a predicted map with that of the measured map, and its baselines."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.functional_rois import roi_size, select_top

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class RoiOverlap:
    """Overlap of functional ROIs of several maps with that of the measured map.

    Attributes
    ----------
    n_available : int
        Voxels of the region with a value in all maps.
    n_voxels : int
        Voxels of each functional ROI.
    dice : dict of str to float
        Dice coefficient by name of the map; NaN for maps that do not exist.
    chance : float
        Expected Dice coefficient of random voxels: a share k / n of n voxels, since a random selection of k
        voxels shares k^2 / n voxels with another.
    """

    n_available: int
    n_voxels: int
    dice: dict[str, float]
    chance: float


def compare_rois(measured: Floats, maps: Mapping[str, Floats], percent: float) -> RoiOverlap | None:
    """Compare functional ROIs of several maps with that of the measured map.

    All of them are selected among the voxels with a value in all maps, so they have the same size.

    Parameters
    ----------
    measured : array of shape (n_voxels,)
        Measured map in the region; NaN where it has no value.
    maps : dict of str to array of shape (n_voxels,)
        Other maps by name. A map that is NaN in all voxels does not restrict the voxels of the others.
    percent : float
        Share of the voxels, in percent.

    Returns
    -------
    RoiOverlap or None
        None if no voxel has a value in all maps.

    Examples
    --------
    >>> measured = np.array([4.0, 3, 2, 1])
    >>> compare_rois(measured, {"predicted": measured[[0, 2, 1, 3]]}, 50)
    RoiOverlap(n_available=4, n_voxels=2, dice={'predicted': 0.5}, chance=0.5)
    """
    usable_maps = {name: values for name, values in maps.items() if np.isfinite(values).any()}
    is_common = np.isfinite(measured)
    for values in usable_maps.values():
        is_common &= np.isfinite(values)
    n_available = int(np.count_nonzero(is_common))
    n_voxels = roi_size(n_available, percent)
    if not n_voxels:
        return None
    target = select_top(measured[is_common], percent)
    dice = {
        # Both have n_voxels voxels.
        name: float(np.count_nonzero(target & select_top(usable_maps[name][is_common], percent)) / n_voxels)
        if name in usable_maps
        else float("nan")
        for name in maps
    }
    return RoiOverlap(n_available, n_voxels, dice, n_voxels / n_available)
