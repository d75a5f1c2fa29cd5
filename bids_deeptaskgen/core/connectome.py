"""Voxel-to-ROI connectomes in one pass over the volumes.

Cleaning is a linear projection in time, the extraction of ROI series a linear projection in space: they
commute, so the pass only adds up products of what it sees, and the algebra is finished at its end. With
Y (n_kept, n_voxels) the voxels' series, P (n_rois, n_voxels) the projection, T = Y P' the ROI series and
Q (n_kept, rank) an orthonormal basis of the regressors and the intercept, the cleaned series are
Y - Q Q'Y and T - Q Q'T, and all that is needed of window w are Y_w'T_w, Q_w'Y_w and the sums of squares.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dgemm

Matrix = NDArray[np.float64]

# What a regression leaves of a voxel below this share of its variance is rounding.
RESIDUAL_VARIANCE_FLOOR = 1e-8
# Relative to a voxel's level; float32 data cannot vary by less than 6e-8 of it.
VALUE_ROUNDING = 1e-10


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
    """

    def __init__(self, projection: Matrix, basis: Matrix, n_windows: int = 1) -> None:
        n_rois, n_voxels = projection.shape
        self.n_kept, rank = basis.shape
        self._projection = projection
        self._basis = basis
        self._bounds = window_bounds(self.n_kept, n_windows)
        self._reference: Matrix | None = None
        self._n_seen = 0
        self._rois = np.empty((self.n_kept, n_rois))
        self._finite = np.ones(n_voxels, dtype=bool)
        # Per window: T'Y, Q'Y and the sum of squares, all after the reference is taken off.
        self._products = np.zeros((n_windows, n_rois, n_voxels))
        self._loadings = np.zeros((n_windows, rank, n_voxels))
        self._squares = np.zeros((n_windows, n_voxels))

    def add(self, voxels: Matrix) -> None:
        """Take in the next kept volumes.

        Parameters
        ----------
        voxels : float64 array of shape (n, n_voxels), C order
            In units of the data. Used as scratch: its contents are changed.
        """
        if not np.isfinite(voxels).all():
            finite = np.isfinite(voxels)
            self._finite &= finite.all(axis=0)
            voxels[~finite] = 0.0
        if self._reference is None:
            # Offsets cancel in the end; taking most of them off first keeps the sums small and exact.
            self._reference = voxels.mean(axis=0)
        voxels -= self._reference
        start, end = self._n_seen, self._n_seen + len(voxels)
        rois = voxels @ self._projection.T
        self._rois[start:end] = rois
        for window, (first, last) in enumerate(zip(self._bounds[:-1], self._bounds[1:], strict=True)):
            here = slice(max(first, start) - start, min(last, end) - start)
            if here.start < here.stop:
                part, at = voxels[here], slice(start + here.start, start + here.stop)
                _add_product(self._products[window], rois[here], part)
                _add_product(self._loadings[window], self._basis[at], part)
                self._squares[window] += np.einsum("tv,tv->v", part, part)
        self._n_seen = end

    def finish(self) -> RunStatistics:
        """Finish the algebra.

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
        loadings = self._loadings.sum(axis=0)
        mean = loadings[0] / np.sqrt(self.n_kept)
        about_mean = np.maximum(self._squares.sum(axis=0) - self.n_kept * mean**2, 0.0)
        residual = self._squares.sum(axis=0) - np.einsum("qv,qv->v", loadings, loadings)
        rounding = self.n_kept * (VALUE_ROUNDING * self._reference) ** 2
        has_signal = self._finite & (residual > np.maximum(RESIDUAL_VARIANCE_FLOOR * about_mean, rounding))
        rois = self._rois - self._basis @ (self._basis.T @ self._rois)
        return RunStatistics(
            connectome=np.stack(
                [self._window(i, loadings, rois, has_signal) for i in range(len(self._bounds) - 1)]
            ),
            rois=rois,
            mean=self._reference + mean,
            sd=np.sqrt(about_mean / max(self.n_kept - 1, 1)),
            has_signal=has_signal,
        )

    def _window(
        self, window: int, loadings: Matrix, rois: Matrix, has_signal: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Correlations of one window, of shape (n_rois, n_voxels)."""
        rows = slice(self._bounds[window], self._bounds[window + 1])
        basis, roi_mean = self._basis[rows], rois[rows].mean(axis=0)
        clean = rois[rows] - roi_mean
        inner = self._loadings[window]
        constant = basis[0, 0]
        # clean'(Y_w - Q_w loadings) with clean = T_w - Q_w Q'T - mean: the last two terms share Q_w'Y_w.
        roi_loadings = self._basis.T @ self._rois
        roi_loadings[0] += roi_mean / constant
        products = self._products[window]
        _add_product(products, -roi_loadings, inner)
        _add_product(products, -(basis.T @ clean), loadings)
        sums = inner[0] / constant - basis.sum(axis=0) @ loadings
        squares = self._squares[window] - 2 * np.einsum("qv,qv->v", loadings, inner)
        squares += np.einsum("qv,qv->v", (basis.T @ basis) @ loadings, loadings)
        squares -= sums**2 / len(basis)
        roi_squares = (clean**2).sum(axis=0)
        usable = has_signal & (squares > RESIDUAL_VARIANCE_FLOOR * self._squares[window])
        scale = np.zeros_like(squares)
        scale[usable] = 1 / np.sqrt(squares[usable])
        products *= scale
        # An ROI that the regressors explain wholly has no correlations, only rounding.
        flat = roi_squares <= RESIDUAL_VARIANCE_FLOOR * self._rois[rows].var(axis=0) * len(basis)
        products[flat] = 0.0
        products[~flat] /= np.sqrt(roi_squares[~flat])[:, None]
        connectome: NDArray[np.float32] = products.astype(np.float32)
        return connectome


def _add_product(total: Matrix, left: Matrix, right: Matrix) -> None:
    """Add ``left.T @ right`` to ``total`` in place; BLAS works on the transposes, which are in its order."""
    result = dgemm(1.0, right.T, left.T, beta=1.0, c=total.T, trans_b=True, overwrite_c=True)
    if not np.shares_memory(result, total):
        total[...] = result.T


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
