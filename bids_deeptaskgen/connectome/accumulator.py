"""Voxel-to-ROI connectomes in one pass over the volumes.

Cleaning is a linear projection in time, the extraction of ROI series a linear projection in space: they
commute. One pass therefore adds up products of the volumes, and the algebra follows at its end. With
Y (n_kept, n_voxels) the voxels' series, P (n_rois, n_voxels) the projection, T = Y P' the ROI series and
Q (n_kept, rank) an orthonormal basis of the regressors and the intercept, the cleaned series are
Y - Q Q'Y and T - Q Q'T. Window w needs only Y_w'T_w, Q_w'Y_w and the sums of squares.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.window_correlation import (
    RESIDUAL_VARIANCE_FLOOR,
    Matrix,
    WindowAlgebra,
)

Value = TypeVar("Value", bound=np.generic)

# Relative to a voxel's level; float32 data cannot vary by less than 6e-8 of it.
VALUE_ROUNDING = 1e-10
# Voxels whose sums are adjacent in memory, so that work on them stays in the CPU caches.
N_PER_PART = 2048
# Volumes per matrix product; each product reads and writes all sums once.
N_PER_PRODUCT = 64
N_FINISHERS = 2


@dataclass(frozen=True)
class RunStatistics:
    """Connectomes and voxel statistics of one run.

    Attributes
    ----------
    connectome : float32 array of shape (n_windows, n_rois, n_voxels)
        Pearson correlation of cleaned voxel and ROI series; 0 for voxels without signal.
    rois : array of shape (n_kept, n_rois)
        Cleaned ROI series, in units of the data.
    mean : array of shape (n_voxels,)
        Mean over the kept volumes, in units of the data.
    sd : array of shape (n_voxels,)
        Standard deviation over the kept volumes before cleaning (n_kept - 1).
    has_signal : boolean array of shape (n_voxels,)
        False for voxels that are constant, not finite, or wholly explained by the regressors.
    """

    connectome: NDArray[np.float32]
    rois: Matrix
    mean: Matrix
    sd: Matrix
    has_signal: NDArray[np.bool_]


class _Voxels(NamedTuple):
    """Mean, SD and signal of the added voxels, and their loadings on the basis for each part.

    `correlations` is a buffer in the order of the added voxels, plus one zero column for voxels that were not
    added; `origins` has the column of each place.
    """

    mean: Matrix
    sd: Matrix
    has_signal: NDArray[np.bool_]
    loadings: dict[int, Matrix]
    correlations: NDArray[np.float32]
    origins: NDArray[np.intp]


def window_bounds(n_kept: int, n_windows: int) -> list[int]:
    """Return the first rows of contiguous windows of nearly equal length, and the end of the last.

    Parameters
    ----------
    n_kept : int
        Number of volumes after censoring.
    n_windows : int

    Returns
    -------
    list of int, length n_windows + 1

    Raises
    ------
    ValueError
        If a window would contain fewer than two volumes.
    """
    if not 1 <= n_windows <= n_kept // 2:
        message = f"{n_kept} volumes cannot be split into {n_windows} windows of two volumes or more."
        raise ValueError(message)
    return [n_kept * i // n_windows for i in range(n_windows + 1)]


def product_sizes(n_kept: int, n_windows: int) -> list[int]:
    """Return block sizes in volumes: nearly equal, each block within one window.

    Parameters
    ----------
    n_kept : int
        Number of volumes after censoring.
    n_windows : int

    Returns
    -------
    list of int
        At most ``N_PER_PRODUCT`` each; they add up to `n_kept`.
    """
    bounds = window_bounds(n_kept, n_windows)
    sizes: list[int] = []
    for n_volumes in np.diff(bounds).tolist():
        n_products = -(-n_volumes // N_PER_PRODUCT)
        sizes += np.diff([n_volumes * i // n_products for i in range(n_products + 1)]).tolist()
    return sizes


class Accumulator:
    """Sums and products over the kept volumes of a run, added up block by block in float64.

    Parameters
    ----------
    projection : array of shape (n_rois, n_places)
        Maps voxels to ROI series.
    basis : array of shape (n_kept, rank)
        Orthonormal regressors; the first column is constant (`regressors.make_basis`).
    n_windows : int
        Contiguous parts of the kept volumes; each yields one connectome.
    places : integer array of shape (n_voxels,), optional
        Index of each added voxel in the projection and in the results, which are 0 elsewhere. By default
        the order is the same.
    """

    def __init__(
        self,
        projection: Matrix,
        basis: Matrix,
        n_windows: int = 1,
        places: NDArray[np.intp] | None = None,
    ) -> None:
        n_rois, self._n_places = projection.shape
        self.n_kept, rank = basis.shape
        self._projection = projection
        self._basis = basis
        self._bounds = window_bounds(self.n_kept, n_windows)
        self._places = np.arange(self._n_places) if places is None else places
        n_voxels = len(self._places)
        self._n_added = 0
        self._parts = [
            slice(start, min(start + N_PER_PART, n_voxels)) for start in range(0, n_voxels, N_PER_PART)
        ]
        # Offsets cancel in the end. Subtracting most of them first keeps the sums small and exact.
        self._reference = np.empty(n_voxels)
        self._projections: dict[int, Matrix] = {}
        self._rois = np.empty((self.n_kept, n_rois))
        self._is_finite = np.ones(n_voxels, dtype=bool)
        # For each window: T'Y stacked on Q'Y, minus the reference, in parts. Nothing is written before the
        # first volumes arrive; large untouched arrays get huge pages.
        shape = (len(self._parts), n_rois + rank, min(N_PER_PART, n_voxels))
        self._sums = [np.empty(shape) for _ in range(n_windows)]
        self._squares = np.zeros((n_windows, n_voxels))

    def add(self, voxels: NDArray[np.floating]) -> None:
        """Add the next kept volumes; large blocks are faster.

        Parameters
        ----------
        voxels : array of shape (n, n_voxels), C order
            In units of the data. Values that are not finite are overwritten.
        """
        start, end = self._n_added, self._n_added + len(voxels)
        rois = self._rois[start:end]
        rois[:] = sum(self._project(voxels, part) for part in range(len(self._parts)))
        factors = np.ascontiguousarray(np.hstack([rois, self._basis[start:end]]).T)
        for part in range(len(self._parts)):
            self._multiply(voxels, factors, part)
        self._n_added = end

    def _project(self, voxels: NDArray[np.floating], part: int) -> Matrix:
        """Sum the contributions of some voxels to the ROI series: (n, n_rois)."""
        span = self._parts[part]
        rows = voxels[:, span]
        if not self._n_added:
            # Deferred to here, so that the first volumes are read meanwhile.
            self._projections[part] = self._projection[:, self._places[span]]
            is_finite = np.isfinite(rows)
            sums = np.where(is_finite, rows, 0).sum(axis=0, dtype=np.float64)
            self._reference[span] = sums / np.maximum(is_finite.sum(axis=0), 1)
        projection = self._projections[part]
        # A non-finite value makes all products of its row non-finite. The products serve as the check, so
        # numpy's warning is not needed.
        with np.errstate(invalid="ignore"):
            contribution = (rows - self._reference[span]) @ projection.T
        if not np.isfinite(contribution).all():
            is_finite = np.isfinite(rows)
            self._is_finite[span] &= is_finite.all(axis=0)
            # Replace by the voxel's mean, which adds nothing to the ROI series.
            np.copyto(rows, self._reference[span], where=~is_finite, casting="same_kind")
            contribution = (rows - self._reference[span]) @ projection.T
        return np.asarray(contribution)

    def _multiply(self, voxels: NDArray[np.floating], factors: Matrix, part: int) -> None:
        """Add to the products and squares of some voxels."""
        span, start = self._parts[part], self._n_added
        rows = voxels[:, span] - self._reference[span]
        for window, (first, last) in enumerate(zip(self._bounds[:-1], self._bounds[1:], strict=True)):
            overlap = slice(max(first - start, 0), min(last - start, len(rows)))
            if overlap.start >= overlap.stop:
                continue
            multipliers, deviations, total = factors[:, overlap], rows[overlap], self._part_sums(window, part)
            if start + overlap.start == first:
                np.matmul(multipliers, deviations, out=total)
            else:
                # BLAS could accumulate directly, but scipy holds the GIL during the call and would block the
                # reader thread.
                total += multipliers @ deviations
            self._squares[window, span] += np.einsum("tv,tv->v", deviations, deviations)

    def finish(self) -> RunStatistics:
        """Compute connectomes and statistics from the sums, which are consumed.

        Returns
        -------
        RunStatistics

        Raises
        ------
        ValueError
            If fewer or more volumes were added than the design has rows.
        """
        n_windows, n_rois = len(self._sums), len(self._projection)
        connectome = np.empty((n_windows, n_rois, self._n_places), np.float32)
        # The reader has ended, so each thread gets a core.
        with ThreadPoolExecutor(N_FINISHERS) as pool:
            voxels = self._finish_voxels(pool)
            for window, rows in enumerate(map(slice, self._bounds[:-1], self._bounds[1:])):
                algebra = WindowAlgebra.from_series(self._rois, self._basis, rows)
                self._correlate(pool, algebra, voxels, partial(self._window_sums, window), connectome[window])
                # With several windows, the sums are the largest arrays.
                self._sums[window] = np.empty((0, 0, 0))
        rois = self._rois - self._basis @ (self._basis.T @ self._rois)
        return RunStatistics(
            connectome,
            rois,
            self._expand(voxels.mean),
            self._expand(voxels.sd),
            self._expand(voxels.has_signal),
        )

    def resample(self, draws: Iterable[NDArray[np.intp]]) -> Iterator[NDArray[np.float32]]:
        """Compute connectomes of resampled windows from the sums, which are kept.

        The regressors were fitted to the whole run. Each connectome is that of the cleaned series whose
        windows are concatenated as drawn.

        Parameters
        ----------
        draws : iterable of integer array
            Numbers of the windows of each resample, repeated as drawn.

        Yields
        ------
        float32 array of shape (n_rois, n_places)
            Pearson r; 0 for voxels without signal. The array is overwritten by the next.

        Raises
        ------
        ValueError
            If fewer or more volumes were added than the design has rows.
        """
        connectome = np.empty((len(self._projection), self._n_places), np.float32)
        with ThreadPoolExecutor(N_FINISHERS) as pool:
            voxels = self._finish_voxels(pool)
            for draw in draws:
                rows = np.concatenate([np.arange(*self._bounds[window : window + 2]) for window in draw])
                algebra = WindowAlgebra.from_series(self._rois, self._basis, rows)
                counts = np.bincount(draw, minlength=len(self._sums))
                self._correlate(pool, algebra, voxels, partial(self._weighted_sums, counts), connectome)
                yield connectome

    def _finish_voxels(self, pool: ThreadPoolExecutor) -> _Voxels:
        """Compute the statistics of the added voxels over the whole run."""
        if self._n_added != self.n_kept:
            message = f"{self._n_added} volumes were added; the design has {self.n_kept} rows."
            raise ValueError(message)
        n_windows, n_rois, n_voxels = len(self._sums), len(self._projection), len(self._places)
        origins = np.full(self._n_places, n_voxels)
        origins[self._places] = np.arange(n_voxels)
        buffer = np.zeros((n_rois, n_voxels + 1), np.float32)
        voxels = _Voxels(
            np.empty(n_voxels), np.empty(n_voxels), np.empty(n_voxels, bool), {}, buffer, origins
        )

        def finish_run(part: int) -> None:
            span = self._parts[part]
            loading = self._part_sums(0, part)[n_rois:].copy()
            for window in range(1, n_windows):
                loading += self._part_sums(window, part)[n_rois:]
            mean_offset = loading[0] / (self.n_kept * self._basis[0, 0])
            total = self._squares[:, span].sum(axis=0)
            deviation_squares = np.maximum(total - self.n_kept * mean_offset**2, 0.0)
            residual = total - np.einsum("qv,qv->v", loading, loading)
            rounding = self.n_kept * (VALUE_ROUNDING * self._reference[span]) ** 2
            floor = np.maximum(RESIDUAL_VARIANCE_FLOOR * deviation_squares, rounding)
            voxels.has_signal[span] = self._is_finite[span] & (residual > floor)
            voxels.mean[span] = self._reference[span] + mean_offset
            voxels.sd[span] = np.sqrt(deviation_squares / max(self.n_kept - 1, 1))
            voxels.loadings[part] = loading

        list(pool.map(finish_run, range(len(self._parts))))
        return voxels

    def _correlate(
        self,
        pool: ThreadPoolExecutor,
        algebra: WindowAlgebra,
        voxels: _Voxels,
        sums_of: Callable[[int], tuple[Matrix, Matrix]],
        connectome: NDArray[np.float32],
    ) -> None:
        """Fill a connectome from the sums and squares of each part."""

        def correlate(part: int) -> None:
            span = self._parts[part]
            voxels.correlations[:, span] = algebra.correlations(
                *sums_of(part), voxels.loadings[part], voxels.has_signal[span]
            )

        def place(roi: int) -> None:
            voxels.correlations[roi].take(voxels.origins, out=connectome[roi], mode="clip")

        list(pool.map(correlate, range(len(self._parts))))
        list(pool.map(place, range(len(connectome))))

    def _window_sums(self, window: int, part: int) -> tuple[Matrix, Matrix]:
        """Return sums and squares of some voxels in a window."""
        return self._part_sums(window, part), self._squares[window, self._parts[part]]

    def _weighted_sums(self, counts: NDArray[np.intp], part: int) -> tuple[Matrix, Matrix]:
        """Compute sums and squares of some voxels over windows, each as often as it was drawn."""
        drawn_windows = np.flatnonzero(counts).tolist()
        total = sum(counts[window] * self._part_sums(window, part) for window in drawn_windows)
        return np.asarray(total), counts.astype(np.float64) @ self._squares[:, self._parts[part]]

    def _expand(self, values: NDArray[Value]) -> NDArray[Value]:
        """Expand values of the added voxels to all voxels of the projection; 0 elsewhere."""
        expanded = np.zeros(self._n_places, values.dtype)
        expanded[self._places] = values
        return expanded

    def _part_sums(self, window: int, part: int) -> Matrix:
        """Return the sums of some voxels in a window: (n_rois + rank, n)."""
        span = self._parts[part]
        return self._sums[window][part, :, : span.stop - span.start]


def correlate_windows(voxels: Matrix, projection: Matrix, basis: Matrix, n_windows: int = 1) -> RunStatistics:
    """Compute connectomes of an array in memory, for notebooks and small data.

    Parameters
    ----------
    voxels : array of shape (n_kept, n_voxels)
    projection : array of shape (n_rois, n_voxels)
    basis : array of shape (n_kept, rank)
        Orthonormal regressors; the first column is constant.
    n_windows : int

    Returns
    -------
    RunStatistics
    """
    accumulator = Accumulator(projection, basis, n_windows)
    accumulator.add(np.array(voxels, dtype=np.float64))
    return accumulator.finish()
