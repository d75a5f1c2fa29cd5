"""Overlap of the functional ROI of a predicted map with that of the measured map, and its baselines."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.regions.functional_rois import roi_size, select_top

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class RoiOverlap:
    """Overlap of functional ROIs with that of the measured map.

    Attributes
    ----------
    n_available : int
        Voxels of the region with a value in all maps.
    n_voxels : int
        Voxels of each functional ROI.
    dice : float
        Dice coefficient of the predicted map.
    baselines : dict of str to float
        Dice coefficient of each baseline; NaN for those that do not exist.
    chance : float
        Expected Dice coefficient of random voxels: a share k / n of n voxels, since a random selection of k
        voxels shares k^2 / n voxels with another.
    """

    n_available: int
    n_voxels: int
    dice: float
    baselines: dict[str, float]
    chance: float


def compare_rois(
    measured: Floats, predicted: Floats, baselines: Mapping[str, Floats], percent: float
) -> RoiOverlap | None:
    """Compare the functional ROIs of a predicted map and of baselines with that of the measured map.

    All of them are selected among the voxels with a value in all maps, so they have the same size.

    Parameters
    ----------
    measured, predicted : array of shape (n_voxels,)
        Maps in the region; NaN where they have no value.
    baselines : dict of str to array of shape (n_voxels,)
        Other predictions by name. One that is NaN in all voxels does not restrict the voxels.
    percent : float
        Share of the voxels, in percent.

    Returns
    -------
    RoiOverlap or None
        None if no voxel has a value in all maps.

    Examples
    --------
    >>> measured = np.array([4.0, 3, 2, 1])
    >>> compare_rois(measured, measured[[0, 2, 1, 3]], {"mean": measured}, 50)
    RoiOverlap(n_available=4, n_voxels=2, dice=0.5, baselines={'mean': 1.0}, chance=0.5)
    """
    usable_maps = {name: values for name, values in baselines.items() if np.isfinite(values).any()}
    is_common = np.isfinite(measured) & np.isfinite(predicted)
    for values in usable_maps.values():
        is_common &= np.isfinite(values)
    n_available = int(np.count_nonzero(is_common))
    n_voxels = roi_size(n_available, percent)
    if not n_voxels:
        return None
    target = select_top(measured[is_common], percent)

    def dice(values: Floats) -> float:
        # Both functional ROIs have n_voxels voxels.
        return float(np.count_nonzero(target & select_top(values[is_common], percent)) / n_voxels)

    dice_of_baselines = dict.fromkeys(baselines, float("nan"))
    dice_of_baselines |= {name: dice(values) for name, values in usable_maps.items()}
    return RoiOverlap(n_available, n_voxels, dice(predicted), dice_of_baselines, n_voxels / n_available)
