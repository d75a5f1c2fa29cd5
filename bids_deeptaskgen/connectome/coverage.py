"""Coverage: the share of ROIs and brain with signal, and regions in which maps have no values."""

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.data_checks.measurement import Measurement, judge, read_flag
from bids_deeptaskgen.connectome.findings import Finding
from bids_deeptaskgen.grid import MODEL_GRID, unmask

# A region without signal is large if a ball of this radius fits in it. Smaller gaps, such as the edge of a
# mask, are smaller than the field of view of the network, which fills them from their surroundings.
REGION_RADIUS_MM = 8.0
# Reach of a region from the centres of such balls. At sharp corners of a region, two radii are too short.
REACH_MM = 3 * REGION_RADIUS_MM
# Flagged ROIs in a message; the quality table has all of them.
MAX_NAMED = 12


def coverage_of_rois(weights: NDArray[np.float32], has_signal: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute the share of each ROI map's weight on voxels with signal.

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


def region_without_signal(has_signal: NDArray[np.bool_], brain_mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find the brain voxels in large regions without signal, in which maps have no values.

    The centre of a ball of radius ``REGION_RADIUS_MM`` that holds only brain voxels without signal is the
    core of a region; voxels without signal within ``REACH_MM`` of a core belong to the region.

    Parameters
    ----------
    has_signal : boolean array of shape (n_voxels,)
        Brain voxels with signal.
    brain_mask : boolean array of shape (76, 93, 78)
        On ``MODEL_GRID``, with n_voxels voxels.

    Returns
    -------
    boolean array of shape (n_voxels,)

    Examples
    --------
    >>> brain = np.ones(MODEL_GRID.shape, bool)
    >>> signal = np.ones(MODEL_GRID.shape, bool)
    >>> signal[20, 20, 20] = False
    >>> int(region_without_signal(signal.ravel(), brain).sum())
    0
    >>> signal[20, 20, 20] = True
    >>> signal[:, :, 40:] = False
    >>> np.array_equal(region_without_signal(signal.ravel(), brain), ~signal.ravel())
    True
    """
    from scipy.ndimage import distance_transform_edt  # takes 0.1 s; a dry run does not need it

    is_missing = unmask(~has_signal, brain_mask)
    if not _has_large_gap(is_missing):
        return np.zeros(len(has_signal), bool)
    # A border that is not missing, so that a ball does not extend beyond the grid.
    box = np.pad(is_missing, 1)
    sizes_mm = MODEL_GRID.voxel_sizes_mm
    is_core = distance_transform_edt(box, sampling=sizes_mm) > REGION_RADIUS_MM
    if not is_core.any():
        return np.zeros(len(has_signal), bool)
    is_near = distance_transform_edt(~is_core, sampling=sizes_mm) <= REACH_MM
    region: NDArray[np.bool_] = (box & is_near)[1:-1, 1:-1, 1:-1][brain_mask]
    return region


def _has_large_gap(is_missing: NDArray[np.bool_]) -> bool:
    """Return False if no ball of missing voxels exists: a test that takes a fraction of the time.

    A ball with a radius of four voxels contains one of the blocks of 3x3x3 voxels that tile the grid.
    """
    blocks = np.pad(is_missing, [(0, -n % 3) for n in is_missing.shape])
    x, y, z = (n // 3 for n in blocks.shape)
    return bool(blocks.reshape(x, 3, y, 3, z, 3).all(axis=(1, 3, 5)).any())


def signal_of_connectomes(connectomes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Find the voxels with signal in saved connectomes.

    Parameters
    ----------
    connectomes : array of shape (n_connectomes, n_rois, n_voxels)
        Pearson r; exactly 0 for all ROIs where there is no signal.

    Returns
    -------
    boolean array of shape (n_voxels,)
    """
    # A voxel with signal has a correlation of exactly 0 with hardly any ROI, and with two of them never.
    return np.asarray((np.asarray(connectomes[:, :2]) != 0).any(axis=(0, 1)))


def check_coverage(
    place: str,
    coverage: NDArray[np.float64],
    weights: NDArray[np.float32],
    brain_mask: NDArray[np.bool_],
    share_without_values: float,
) -> list[Finding]:
    """Find ROIs without enough signal, and maps without values in a large region.

    Parameters
    ----------
    place : str
        Session, for messages.
    coverage : array of shape (n_rois,)
        From `coverage_of_rois`.
    weights : array of shape (n_rois, n_voxels)
        Absolute values of the model's ROI maps.
    brain_mask : boolean array on ``MODEL_GRID``
    share_without_values : float
        Share of the map's voxels in a region without signal.

    Returns
    -------
    list of Finding
    """
    limit = read_flag("low_roi_coverage").threshold or 0.0
    order = [int(roi) for roi in np.argsort(coverage, kind="stable") if coverage[roi] < limit]
    names = [f"{name_roi(roi, weights, brain_mask)}: {coverage[roi]:.0%}" for roi in order[:MAX_NAMED]]
    more = f", and {len(order) - MAX_NAMED} more" if len(order) > MAX_NAMED else ""
    n_empty = int((coverage == 0).sum())
    findings = (
        judge("low_roi_coverage", Measurement(float(coverage.min()), ", ".join(names) + more), place),
        judge(
            "partial_coverage",
            Measurement(share_without_values, f"{n_empty} of {len(coverage)} ROIs have no signal at all"),
            place,
        ),
    )
    return [finding for finding in findings if finding]


def name_roi(roi: int, weights: NDArray[np.float32], brain_mask: NDArray[np.bool_]) -> str:
    """Name an ROI by its number in the quality table and the position of its largest weight.

    Parameters
    ----------
    roi : int
        Index, from 0.
    weights : array of shape (n_rois, n_voxels)
    brain_mask : boolean array on ``MODEL_GRID``

    Returns
    -------
    str
        For example ``ROI 3 (-40, -22, 54 mm)``.
    """
    (point,) = roi_peaks_mm(weights[roi : roi + 1], brain_mask)
    return f"ROI {roi + 1} ({', '.join(f'{value:.0f}' for value in point)} mm)"


def roi_peaks_mm(weights: NDArray[np.float32], brain_mask: NDArray[np.bool_]) -> list[list[float]]:
    """Find the position of the largest weight of each ROI.

    Parameters
    ----------
    weights : array of shape (n_rois, n_voxels)
        Absolute values of the model's ROI maps.
    brain_mask : boolean array on ``MODEL_GRID``

    Returns
    -------
    list of [float, float, float]
        In mm.
    """
    voxels = np.argwhere(brain_mask)[weights.argmax(axis=1)]
    points: list[list[float]] = (voxels @ MODEL_GRID.matrix[:3, :3].T + MODEL_GRID.matrix[:3, 3]).tolist()
    return points
