"""Centroid and spread of ROI maps, and whether distances between the ROIs of a set are meaningful."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_deeptaskgen.grid import MODEL_GRID

# Voxels above this share of the largest weight belong to the core of an ROI.
CORE_SHARE = 0.5
# Largest spread of a compact ROI. Measured in the embedded model's brain mask: k-means parcels of the whole
# brain have at most 15.2 mm (100 parcels; 18.2 mm with 50). Of mirrored pairs of parcels (25 to 200 pairs of
# the whole brain or of its outer 8 mm), the median is 26 mm or more, and of the embedded ICA maps 25 mm.
MAX_SPREAD_MM = 20.0
# Share of compact ROIs in a compact set. Mirrored pairs at the midline are compact, too: up to 38% of the
# pairs measured; and 44% of the embedded ICA maps.
MIN_COMPACT_SHARE = 0.9


@dataclass(frozen=True)
class RoiGeometry:
    """Position and size of the core of each ROI.

    Attributes
    ----------
    centroids_mm : array of shape (n_rois, 3)
    spreads_mm : array of shape (n_rois,)
        Weighted root mean square of the distances from the centroid.
    """

    centroids_mm: NDArray[np.float64]
    spreads_mm: NDArray[np.float64]


def measure_rois(rois: NDArray[np.floating], brain_mask: NDArray[np.bool_]) -> RoiGeometry:
    """Compute centroid and spread of the core of each ROI map.

    The core is the voxels above half of the map's maximum, weighted by their values. The maps of an ICA have
    small weights, of both signs, everywhere in the brain; with them, all maps would be equally spread.

    Parameters
    ----------
    rois : array of shape (n_rois, n_voxels)
        ROI maps at the voxels of the brain mask, in C order. A map without positive values has the core of
        its absolute values.
    brain_mask : boolean array on ``MODEL_GRID``

    Returns
    -------
    RoiGeometry
    """
    affine = MODEL_GRID.matrix
    points = np.argwhere(brain_mask) @ affine[:3, :3].T + affine[:3, 3]
    centroids, spreads = [], []
    for values in rois:
        weights = values if values.max() > 0 else np.abs(values)
        core = np.flatnonzero(weights > CORE_SHARE * weights.max())
        centroid = np.average(points[core], axis=0, weights=weights[core])
        squares = ((points[core] - centroid) ** 2).sum(axis=1)
        centroids.append(centroid)
        spreads.append(np.sqrt(np.average(squares, weights=weights[core])))
    return RoiGeometry(np.array(centroids).reshape(-1, 3), np.array(spreads))


def is_compact(spreads_mm: ArrayLike | Sequence[float]) -> bool:
    """Return whether the ROIs of a set are compact, so that distances between them have a meaning.

    Parameters
    ----------
    spreads_mm : array of shape (n_rois,)
        From `measure_rois`.

    Returns
    -------
    bool
        Whether at least 90% of the ROIs spread at most 20 mm; False for an empty set or unknown spreads.

    Examples
    --------
    >>> is_compact([8.0, 9.5, 13.0]), is_compact([12.0, 35.0, 41.0])
    (True, False)
    """
    spreads = np.asarray(spreads_mm, float)
    return bool(spreads.size and (spreads <= MAX_SPREAD_MM).mean() >= MIN_COMPACT_SHARE)
