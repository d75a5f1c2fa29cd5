"""Projection of voxels to ROI series: the first stage of dual regression, one matrix for all participants."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import MODEL_GRID, make_sampler
from bids_deeptaskgen.io.nifti_reader import open_series

MAX_CONDITION = 1e6
# A map that varies by less than this share of its values is constant up to rounding.
_FLAT = 1e-9


@dataclass(frozen=True)
class RoiSpace:
    """Brain mask and ROI projection of a model.

    Attributes
    ----------
    brain_mask : boolean array of shape (76, 93, 78)
        On ``MODEL_GRID``; its non-zero voxels in C order are "the voxels" below.
    projection : array of shape (n_rois, n_voxels)
        Maps voxels to ROI series.
    """

    brain_mask: NDArray[np.bool_]
    projection: NDArray[np.float64]


def read_roi_maps(path: Path, brain_mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Read the brain voxels of a 4-D image of ROI maps, without interpolation.

    Parameters
    ----------
    path : Path
        One map per volume, sampled at the points of the model's grid (2 mm MNI152, RAS or LAS, whole or
        cropped).
    brain_mask : boolean array of shape (76, 93, 78)
        On ``MODEL_GRID``.

    Returns
    -------
    array of shape (n_rois, n_voxels), float64
        Voxels in C order of the mask.

    Raises
    ------
    UserError
        If the image is on another grid, lacks brain voxels, or is damaged.
    """
    series = open_series(path)
    sampler = make_sampler(series.grid, MODEL_GRID, brain_mask)
    if sampler.resamples or not sampler.is_covered.all():
        message = (
            f"{path}: the ROI maps have {series.grid}, which is not the model's grid.\n"
            "Resample them to the 2 mm MNI152NLin6Asym grid (91x109x91, RAS or LAS) or its crop "
            f"({MODEL_GRID}); the import does not resample."
        )
        raise UserError(message)
    maps = np.empty((series.n_volumes, int(brain_mask.sum())))
    for start, volumes in series.blocks(5):
        sampler.take(volumes, maps[start : start + len(volumes)])
    maps *= series.slope
    maps += series.inter
    return maps


def roi_projection(maps: ArrayLike) -> NDArray[np.float64]:
    """Compute the pseudo-inverse of a model's ROI maps, which maps a volume to one number per ROI.

    The ROI series are the least-squares fit of all maps to each volume (with an intercept, since the maps
    are demeaned over space), not averages over parcels. The matrix does not depend on the participant:
    ``rois = voxels @ roi_projection(maps).T``.

    Parameters
    ----------
    maps : array of shape (n_rois, n_voxels)
        Weight of each voxel of the brain mask in each ROI, in any unit.

    Returns
    -------
    array of shape (n_rois, n_voxels), float64

    Raises
    ------
    UserError
        If a map is constant or not finite, or the maps are nearly linear combinations of each other
        (condition number of their correlations over 1e6), so that their series are not identifiable.
    """
    projection = np.array(maps, np.float64)
    n_rois, n_voxels = projection.shape
    sizes = np.abs(projection).max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        projection -= projection.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.einsum("rv,rv->r", projection, projection))[:, None]
    # The negated comparison also catches NaN.
    bad = np.flatnonzero(~((norms > _FLAT * sizes * n_voxels**0.5) & np.isfinite(norms))) + 1
    if bad.size:
        message = (
            f"ROI maps {', '.join(map(str, bad))} of {n_rois} are constant or not finite over the model's "
            "brain mask. Check that the maps lie on the model's grid."
        )
        raise UserError(message)
    projection /= norms
    # One thread: on busy cores, several threads would wait for each other longer than this takes.
    with threadpool_limits(limits=1, user_api="blas"):
        correlations = projection @ projection.T
        condition = np.linalg.cond(correlations)
        if not condition <= MAX_CONDITION:
            message = (
                f"The {n_rois} ROI maps are nearly linear combinations of each other (condition number "
                f"{condition:.1e}, at most {MAX_CONDITION:.0e} is allowed), so their series cannot be told "
                "apart. Remove redundant maps."
            )
            raise UserError(message)
        inverse = np.linalg.inv(correlations) / norms
        # In place and in blocks: a second matrix would take 94 MB for the published model.
        for start in range(0, n_voxels, 8192):
            projection[:, start : start + 8192] = inverse @ projection[:, start : start + 8192]
    return projection
