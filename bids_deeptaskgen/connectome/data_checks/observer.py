"""Observation of a series while its volumes are read: samples that are small at any length of the series."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

# Voxels whose values are read in each volume.
N_PROBES = 8192
# Of the model's brain voxels, at most about this number is read in the sampled volumes.
N_MODEL_VOXELS = 32768
# Volumes, spread evenly over the series, of which a coarse image is read.
N_SAMPLED_VOLUMES = 16
# Voxel size of the coarse images in mm, at least.
COARSE_MM = 4.0
# A slice counts if it has at least this number of probes.
MIN_PROBES_PER_SLICE = 10
# A slice without change in more than this share of the volumes has no signal at all: that is missing
# coverage, not a damaged part of the series.
MAX_FROZEN_SHARE = 0.9


@dataclass(frozen=True)
class Places:
    """Where a series is observed; flat indices have the first axis fastest.

    Attributes
    ----------
    shape : tuple of int
        Grid of the series.
    voxel_sizes_mm : tuple of float
    mask : boolean array of the grid's shape
        The run's brain mask.
    model_voxels : integer array
        Flat indices of the voxels nearest to the model's brain voxels, inside the mask or not.
    slope, inter : float
        Data are stored values times ``slope`` plus ``inter``.
    has_mask_file : bool
        False if the mask consists of the nonzero voxels of the series itself.
    """

    shape: tuple[int, int, int]
    voxel_sizes_mm: tuple[float, float, float]
    mask: NDArray[np.bool_]
    model_voxels: Indices
    slope: float = 1.0
    inter: float = 0.0
    has_mask_file: bool = True

    @property
    def coarse(self) -> tuple[slice, slice, slice]:
        """Return the voxels of the coarse image along each axis."""
        x, y, z = (slice(None, None, max(1, round(COARSE_MM / size))) for size in self.voxel_sizes_mm)
        return x, y, z


@dataclass(frozen=True)
class FrozenSlices:
    """Slices along one axis that keep their values, or are 0, from one volume to the next.

    Attributes
    ----------
    n_frozen : int
        Number of slices, summed over volumes.
    slices, volumes : tuple of int
        First and last slice and volume; volumes count from 0 among the kept ones.
    """

    n_frozen: int = 0
    slices: tuple[int, int] = (0, 0)
    volumes: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class ObservedSeries:
    """What was observed of a series; values are in units of the data.

    Attributes
    ----------
    places : Places
    mean, spread : float32 array of the coarse grid's shape
        Mean of the sampled volumes, and mean absolute deviation from the first of them.
    model_voxels : integer array of shape (n_model_voxels,)
        Some of the places' model voxels.
    model_mean, model_spread : float32 array of shape (n_model_voxels,)
        Mean and spread there.
    samples : array of shape (n_sampled_volumes, n_probes)
        Values of the sampled volumes at probes inside the mask.
    probes : integer array of shape (3, n_probes)
        Voxel indices of the probes.
    copies : boolean array of shape (3, n_probes)
        Whether a probe equals its next neighbour along an axis in each sampled volume, and varies.
    global_signal : array of shape (n_kept,)
        Mean over the probes.
    change : array of shape (n_kept,)
        Root mean square of the change of the probes since the kept volume before; NaN for the first.
    n_frozen_volumes : int
        Volumes whose probes equal those of the kept volume before.
    frozen_slices : FrozenSlices
        Along the axis with most of them.
    fingerprint : str
        Hash of the sampled volumes; equal for equal data, however they are stored.
    """

    places: Places
    mean: Floats
    spread: Floats
    model_voxels: Indices
    model_mean: Floats
    model_spread: Floats
    samples: NDArray[np.float64]
    probes: Indices
    copies: NDArray[np.bool_]
    global_signal: NDArray[np.float64]
    change: NDArray[np.float64]
    n_frozen_volumes: int
    frozen_slices: FrozenSlices
    fingerprint: str


class SeriesObserver:
    """Observer of the kept volumes of a run.

    Parameters
    ----------
    places : Places
    n_kept : int
        Number of volumes that will be observed.
    """

    def __init__(self, places: Places, n_kept: int) -> None:
        self._places = places
        self._sampled = set(np.linspace(0, n_kept - 1, min(N_SAMPLED_VOLUMES, n_kept)).astype(int).tolist())
        mask_voxels = np.flatnonzero(places.mask.ravel(order="F"))
        self._flat = mask_voxels[:: max(1, len(mask_voxels) // N_PROBES)]
        self._probes = np.array(np.unravel_index(self._flat, places.shape, order="F"))
        self._model_voxels = places.model_voxels[:: max(1, len(places.model_voxels) // N_MODEL_VOXELS)]
        self._steps = [_step(places.shape, axis) for axis in range(3)]
        self._is_last = self._probes == np.array(places.shape)[:, None] - 1
        self._copies = ~self._is_last
        self._slices = [_SliceCounts(self._probes[axis], places.shape[axis]) for axis in range(3)]
        # Stored value of 0.
        self._zero = -places.inter / places.slope
        self._n_volumes = self._n_frozen_volumes = 0
        self._rows: list[NDArray[np.generic]] = []
        self._last_row: NDArray[np.generic] | None = None
        self._last_values = np.empty(0)
        self._global_signal: list[float] = []
        self._change: list[float] = []
        self._coarse, self._model = _Deviations(), _Deviations()
        self._hash = hashlib.sha256()

    def watch(self, volumes: Iterable[NDArray[np.generic]]) -> Iterator[NDArray[np.generic]]:
        """Yield volumes and observe them.

        Parameters
        ----------
        volumes : iterable of arrays of shape (n_grid_voxels,)
            Kept volumes as stored in the file.

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
        row = volume.take(self._flat)
        values = row.astype(np.float64)
        self._global_signal.append(_finite_mean(values))
        if self._last_row is None:
            self._change.append(np.nan)
        else:
            self._compare(row, values)
        if self._n_volumes in self._sampled:
            self._sample(volume, row)
        self._last_row, self._last_values = row, values
        self._n_volumes += 1

    def _compare(self, row: NDArray[np.generic], values: NDArray[np.float64]) -> None:
        """Compare a volume with the one before."""
        is_equal = row == self._last_row
        self._change.append(float(np.sqrt(_finite_mean((values - self._last_values) ** 2))))
        if is_equal.all():
            self._n_frozen_volumes += 1
            return
        is_dead = is_equal | (row == self._zero)
        # Too few for a slice: nearly always the case.
        if np.count_nonzero(is_dead) >= MIN_PROBES_PER_SLICE:
            for counts in self._slices:
                counts.add(is_dead, self._n_volumes)

    def _sample(self, volume: NDArray[np.generic], row: NDArray[np.generic]) -> None:
        """Add a sampled volume to the coarse images, the copies and the hash."""
        places = self._places
        cube = volume.reshape(places.shape, order="F")[places.coarse]
        coarse = _in_units(cube, places)
        self._hash.update(coarse.tobytes())
        self._coarse.add(coarse)
        self._model.add(_in_units(volume.take(self._model_voxels), places))
        self._rows.append(row)
        for axis, step in enumerate(self._steps):
            neighbours = volume.take(self._flat + step, mode="clip")
            self._copies[axis] &= neighbours == row

    def finish(self) -> ObservedSeries:
        """Return what was observed.

        Returns
        -------
        ObservedSeries
        """
        rows = np.array(self._rows, np.float64)
        varies = (rows != rows[0]).any(axis=0)
        n_pairs = max(self._n_volumes - 1 - self._n_frozen_volumes, 1)
        places = self._places
        scale = np.float64(places.slope)
        return ObservedSeries(
            places=places,
            mean=self._coarse.mean,
            spread=self._coarse.spread,
            model_voxels=self._model_voxels,
            model_mean=self._model.mean,
            model_spread=self._model.spread,
            samples=rows * scale + places.inter,
            probes=self._probes,
            copies=self._copies & varies,
            global_signal=np.array(self._global_signal) * scale + places.inter,
            change=np.array(self._change) * abs(scale),
            n_frozen_volumes=self._n_frozen_volumes,
            frozen_slices=_largest([counts.finish(n_pairs) for counts in self._slices]),
            fingerprint=self._hash.hexdigest(),
        )


def _step(shape: Sequence[int], axis: int) -> int:
    return int(np.prod(shape[:axis]))


def _in_units(values: NDArray[np.generic], places: Places) -> Floats:
    """Convert stored values to units of the data; a copy."""
    floats = values.astype(np.float32)
    if (places.slope, places.inter) != (1.0, 0.0):
        floats = (values.astype(np.float64) * places.slope + places.inter).astype(np.float32)
    return floats


def _finite_mean(values: NDArray[np.float64]) -> float:
    mean = float(values.mean())
    if np.isfinite(mean):
        return mean
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else np.nan


def _largest(axes: Sequence[FrozenSlices]) -> FrozenSlices:
    return max(axes, key=lambda axis: axis.n_frozen)


class _Deviations:
    """Running mean, and mean absolute deviation from the first array."""

    def __init__(self) -> None:
        self._n = 0

    def add(self, values: Floats) -> None:
        values = np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        if not self._n:
            self._first, self._sum, self._spread = values, values.copy(), np.zeros_like(values)
        else:
            self._sum += values
            self._spread += np.abs(values - self._first)
        self._n += 1

    @property
    def mean(self) -> Floats:
        return self._sum / np.float32(self._n)

    @property
    def spread(self) -> Floats:
        return self._spread / np.float32(self._n)


class _SliceCounts:
    """Counts of the volumes in which all probes of a slice are dead."""

    def __init__(self, slice_of_probe: Indices, n_slices: int) -> None:
        self._slice_of_probe = slice_of_probe
        self._n_probes = np.bincount(slice_of_probe, minlength=n_slices)
        self._n_frozen = np.zeros(n_slices, int)
        self._first = np.full(n_slices, -1)
        self._last = np.full(n_slices, -1)

    def add(self, is_dead: NDArray[np.bool_], volume: int) -> None:
        n_dead = np.bincount(self._slice_of_probe[is_dead], minlength=len(self._n_probes))
        frozen = np.flatnonzero((n_dead == self._n_probes) & (n_dead >= MIN_PROBES_PER_SLICE))
        if len(frozen):
            self._n_frozen[frozen] += 1
            self._last[frozen] = volume
            self._first[frozen[self._first[frozen] < 0]] = volume

    def finish(self, n_pairs: int) -> FrozenSlices:
        slices = np.flatnonzero((self._n_frozen > 0) & (self._n_frozen <= MAX_FROZEN_SHARE * n_pairs))
        if not len(slices):
            return FrozenSlices()
        volumes = int(self._first[slices].min()), int(self._last[slices].max())
        return FrozenSlices(int(self._n_frozen[slices].sum()), (int(slices[0]), int(slices[-1])), volumes)
