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
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Value = TypeVar("Value", bound=np.generic)

# What a regression leaves of a voxel below this share of its variance is rounding.
RESIDUAL_VARIANCE_FLOOR = 1e-8
# Relative to a voxel's level; float32 data cannot vary by less than 6e-8 of it.
VALUE_ROUNDING = 1e-10
# Voxels whose sums lie beside each other: what is done with them stays in the caches.
N_PER_PART = 2048
# The reader is done by then.
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


class Accumulator:
    """Sums and products over the kept volumes of a run, added up block by block in float64.

    Parameters
    ----------
    projection : array of shape (n_rois, n_voxels)
        Turns voxels into ROI series.
    basis : array of shape (n_kept, rank)
        Orthonormal regressors; the first column is constant (``confounds.Design.basis``).
    n_windows : int
        Contiguous parts of the kept volumes that get a connectome each.
    places : integer array of shape (n_voxels,), optional
        Where each voxel stands in what comes out, which is 0 elsewhere; the same order if absent.
    n_places : int, optional
        How many voxels come out.
    """

    def __init__(
        self,
        projection: Matrix,
        basis: Matrix,
        n_windows: int = 1,
        places: NDArray[np.intp] | None = None,
        n_places: int | None = None,
    ) -> None:
        n_rois, n_voxels = projection.shape
        self.n_kept, rank = basis.shape
        self._projection = projection
        self._basis = basis
        self._bounds = window_bounds(self.n_kept, n_windows)
        self._places = np.arange(n_voxels) if places is None else places
        self._n_places = n_voxels if n_places is None else n_places
        self._reference: Matrix | None = None
        self._n_seen = 0
        self._rois = np.empty((self.n_kept, n_rois))
        self._finite = np.ones(n_voxels, dtype=bool)
        # Per window: T'Y above Q'Y, in parts of the voxels, and the sum of squares, all after the reference
        # is taken off.
        n_parts = -(-n_voxels // N_PER_PART)
        self._sums = [np.zeros((n_parts, n_rois + rank, N_PER_PART)) for _ in range(n_windows)]
        self._squares = np.zeros((n_windows, n_voxels))

    def add(self, voxels: Matrix) -> None:
        """Take in the next kept volumes.

        Parameters
        ----------
        voxels : float64 array of shape (n, n_voxels), C order
            In units of the data. Used as scratch: its contents are changed.
        """
        if self._reference is None:
            # Offsets cancel in the end; taking most of them off first keeps the sums small and exact.
            self._reference = np.where(np.isfinite(voxels), voxels, 0).mean(axis=0)
        voxels -= self._reference
        squares = _sums_of_squares(voxels)
        if not np.isfinite(squares).all():
            finite = np.isfinite(voxels)
            self._finite &= finite.all(axis=0)
            np.copyto(voxels, -self._reference, where=~finite)  # as if there were 0
            squares = _sums_of_squares(voxels)
        start, end = self._n_seen, self._n_seen + len(voxels)
        rois = voxels @ self._projection.T
        self._rois[start:end] = rois
        for window, (first, last) in enumerate(zip(self._bounds[:-1], self._bounds[1:], strict=True)):
            here = slice(max(first, start) - start, min(last, end) - start)
            if here.start < here.stop:
                part, at = voxels[here], slice(start + here.start, start + here.stop)
                _add_products(self._sums[window], np.hstack([rois[here], self._basis[at]]), part)
                self._squares[window] += squares if len(part) == len(voxels) else _sums_of_squares(part)
        self._n_seen = end

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
        if self._n_seen != self.n_kept or self._reference is None:
            message = f"{self._n_seen} volumes were added; the design has {self.n_kept} rows."
            raise ValueError(message)
        n_rois, n_voxels = self._projection.shape
        loadings = self._sums[0][:, n_rois:]  # (n_parts, rank, N_PER_PART)
        for of_window in self._sums[1:]:
            loadings = loadings + of_window[:, n_rois:]
        mean = loadings[:, 0].ravel()[:n_voxels] / np.sqrt(self.n_kept)
        squares = self._squares.sum(axis=0)
        about_mean = np.maximum(squares - self.n_kept * mean**2, 0.0)
        residual = squares - np.einsum("pqv,pqv->pv", loadings, loadings).ravel()[:n_voxels]
        rounding = self.n_kept * (VALUE_ROUNDING * self._reference) ** 2
        has_signal = self._finite & (residual > np.maximum(RESIDUAL_VARIANCE_FLOOR * about_mean, rounding))
        rois = self._rois - self._basis @ (self._basis.T @ self._rois)
        connectome = np.zeros((len(self._sums), n_rois, self._n_places), np.float32)
        for window, out in enumerate(connectome):
            self._window(window, loadings, rois, has_signal, out)
        return RunStatistics(
            connectome=connectome,
            rois=rois,
            mean=self._placed(self._reference + mean),
            sd=self._placed(np.sqrt(about_mean / max(self.n_kept - 1, 1))),
            has_signal=self._placed(has_signal),
        )

    def _placed(self, values: NDArray[Value]) -> NDArray[Value]:
        placed = np.zeros(self._n_places, values.dtype)
        placed[self._places] = values
        return placed

    def _window(
        self,
        window: int,
        loadings: Matrix,
        rois: Matrix,
        has_signal: NDArray[np.bool_],
        out: NDArray[np.float32],
    ) -> None:
        """Put the correlations of one window into `out`, of shape (n_rois, n_places)."""
        rows = slice(self._bounds[window], self._bounds[window + 1])
        basis, roi_mean = self._basis[rows], rois[rows].mean(axis=0)
        clean = rois[rows] - roi_mean
        constant, sums_of_basis, gram = basis[0, 0], basis.sum(axis=0), basis.T @ basis
        # clean'(Y_w - Q_w loadings) with clean = T_w - Q_w Q'T - mean: the last two terms share Q_w'Y_w.
        roi_loadings = self._basis.T @ self._rois
        roi_loadings[0] += roi_mean / constant
        n_rois, factors = len(roi_mean), clean.T @ basis
        # An ROI that the regressors explain wholly has no correlations, only rounding.
        roi_squares = (clean**2).sum(axis=0)
        flat = roi_squares <= RESIDUAL_VARIANCE_FLOOR * self._rois[rows].var(axis=0) * len(basis)
        roi_scale = np.where(flat, 0.0, 1 / np.sqrt(np.where(flat, 1.0, roi_squares)))[:, None]

        def correlate(part: int) -> None:
            at = slice(part * N_PER_PART, (part + 1) * N_PER_PART)
            total = self._squares[window, at]
            both, whole = self._sums[window][part, :, : len(total)], loadings[part, :, : len(total)]
            inner = both[n_rois:]
            products = both[:n_rois] - roi_loadings.T @ inner
            products -= factors @ whole
            sums = inner[0] / constant - sums_of_basis @ whole
            squares = total + np.einsum("qv,qv->v", whole, gram @ whole - 2 * inner) - sums**2 / len(basis)
            usable = has_signal[at] & (squares > RESIDUAL_VARIANCE_FLOOR * total)
            products *= np.where(usable, 1 / np.sqrt(np.where(usable, squares, 1.0)), 0.0)
            products *= roi_scale
            out[:, self._places[at]] = products

        with ThreadPoolExecutor(N_FINISHERS) as pool:
            list(pool.map(correlate, range(len(loadings))))
        if len(self._sums) > 1:
            # Several windows take more memory than all else.
            self._sums[window] = np.empty((0, 0, 0))


def _sums_of_squares(rows: Matrix) -> Matrix:
    """Sum the squares of each column."""
    return np.asarray(np.einsum("tv,tv->v", rows, rows))


def _add_products(sums: Matrix, left: Matrix, right: Matrix) -> None:
    """Add ``left.T @ right`` to sums that lie in parts of the columns, (n_parts, n_left, N_PER_PART).

    BLAS could add by itself; but scipy holds Python's lock meanwhile, and the thread that reads waits for it.
    """
    factors = np.ascontiguousarray(left.T)
    for part, total in enumerate(sums):
        columns = right[:, part * N_PER_PART : (part + 1) * N_PER_PART]
        total[:, : columns.shape[1]] += factors @ columns


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
    if pools:
        connectomes /= np.maximum(sum(len(run.rois) * run.has_signal for run in statistics), 1)
    return connectomes.astype(np.float32, copy=False), statistics
