"""Preview of a run for its page: mean image, carpet and traces of all volumes, kept or not.

The mean image also shows voxels outside the brain mask, so that a shifted or mirrored mask is visible.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from bids_deeptaskgen.connectome.axial_slices import slice_indices, take_slices
from bids_deeptaskgen.connectome.data_checks.observer import N_PROBES, N_SAMPLED_VOLUMES
from bids_deeptaskgen.connectome.prepare_run import PreparedRun
from bids_deeptaskgen.connectome.preview_size import MODEL_VOXEL_MM, N_CARPET_ROWS, is_fine

Bytes = NDArray[np.uint8]
Indices = NDArray[np.intp]
Series = NDArray[np.float64]

N_CARPET_COLUMNS = 1000
# Voxels of a carpet row, which are adjacent along the first axis of the image where the tissue is.
N_PER_ROW = 8
# Standard deviations at bytes 0 and 255 of the carpet.
CARPET_RANGE_SD = 2.0
# Percentile of the mean inside the mask at byte 255, so that bright vessels do not darken the brain.
BRIGHT_PERCENTILE = 99.5
GREY_MATTER, OTHER_BRAIN = "grey matter", "rest of the brain"


@dataclass(frozen=True)
class RunPreview:
    """Preview of a run.

    Attributes
    ----------
    name : str
        Entities of the run, for example ``dir-AP_run-2``; ``run-1`` without any.
    mean : uint8 array of shape (n_slices, 109, 91)
        Mean of sampled volumes on the slices of `connectome.axial_slices`, also outside the mask; byte 255
        is the 99.5th percentile inside the mask. For demeaned series the mean absolute change over time.
    mask : boolean array of shape (n_slices, 109, 91)
        Brain mask of the run.
    carpet : uint8 array of shape (n_rows, n_columns)
        Linearly detrended, z-scored signal of groups of adjacent voxels: 0 is -2, 255 is 2. Columns span all
        volumes; more than 1000 volumes are averaged in groups.
    carpet_groups : tuple of (str, int)
        Name and number of rows of each tissue, from top to bottom.
    fd_mm : array of shape (n_volumes,) or None
        Framewise displacement in mm; NaN for the first volume. None without motion parameters.
    dvars : array of shape (n_volumes,) or None
        Root mean square of the change since the volume before, in percent of the mean signal inside the
        mask; NaN for the first volume. None for demeaned series.
    global_signal : array of shape (n_volumes,)
        Mean over voxels of the mask, in units of the data.
    is_kept, is_dummy : boolean array of shape (n_volumes,)
        False and True for volumes that are removed, and removed as dummy scans.
    is_demeaned : bool
        Whether the mean was removed from the series, so that `mean` is a change over time.
    """

    name: str
    mean: Bytes
    mask: NDArray[np.bool_]
    carpet: Bytes
    carpet_groups: tuple[tuple[str, int], ...]
    fd_mm: Series | None
    dvars: Series | None
    global_signal: Series
    is_kept: NDArray[np.bool_]
    is_dummy: NDArray[np.bool_]
    is_demeaned: bool = False


class SeriesPreviewer:
    """Observer of all volumes of a run.

    Parameters
    ----------
    plan : PreparedRun
    grey_matter : boolean array of shape (n_voxels,)
        Voxels of the model for which maps are predicted.
    """

    def __init__(self, plan: PreparedRun, grey_matter: NDArray[np.bool_]) -> None:
        places, series = plan.places, plan.series
        self._plan = plan
        self._slices = slice_indices(series.grid)
        in_mask = places.mask.ravel(order="F")
        mask_voxels = np.flatnonzero(in_mask)
        is_grey = _grey_voxels(plan, grey_matter) & in_mask
        self._rows, self._groups = _carpet_rows(np.flatnonzero(is_grey), np.flatnonzero(in_mask & ~is_grey))
        self._probes = mask_voxels[:: max(1, len(mask_voxels) // N_PROBES)]
        self._is_dummy = plan.is_dummy
        steady = np.flatnonzero(~plan.is_dummy)
        numbers = np.linspace(0, len(steady) - 1, min(N_SAMPLED_VOLUMES, len(steady))).astype(int)
        self._sampled = set(steady[numbers].tolist())
        self._row_values = np.zeros((series.n_volumes, len(self._rows)), np.float32)
        self._global_signal = np.full(series.n_volumes, np.nan)
        self._change = np.full(series.n_volumes, np.nan)
        self._last_values: Series = np.empty(0)
        self._samples: list[NDArray[np.float32]] = []
        self._n_volumes = 0

    def watch(self, volumes: Iterable[NDArray[np.generic]]) -> Iterator[NDArray[np.generic]]:
        """Yield volumes and observe them.

        Parameters
        ----------
        volumes : iterable of arrays of shape (n_grid_voxels,)
            All volumes, as stored in the file.

        Yields
        ------
        array of shape (n_grid_voxels,)
            The same volumes.
        """
        for volume in volumes:
            with np.errstate(invalid="ignore", over="ignore"):
                self._observe(volume)
            yield volume

    def _observe(self, volume: NDArray[np.generic]) -> None:
        number = self._n_volumes
        if len(self._rows):
            values = volume.take(self._rows.ravel()).astype(np.float32).reshape(self._rows.shape)
            self._row_values[number] = values.mean(axis=1)
        probe_values = self._in_units(volume.take(self._probes))
        self._global_signal[number] = probe_values.mean()
        if number:
            self._change[number] = np.sqrt(np.mean((probe_values - self._last_values) ** 2))
        self._last_values = probe_values
        if number in self._sampled:
            slices = self._in_units(take_slices(volume, self._slices)).astype(np.float32)
            slices[self._slices < 0] = 0
            self._samples.append(slices)
        self._n_volumes += 1

    def _in_units(self, values: NDArray[np.generic]) -> Series:
        """Convert stored values to units of the data; values that are not finite become 0."""
        places = self._plan.places
        floats = values.astype(np.float64)
        if not np.isfinite(floats).all():
            floats = np.where(np.isfinite(floats), floats, -places.inter / places.slope)
        return np.asarray(floats * places.slope + places.inter)

    def finish(self) -> RunPreview:
        """Return the preview.

        Returns
        -------
        RunPreview
        """
        plan = self._plan
        mask = np.asarray(take_slices(plan.places.mask, self._slices)) > 0
        mean, is_demeaned = _mean_image(np.stack(self._samples), mask)
        is_kept = np.zeros(plan.series.n_volumes, bool)
        is_kept[plan.kept_volumes] = True
        fd_mm = None if plan.fd_mm is None else plan.fd_mm.astype(np.float64)
        if fd_mm is not None:
            fd_mm[0] = np.nan
        level = float(np.mean(self._global_signal[~self._is_dummy]))
        return RunPreview(
            name=plan.inputs.name if plan.inputs.entities else "run-1",
            mean=mean,
            mask=mask,
            carpet=draw_carpet(self._row_values, self._is_dummy),
            carpet_groups=self._groups,
            fd_mm=fd_mm,
            dvars=None if is_demeaned or level <= 0 else 100 * self._change / level,
            global_signal=self._global_signal,
            is_kept=is_kept,
            is_dummy=self._is_dummy,
            is_demeaned=is_demeaned,
        )


def _grey_voxels(plan: PreparedRun, grey_matter: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether the model voxels nearest to each voxel of the series are grey matter: (n_grid_voxels,).

    On a grid finer than the model's, most voxels are nearest to no model voxel: they get the label of the
    closest voxel that is, if it is no further than two neighbours in the model's grid are.
    """
    places, sampler = plan.places, plan.sampler
    n_voxels = int(np.prod(places.shape))
    votes = np.where(grey_matter[sampler.is_covered], 1.0, -1.0)
    # Of several model voxels in a voxel, the majority counts.
    majority = np.bincount(sampler.nearest_voxels, votes, n_voxels)
    is_labelled = np.bincount(sampler.nearest_voxels, minlength=n_voxels) > 0
    is_grey: NDArray[np.bool_] = is_labelled & (majority >= 0)
    if not is_fine(places.voxel_sizes_mm) or not is_labelled.any():
        return is_grey
    distance_mm, nearest = distance_transform_edt(
        ~is_labelled.reshape(places.shape, order="F"), places.voxel_sizes_mm, return_indices=True
    )
    labels = is_grey.reshape(places.shape, order="F")[tuple(nearest)]
    return np.asarray((labels & (distance_mm < MODEL_VOXEL_MM)).ravel(order="F"))


def _carpet_rows(grey_voxels: Indices, other_voxels: Indices) -> tuple[Indices, tuple[tuple[str, int], ...]]:
    """Choose the voxels of each row, (n_rows, N_PER_ROW), in proportion to the size of the tissues."""
    n_voxels = max(len(grey_voxels) + len(other_voxels), 1)
    rows, groups = [], []
    for name, voxels in ((GREY_MATTER, grey_voxels), (OTHER_BRAIN, other_voxels)):
        n_rows = min(N_CARPET_ROWS * len(voxels) // n_voxels, len(voxels) // N_PER_ROW)
        if not n_rows:
            continue
        starts = np.linspace(0, len(voxels) - N_PER_ROW, n_rows).astype(int)
        # From the top of the head to its base.
        rows.append(voxels[starts[::-1, None] + np.arange(N_PER_ROW)])
        groups.append((name, n_rows))
    return (np.concatenate(rows) if rows else np.empty((0, N_PER_ROW), np.intp)), tuple(groups)


def _mean_image(samples: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[Bytes, bool]:
    """Return the mean of sampled volumes as bytes, or their change over time if the mean was removed."""
    mean = samples.mean(axis=0)
    spread = np.abs(samples - samples[0]).mean(axis=0)
    in_mask = mask if mask.any() else np.ones(mask.shape, bool)
    is_demeaned = bool(abs(np.median(mean[in_mask])) <= np.median(spread[in_mask]))
    image = spread if is_demeaned else mean
    limit = float(np.percentile(image[in_mask], BRIGHT_PERCENTILE))
    if limit <= 0:
        return np.zeros(mask.shape, np.uint8), is_demeaned
    return np.clip(np.rint(image * (255 / limit)), 0, 255).astype(np.uint8), is_demeaned


def draw_carpet(rows: NDArray[np.floating], is_dummy: NDArray[np.bool_]) -> Bytes:
    """Convert series to a carpet: linearly detrended, z-scored, as bytes.

    Parameters
    ----------
    rows : array of shape (n_volumes, n_rows)
    is_dummy : boolean array of shape (n_volumes,)
        Volumes that do not enter trend and standard deviation.

    Returns
    -------
    uint8 array of shape (n_rows, n_columns)
        0 is -2 standard deviations, 255 is 2; 128 for constant series. At most 1000 columns.

    Examples
    --------
    >>> draw_carpet(np.array([[1.0], [3], [1], [3]]), np.zeros(4, bool)).shape
    (1, 4)
    """
    values = np.nan_to_num(rows, copy=True, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    n_volumes = len(values)
    n_columns = min(n_volumes, N_CARPET_COLUMNS)
    times = np.arange(n_volumes) - (n_volumes - 1) / 2
    if n_columns < n_volumes:
        starts = np.arange(n_columns) * n_volumes // n_columns
        sizes = np.diff([*starts, n_volumes])
        values = np.add.reduceat(values, starts, axis=0) / sizes[:, None]
        times = np.add.reduceat(times, starts) / sizes
        is_dummy = np.asarray(np.logical_or.reduceat(is_dummy, starts))
    steady = ~is_dummy if (~is_dummy).sum() > 2 else np.ones(n_columns, bool)
    design = np.stack([np.ones(n_columns), times / max(np.abs(times).max(), 1)], axis=1).astype(np.float32)
    beta = np.linalg.pinv(design[steady]) @ values[steady]
    residuals = values - design @ beta
    sd = residuals[steady].std(axis=0)
    # Rounding errors of a constant row are not a signal.
    is_flat = sd <= 1e-6 * np.abs(values).max(axis=0, initial=0)
    scores = np.where(is_flat, 0, residuals / np.where(is_flat, 1, sd))
    bytes_of = np.rint(127.5 + scores * (127.5 / CARPET_RANGE_SD))
    return np.clip(bytes_of, 0, 255).astype(np.uint8).T.copy()
