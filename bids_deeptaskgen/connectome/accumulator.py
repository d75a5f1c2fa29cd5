"""Voxel-to-ROI connectomes in one pass over the volumes.

Cleaning is a linear projection in time, the extraction of ROI series a linear projection in space: they
commute, so the pass only adds up products of what it sees, and the algebra is finished at its end. With
Y (n_kept, n_voxels) the voxels' series, P (n_rois, n_voxels) the projection, T = Y P' the ROI series and
Q (n_kept, rank) an orthonormal basis of the regressors and the intercept, the cleaned series are
Y - Q Q'Y and T - Q Q'T, and all that is needed of window w are Y_w'T_w, Q_w'Y_w and the sums of squares.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

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
# Voxels whose sums lie beside each other: what is done with them stays in the caches.
N_PER_PART = 2048
# Volumes that are multiplied at once: the sums pass through memory for each such product.
N_PER_PRODUCT = 64
N_FINISHERS = 2


@dataclass(frozen=True)
class RunStatistics:
    """What one pass over a run gives.

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


def window_bounds(n_kept: int, n_windows: int) -> list[int]:
    """First rows of contiguous windows of nearly equal length, and the end of the last.

    Parameters
    ----------
    n_kept, n_windows : int

    Returns
    -------
    list of int of length n_windows + 1

    Raises
    ------
    ValueError
        If a window would hold fewer than two volumes.
    """
    if not 1 <= n_windows <= n_kept // 2:
        message = f"{n_kept} volumes cannot be cut into {n_windows} windows of two volumes or more."
        raise ValueError(message)
    return [n_kept * i // n_windows for i in range(n_windows + 1)]


def product_sizes(n_kept: int, n_windows: int) -> list[int]:
    """Numbers of volumes to add at once: nearly equal, none of them in two windows.

    Parameters
    ----------
    n_kept, n_windows : int

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
        Turns voxels into ROI series.
    basis : array of shape (n_kept, rank)
        Orthonormal regressors; the first column is constant (`regressors.make_basis`).
    n_windows : int
        Contiguous parts of the kept volumes that get a connectome each.
    places : integer array of shape (n_voxels,), optional
        Where each voxel that will be added stands in the projection and in what comes out, which is 0
        elsewhere; the same order if absent.
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
        self._n_seen = 0
        self._parts = [
            slice(start, min(start + N_PER_PART, n_voxels)) for start in range(0, n_voxels, N_PER_PART)
        ]
        # Offsets cancel in the end; taking most of them off first keeps the sums small and exact.
        self._reference = np.empty(n_voxels)
        self._projections: dict[int, Matrix] = {}
        self._rois = np.empty((self.n_kept, n_rois))
        self._finite = np.ones(n_voxels, dtype=bool)
        # Of each window: T'Y above Q'Y, after the reference is taken off, in parts. Nothing is written before
        # its first volumes are there; what is that large and left as it is comes in huge pages.
        shape = (len(self._parts), n_rois + rank, min(N_PER_PART, n_voxels))
        self._sums = [np.empty(shape) for _ in range(n_windows)]
        self._squares = np.zeros((n_windows, n_voxels))

    def add(self, voxels: NDArray[np.floating]) -> None:
        """Take in the next kept volumes; many at once are faster.

        Parameters
        ----------
        voxels : array of shape (n, n_voxels), C order
            In units of the data. Values that are not finite are overwritten.
        """
        start, end = self._n_seen, self._n_seen + len(voxels)
        rois = self._rois[start:end]
        rois[:] = sum(self._project(voxels, part) for part in range(len(self._parts)))
        factors = np.ascontiguousarray(np.hstack([rois, self._basis[start:end]]).T)
        for part in range(len(self._parts)):
            self._multiply(voxels, factors, part)
        self._n_seen = end

    def _project(self, voxels: NDArray[np.floating], part: int) -> Matrix:
        """Sum up what some voxels give to the ROI series: (n, n_rois)."""
        at = self._parts[part]
        rows = voxels[:, at]
        if not self._n_seen:
            # Not before: meanwhile, the first volumes are read.
            self._projections[part] = self._projection[:, self._places[at]]
            finite = np.isfinite(rows)
            sums = np.where(finite, rows, 0).sum(axis=0, dtype=np.float64)
            self._reference[at] = sums / np.maximum(finite.sum(axis=0), 1)
        projection = self._projections[part]
        # A value that is not finite leaves nothing finite in the products of its row: they are the check, and
        # numpy need not warn of it.
        with np.errstate(invalid="ignore"):
            given = (rows - self._reference[at]) @ projection.T
        if not np.isfinite(given).all():
            finite = np.isfinite(rows)
            self._finite[at] &= finite.all(axis=0)
            # As if there were its mean, which adds nothing to the ROI series.
            np.copyto(rows, self._reference[at], where=~finite, casting="same_kind")
            given = (rows - self._reference[at]) @ projection.T
        return np.asarray(given)

    def _multiply(self, voxels: NDArray[np.floating], factors: Matrix, part: int) -> None:
        """Add to the products and squares of some voxels."""
        at, start = self._parts[part], self._n_seen
        rows = voxels[:, at] - self._reference[at]
        for window, (first, last) in enumerate(zip(self._bounds[:-1], self._bounds[1:], strict=True)):
            here = slice(max(first - start, 0), min(last - start, len(rows)))
            if here.start >= here.stop:
                continue
            left, right, total = factors[:, here], rows[here], self._of_part(window, part)
            if start + here.start == first:
                np.matmul(left, right, out=total)
            else:
                # BLAS could add by itself; but scipy holds Python's lock meanwhile, and the thread that
                # reads waits for it.
                total += left @ right
            self._squares[window, at] += np.einsum("tv,tv->v", right, right)

    def finish(self) -> RunStatistics:
        """Finish the algebra; the sums are used up.

        Returns
        -------
        RunStatistics

        Raises
        ------
        ValueError
            If fewer or more volumes were added than the design has rows.
        """
        if self._n_seen != self.n_kept:
            message = f"{self._n_seen} volumes were added; the design has {self.n_kept} rows."
            raise ValueError(message)
        n_windows, n_rois, n_voxels = len(self._sums), len(self._projection), len(self._places)
        mean, sd = np.empty(n_voxels), np.empty(n_voxels)
        has_signal = np.empty(n_voxels, bool)
        loadings: dict[int, Matrix] = {}

        def finish_run(part: int) -> None:
            at = self._parts[part]
            whole = self._of_part(0, part)[n_rois:].copy()
            for window in range(1, n_windows):
                whole += self._of_part(window, part)[n_rois:]
            off_reference = whole[0] / (self.n_kept * self._basis[0, 0])
            total = self._squares[:, at].sum(axis=0)
            about_mean = np.maximum(total - self.n_kept * off_reference**2, 0.0)
            residual = total - np.einsum("qv,qv->v", whole, whole)
            rounding = self.n_kept * (VALUE_ROUNDING * self._reference[at]) ** 2
            floor = np.maximum(RESIDUAL_VARIANCE_FLOOR * about_mean, rounding)
            has_signal[at] = self._finite[at] & (residual > floor)
            mean[at] = self._reference[at] + off_reference
            sd[at] = np.sqrt(about_mean / max(self.n_kept - 1, 1))
            loadings[part] = whole

        # In the order of what was added; one column more for the places that got nothing.
        r = np.zeros((n_rois, n_voxels + 1), np.float32)
        connectome = np.empty((n_windows, n_rois, self._n_places), np.float32)
        origins = np.full(self._n_places, n_voxels)
        origins[self._places] = np.arange(n_voxels)

        def correlate(algebra: WindowAlgebra, window: int, part: int) -> None:
            at = self._parts[part]
            of_window = self._of_part(window, part), self._squares[window, at]
            r[:, at] = algebra.correlations(*of_window, loadings[part], has_signal[at])

        def place(window: int, roi: int) -> None:
            r[roi].take(origins, out=connectome[window, roi], mode="clip")

        # The reader is done, so that there is a core for each of them.
        with ThreadPoolExecutor(N_FINISHERS) as pool:
            list(pool.map(finish_run, range(len(self._parts))))
            for window, rows in enumerate(map(slice, self._bounds[:-1], self._bounds[1:])):
                algebra = WindowAlgebra.of(self._rois, self._basis, rows)
                list(pool.map(partial(correlate, algebra, window), range(len(self._parts))))
                # Several windows take more memory than all else.
                self._sums[window] = np.empty((0, 0, 0))
                list(pool.map(partial(place, window), range(n_rois)))
        rois = self._rois - self._basis @ (self._basis.T @ self._rois)
        return RunStatistics(connectome, rois, *(self._placed(one) for one in (mean, sd, has_signal)))

    def _placed(self, values: NDArray[Value]) -> NDArray[Value]:
        placed = np.zeros(self._n_places, values.dtype)
        placed[self._places] = values
        return placed

    def _of_part(self, window: int, part: int) -> Matrix:
        """Give the sums of some voxels in a window: (n_rois + rank, n)."""
        at = self._parts[part]
        return self._sums[window][part, :, : at.stop - at.start]


def correlate_windows(voxels: Matrix, projection: Matrix, basis: Matrix, n_windows: int = 1) -> RunStatistics:
    """Run the accumulator over an array that is in memory: for notebooks and small data.

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


def pool_runs(runs: Iterable[RunStatistics], n_runs: int) -> tuple[NDArray[np.float32], list[RunStatistics]]:
    """Pool the connectomes of several runs, holding those of one run at a time beside what comes out.

    With one window a run: their mean, weighted by the number of kept volumes, over the runs in which a
    voxel has signal (gains differ between runs, so series are not concatenated). With more windows: all
    of them, run after run.

    Parameters
    ----------
    runs : iterable of RunStatistics
        With the same number of windows each.
    n_runs : int

    Returns
    -------
    connectomes : float32 array of shape (n_connectomes, n_rois, n_voxels)
    statistics : list of RunStatistics
        The runs without their connectomes.
    """
    statistics: list[RunStatistics] = []
    for run in runs:
        n_windows = len(run.connectome)
        if not statistics:
            pools = n_windows == 1 and n_runs > 1
            shape = (1 if pools else n_runs * n_windows, *run.connectome.shape[1:])
            connectomes = np.zeros(shape, np.float64 if pools else np.float32)
        if pools:
            connectomes += len(run.rois) * run.connectome
        else:
            connectomes[len(statistics) * n_windows :][:n_windows] = run.connectome
        # Not a view, which would keep all of it.
        statistics.append(replace(run, connectome=np.empty((0, *shape[1:]), np.float32)))
        del run  # or it would lie beside the next one's sums
    if pools:
        connectomes /= np.maximum(sum(len(run.rois) * run.has_signal for run in statistics), 1)
    return connectomes.astype(np.float32, copy=False), statistics
