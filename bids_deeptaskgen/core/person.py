"""From the files of a person's runs to connectomes on the model's grid, and what is worth knowing of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bids_deeptaskgen.core.confounds import Cleaning
from bids_deeptaskgen.core.connectome import Accumulator, RunStatistics, pool_runs
from bids_deeptaskgen.core.plan import Demands, RunPlan, check_demands, plan_run
from bids_deeptaskgen.core.run import RunInputs, SessionInputs
from bids_deeptaskgen.core.smoothing import make_smoother
from bids_deeptaskgen.errors import InputError

# Larger blocks are no faster; they only take memory. At 1 mm the second bounds them.
N_PER_BLOCK = 14
BLOCK_BYTES = 100e6
# With less of the brain a map would be made of next to nothing; what is missing is told with the quality.
MIN_SIGNAL_SHARE = 0.5

# Interpolation leaves some negative values at the rim of a brain, never in half of it.
MAX_NEGATIVE_SHARE = 0.5


@dataclass(frozen=True)
class RoiSpace:
    """Where a model's connectomes live.

    Attributes
    ----------
    brain_mask : boolean array of shape (76, 93, 78)
        On ``MODEL_GRID``; its non-zero voxels in C order are "the voxels" below.
    projection : array of shape (n_rois, n_voxels)
        Turns voxels into ROI series.
    """

    brain_mask: NDArray[np.bool_]
    projection: NDArray[np.float64]


@dataclass(frozen=True)
class PersonConnectome:
    """Connectomes of one session of a person.

    Attributes
    ----------
    connectomes : float32 array of shape (n_connectomes, n_rois, n_voxels)
        Pearson r; 0 where there is no signal.
    runs : tuple of RunPlan
    n_windows : int
        Windows of each run.
    mean, tsnr : array of shape (n_voxels,)
        Mean over the kept volumes and temporal signal-to-noise ratio before cleaning; volume-weighted over
        the runs, 0 where there is no signal.
    has_signal : boolean array of shape (n_voxels,)
        In any run.
    n_flat : int
        Voxels inside both masks that are constant, not finite or wholly explained by the regressors.
    roi_connectome : array of shape (n_rois, n_rois)
        Correlations of the cleaned ROI series, volume-weighted over the runs.
    """

    connectomes: NDArray[np.float32]
    runs: tuple[RunPlan, ...]
    n_windows: int
    mean: NDArray[np.float64]
    tsnr: NDArray[np.float64]
    has_signal: NDArray[np.bool_]
    n_flat: int
    roi_connectome: NDArray[np.float64]


def run_statistics(
    plan: RunPlan, projection: NDArray[np.float64], n_windows: int, smoothing_mm: float = 0.0
) -> RunStatistics:
    """Read the volumes of a run and compute its connectomes.

    Parameters
    ----------
    plan : RunPlan
    projection : array of shape (n_rois, n_voxels)
    n_windows : int
    smoothing_mm : float
        Full width at half maximum of the kernel for each volume; 0 for none.

    Returns
    -------
    RunStatistics
        On all the model's voxels; those that are not sampled are 0.
    """
    # In the order of the file, which is read from its first voxel to its last, and not in the model's.
    sampler, places = plan.sampler.in_source_order()
    accumulator = Accumulator(projection[:, places], plan.basis, n_windows, places, projection.shape[1])
    series = plan.series
    n_per_block = max(
        1, min(N_PER_BLOCK, int(BLOCK_BYTES / (np.prod(series.grid.shape) * series.dtype.itemsize)))
    )
    smoother = make_smoother(series, sampler, smoothing_mm) if smoothing_mm else None
    voxels = np.empty((n_per_block, len(places)))
    for start, volumes in series.blocks(n_per_block):
        rows = plan.kept[(plan.kept >= start) & (plan.kept < start + len(volumes))] - start
        if len(rows):
            block = voxels[: len(rows)]
            taken = (volumes[row] for row in rows)
            sampler.take(map(smoother, taken) if smoother else taken, block)
            if smoother is None and (series.slope, series.inter) != (1.0, 0.0):
                block *= series.slope
                block += series.inter
            accumulator.add(block)
    return accumulator.finish()


def _check_signal(session: SessionInputs, share: float) -> None:
    if share < MIN_SIGNAL_SHARE:
        message = (
            f"{session.runs[0].bold}: {share:.0%} of the voxels in the mask have a signal that varies; at "
            f"least {MIN_SIGNAL_SHARE:.0%} are wanted.\n"
            "Look at it in a viewer: it may be empty, constant or NaN."
        )
        raise InputError(message)


def _check_sign(run: RunInputs, statistics: RunStatistics) -> None:
    """Refuse a series that lies below zero; one whose mean was taken off lies around it."""
    below = statistics.mean < -statistics.sd
    share = float(below[statistics.has_signal].mean()) if statistics.has_signal.any() else 0.0
    if share > MAX_NEGATIVE_SHARE:
        message = (
            f"{run.bold}: {share:.0%} of the voxels in the mask have values below zero throughout; a BOLD "
            "signal is positive.\nLook at it in a viewer: an overflow of integers or a wrong slope in the "
            "header does that. Re-run what wrote it."
        )
        raise InputError(message)


def connect_person(
    session: SessionInputs, space: RoiSpace, cleaning: Cleaning, demands: Demands
) -> PersonConnectome:
    """Compute the connectomes of one person's session.

    Parameters
    ----------
    session : SessionInputs
    space : RoiSpace
    cleaning : Cleaning
    demands : Demands

    Returns
    -------
    PersonConnectome

    Raises
    ------
    InputError
        If a file is unusable or there is too little data.
    """
    plans = tuple(plan_run(run, space.brain_mask, cleaning) for run in session.runs)
    n_windows = check_demands(plans, demands)
    # One thread: the reader has the other, and results then do not depend on how many there are.
    with threadpool_limits(limits=1, user_api="blas"):
        connectomes, runs = pool_runs(
            (run_statistics(plan, space.projection, n_windows, cleaning.smoothing) for plan in plans),
            len(plans),
        )
    weights = np.array([len(run.rois) for run in runs], np.float64)
    signal = np.stack([run.has_signal for run in runs])
    has_signal = np.asarray(signal.any(axis=0))
    sampled = np.asarray(np.any([plan.sampler.inside for plan in plans], axis=0))
    _check_signal(session, float(has_signal[sampled].mean()))
    for run, statistics in zip(session.runs, runs, strict=True):
        _check_sign(run, statistics)
    per_voxel = weights[:, None] * signal
    per_voxel /= np.maximum(per_voxel.sum(axis=0), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        tsnr = [np.where(run.sd > 0, run.mean / run.sd, 0) for run in runs]
    return PersonConnectome(
        connectomes=connectomes,
        runs=plans,
        n_windows=n_windows,
        mean=np.einsum("rv,rv->v", per_voxel, [run.mean for run in runs]),
        tsnr=np.einsum("rv,rv->v", per_voxel, tsnr),
        has_signal=has_signal,
        n_flat=int((sampled & ~has_signal).sum()),
        roi_connectome=np.average([np.corrcoef(run.rois.T) for run in runs], axis=0, weights=weights),
    )
