"""Connectomes of a session on the model's grid, with statistics of its voxels."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bids_deeptaskgen.connectome.accumulator import (
    Accumulator,
    RunStatistics,
    product_sizes,
)
from bids_deeptaskgen.connectome.cleaning import Cleaning, DataRequirements
from bids_deeptaskgen.connectome.data_checks.checks import DataChecks, RunEvidence, check_session
from bids_deeptaskgen.connectome.data_checks.observer import ObservedSeries, SeriesObserver
from bids_deeptaskgen.connectome.findings import Finding
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.connectome.prepare_run import PreparedRun, check_requirements, prepare_run
from bids_deeptaskgen.connectome.roi_projection import RoiSpace
from bids_deeptaskgen.connectome.run_pooling import pool_runs
from bids_deeptaskgen.connectome.series_preview import RunPreview, SeriesPreviewer
from bids_deeptaskgen.connectome.smoothing import make_smoother
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import Sampler
from bids_deeptaskgen.io.nifti_reader import block_length
from bids_deeptaskgen.io.prefetch import prefetch

logger = logging.getLogger("bids_deeptaskgen")

# Interpolation produces some negative values at the edge of the brain, never in half of it.
MAX_NEGATIVE_SHARE = 0.5


@dataclass(frozen=True)
class SessionConnectomes:
    """Connectomes and voxel statistics of one session of a participant.

    Attributes
    ----------
    connectomes : float32 array of shape (n_connectomes, n_rois, n_voxels)
        Pearson r; 0 where there is no signal.
    runs : tuple of PreparedRun
    n_windows : int
        Windows of each run.
    mean, tsnr : array of shape (n_voxels,)
        Mean over the kept volumes and temporal signal-to-noise ratio before cleaning; volume-weighted over
        the runs, 0 where there is no signal.
    has_signal : boolean array of shape (n_voxels,)
        Whether a voxel has signal in any run.
    n_flat : int
        Voxels inside both masks that are constant, not finite or wholly explained by the regressors.
    roi_connectome : array of shape (n_rois, n_rois)
        Correlations of the cleaned ROI series, volume-weighted over the runs.
    checks : DataChecks
        What the data themselves show to be suspicious.
    previews : tuple of RunPreview
        Of each run; empty if they were not requested.
    run_weights : array of shape (n_runs, n_voxels)
        Weight of each run at each voxel; they add up to 1 where there is signal.
    run_connectomes : tuple of float32 array of shape (n_rois, n_voxels)
        Connectome of each run, if they were pooled and had to be kept.
    """

    connectomes: NDArray[np.float32]
    runs: tuple[PreparedRun, ...]
    n_windows: int
    mean: NDArray[np.float64]
    tsnr: NDArray[np.float64]
    has_signal: NDArray[np.bool_]
    n_flat: int
    roi_connectome: NDArray[np.float64]
    checks: DataChecks = field(default_factory=DataChecks)
    previews: tuple[RunPreview, ...] = ()
    run_weights: NDArray[np.float64] = field(default_factory=lambda: np.ones((1, 1)))
    run_connectomes: tuple[NDArray[np.float32], ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return the findings of the search for files and of the checks of the data."""
        return (*(finding for run in self.runs for finding in run.inputs.findings), *self.checks.findings)


def run_statistics(
    plan: PreparedRun,
    projection: NDArray[np.float64],
    n_windows: int,
    smoothing_mm: float = 0.0,
    observer: SeriesObserver | None = None,
    previewer: SeriesPreviewer | None = None,
) -> RunStatistics:
    """Read the volumes of a run and compute its connectomes.

    Parameters
    ----------
    plan : PreparedRun
    projection : array of shape (n_rois, n_voxels)
    n_windows : int
    smoothing_mm : float
        Full width at half maximum of the kernel for each volume; 0 for none.
    observer : SeriesObserver, optional
        Observes the kept volumes as they are stored.
    previewer : SeriesPreviewer, optional
        Observes all volumes as they are stored.

    Returns
    -------
    RunStatistics
        For all voxels of the model; 0 for voxels that are not sampled.
    """
    accumulator = accumulate_run(plan, projection, n_windows, smoothing_mm, observer, previewer)
    statistics = accumulator.finish()
    if smoothing_mm:  # the smoother converts stored values
        return statistics
    _, places = plan.sampler.in_source_order()
    return _in_units(statistics, plan.series.slope, plan.series.inter, places)


def accumulate_run(
    plan: PreparedRun,
    projection: NDArray[np.float64],
    n_windows: int,
    smoothing_mm: float = 0.0,
    observer: SeriesObserver | None = None,
    previewer: SeriesPreviewer | None = None,
) -> Accumulator:
    """Read the volumes of a run and add up their sums, in stored values unless they are smoothed.

    Parameters
    ----------
    plan : PreparedRun
    projection : array of shape (n_rois, n_voxels)
    n_windows : int
    smoothing_mm : float
        Full width at half maximum of the kernel for each volume; 0 for none.
    observer : SeriesObserver, optional
        Observes the kept volumes as they are stored.
    previewer : SeriesPreviewer, optional
        Observes all volumes as they are stored.

    Returns
    -------
    Accumulator
        With all kept volumes.
    """
    # In the order of the file, which is read from its first voxel to its last.
    sampler, places = plan.sampler.in_source_order()
    accumulator = Accumulator(projection, plan.basis, n_windows, places)
    series = plan.series
    smoother = make_smoother(series, sampler, smoothing_mm) if smoothing_mm else None
    # float32 holds stored and smoothed values exactly, but would round interpolated ones.
    is_float32 = not sampler.resamples and (smoother or np.can_cast(series.dtype, np.float32))
    sizes = product_sizes(len(plan.kept_volumes), n_windows)
    dtype = np.float32 if is_float32 else np.float64
    stored_volumes = kept_volumes(plan, previewer)
    if observer:
        stored_volumes = observer.watch(stored_volumes)
    volumes = map(smoother, stored_volumes) if smoother else stored_volumes
    # A thread samples the volumes, so that reading continues while products are computed.
    for rows in prefetch(_sample_blocks(volumes, sampler, sizes, dtype)):
        accumulator.add(rows)
    del rows  # 100 MB
    # Read to the last volume, to detect a damaged end.
    for _ in volumes:
        pass
    return accumulator


def _sample_blocks(
    volumes: Iterator[NDArray[np.generic]], sampler: Sampler, sizes: Sequence[int], dtype: type[np.floating]
) -> Iterator[NDArray[np.floating]]:
    """Sample blocks of volumes into two alternating arrays: one is filled while the other is used."""
    buffers = cycle(np.empty((2, max(sizes), len(sampler.corners[0])), dtype))
    for n_volumes, buffer in zip(sizes, buffers, strict=False):
        rows = buffer[:n_volumes]
        sampler.take(islice(volumes, n_volumes), rows)
        yield rows


def kept_volumes(
    plan: PreparedRun, previewer: SeriesPreviewer | None = None
) -> Iterator[NDArray[np.generic]]:
    """Yield the kept volumes of a run.

    Parameters
    ----------
    plan : PreparedRun
    previewer : SeriesPreviewer, optional
        Observes all volumes.

    Yields
    ------
    array of shape (n_grid_voxels,)
        Stored values; valid until the next volume.
    """
    series = plan.series
    volume_bytes = int(np.prod(series.grid.shape)) * series.dtype.itemsize
    is_kept = np.zeros(series.n_volumes, bool)
    is_kept[plan.kept_volumes] = True
    for start, block in series.blocks(block_length(volume_bytes)):
        volumes = previewer.watch(block) if previewer else block
        for volume, is_used in zip(volumes, is_kept[start:], strict=False):
            if is_used:
                yield volume


def _in_units(
    statistics: RunStatistics, slope: float, inter: float, places: NDArray[np.intp]
) -> RunStatistics:
    """Convert statistics of stored values to units of the data; correlations do not change."""
    if (slope, inter) == (1.0, 0.0):
        return statistics
    mean = statistics.mean.copy()
    mean[places] = slope * mean[places] + inter
    return replace(statistics, rois=slope * statistics.rois, mean=mean, sd=abs(slope) * statistics.sd)


def _check_signal(session: SessionInputs, share: float, min_coverage: float) -> None:
    """Refuse a session in which too few voxels have signal."""
    if share == 0 or share < min_coverage:
        advice = " Lower `min_coverage` to accept maps of a part of the brain." if share else ""
        message = (
            f"{session.runs[0].bold}: {share:.0%} of the voxels in the mask have a signal that varies; at "
            f"least {min_coverage:.0%} are required.\n"
            f"Look at it in a viewer: it may be empty, constant or NaN.{advice}"
        )
        raise InputError(message)


def _check_sign(run: RunInputs, statistics: RunStatistics) -> None:
    """Refuse a series of negative values; demeaned series, which vary around zero, pass."""
    is_negative = statistics.mean < -statistics.sd
    share = float(is_negative[statistics.has_signal].mean()) if statistics.has_signal.any() else 0.0
    if share > MAX_NEGATIVE_SHARE:
        message = (
            f"{run.bold}: {share:.0%} of the voxels in the mask have values below zero throughout; a BOLD "
            "signal is positive.\nLook at it in a viewer: the cause may be an integer overflow or a wrong "
            "slope in the header. Re-run what wrote it."
        )
        raise InputError(message)


def _check_data(
    session: SessionInputs,
    plans: Sequence[PreparedRun],
    observed: Sequence[ObservedSeries],
    runs: Sequence[RunStatistics],
    max_mask_offset: float,
) -> DataChecks:
    """Check the data of a session, and refuse a mask that is far from the brain of its series."""
    evidence = [
        RunEvidence(str(run.bold), series, plan.reference, plan.kept_volumes, statistics.rois)
        for run, plan, series, statistics in zip(session.runs, plans, observed, runs, strict=True)
    ]
    checks = check_session(evidence, session.name)
    offset_mm = checks.value("displaced_mask")
    if max_mask_offset and offset_mm is not None and offset_mm > max_mask_offset:
        # A limit below the threshold of the flag refuses masks that are not flagged.
        flagged = [item.message for item in checks.findings if item.name == "displaced_mask"]
        problem = (
            flagged[0]
            if flagged
            else f"{session.runs[0].bold}: the brain mask lies {offset_mm:.1f} mm beside the mean image."
        )
        message = (
            f"{problem} Masks that are displaced by more than {max_mask_offset:g} mm are refused "
            "(`max_mask_offset`)."
        )
        raise InputError(message)
    return checks


def _finish_previews(name: str, previewers: Sequence[SeriesPreviewer | None]) -> tuple[RunPreview, ...]:
    """Finish the previews of all runs; none after an error, since connectomes do not depend on them."""
    try:
        return tuple(previewer.finish() for previewer in previewers if previewer)
    except Exception as error:
        logger.warning("%s: the series cannot be previewed (%s: %s).", name, type(error).__name__, error)
        logger.debug("%s", name, exc_info=True)
        return ()


def compute_session_connectomes(
    session: SessionInputs,
    space: RoiSpace,
    cleaning: Cleaning,
    requirements: DataRequirements,
    grey_matter: NDArray[np.bool_] | None = None,
    *,
    keeps_runs: bool = False,
) -> SessionConnectomes:
    """Compute the connectomes of a session.

    Parameters
    ----------
    session : SessionInputs
    space : RoiSpace
    cleaning : Cleaning
    requirements : DataRequirements
    grey_matter : boolean array of shape (n_voxels,), optional
        Voxels for which maps are predicted. If given, the runs are previewed, unless that fails.
    keeps_runs : bool
        Also keep the connectome of each run, if they are pooled.

    Returns
    -------
    SessionConnectomes

    Raises
    ------
    InputError
        If a file is unusable or there is too little data.
    """
    plans = tuple(prepare_run(run, space.brain_mask, cleaning) for run in session.runs)
    n_windows = check_requirements(plans, requirements)
    # One BLAS thread, so that results do not depend on the number of threads.
    observers = [SeriesObserver(plan.places, len(plan.kept_volumes)) for plan in plans]
    previewers = [None if grey_matter is None else SeriesPreviewer(plan, grey_matter) for plan in plans]
    with threadpool_limits(limits=1, user_api="blas"):
        connectomes, runs = pool_runs(
            (
                run_statistics(plan, space.projection, n_windows, cleaning.smoothing, observer, previewer)
                for plan, observer, previewer in zip(plans, observers, previewers, strict=True)
            ),
            len(plans),
            keeps_runs=keeps_runs,
        )
    weights = np.array([len(run.rois) for run in runs], np.float64)
    signal = np.stack([run.has_signal for run in runs])
    has_signal = np.asarray(signal.any(axis=0))
    sampled = np.asarray(np.any([plan.sampler.is_covered for plan in plans], axis=0))
    _check_signal(session, float(has_signal[sampled].mean()), requirements.min_coverage)
    for run, statistics in zip(session.runs, runs, strict=True):
        _check_sign(run, statistics)
    observed = [observer.finish() for observer in observers]
    checks = _check_data(session, plans, observed, runs, requirements.max_mask_offset)
    per_voxel = weights[:, None] * signal
    per_voxel /= np.maximum(per_voxel.sum(axis=0), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        tsnr = [np.where(run.sd > 0, run.mean / run.sd, 0) for run in runs]
    return SessionConnectomes(
        connectomes=connectomes,
        runs=plans,
        n_windows=n_windows,
        mean=np.einsum("rv,rv->v", per_voxel, [run.mean for run in runs]),
        tsnr=np.einsum("rv,rv->v", per_voxel, tsnr),
        has_signal=has_signal,
        n_flat=int((sampled & ~has_signal).sum()),
        roi_connectome=np.average([np.corrcoef(run.rois.T) for run in runs], axis=0, weights=weights),
        checks=checks,
        previews=_finish_previews(session.name, previewers),
        run_weights=per_voxel,
        run_connectomes=tuple(connectome for run in runs for connectome in run.connectome),
    )
