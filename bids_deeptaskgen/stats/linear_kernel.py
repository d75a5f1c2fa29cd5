"""Linear kernel of many maps: the product of each pair of maps, from some maps at a time.

The kernel of n maps X is X X'. For ridge regression and other linear models of more voxels than participants,
it says as much as the maps, and it is smaller: 20,000 maps of 202,292 voxels have 16 GB in float32, and their
kernel has 1.6 GB.

The mean map is subtracted first. The models subtract the mean of their training participants anyway, after
which a map that all participants share has no effect; but products of deviations have more correct digits
than products of maps, which differ in their last digits only if maps are alike. A voxel without value gets
the mean of the participants who have one, so its deviation is 0. The mean is that of all participants, also
of those who are tested later: it is the same map for everyone and does not depend on the target, so it cannot
tell a model anything about the target of a participant.

The products are computed in float32. Only the upper triangle is computed: a panel of maps, as many as fit
into memory, is multiplied with the maps after it, which are read in blocks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.io.prefetch import prefetch

Floats = NDArray[np.float32]
# Reads the maps from a number to another, in Python's way: an array of shape (stop - start, n_voxels), NaN
# where a map has no value. The array is changed.
ReadRows = Callable[[int, int], Floats]

# Bytes of maps in memory, without the kernel.
MAX_BYTES = 2_000_000_000
# Maps of a block: enough for a fast product of matrices.
_BLOCK_ROWS = 256
# Share of the sum of squares of maps below which deviations are rounding errors.
_CONSTANT = 1e-12


@dataclass(frozen=True)
class LinearKernel:
    """Sum of the kernels of several sets of maps of the same participants.

    Attributes
    ----------
    values : float32 array of shape (n_rows, n_rows)
        Sum of the products of maps, each set divided by its scale.
    unscaled_values : float32 array of the same shape or None
        Sum of the products without scales, if it was requested and there are several sets.
    scales : tuple of float
        Of each set: mean over maps of the sum over voxels of squared deviations from the mean map. 0 if all
        maps of the set are equal; then it contributes nothing.
    n_voxels : int
        Number of voxels of all sets in which any map has a value.
    """

    values: Floats
    unscaled_values: Floats | None
    scales: tuple[float, ...]
    n_voxels: int


@dataclass(frozen=True)
class _Moments:
    """Mean map and variance of the maps of a set.

    Attributes
    ----------
    mean : float32 array of shape (n_voxels,)
        0 in voxels without any value.
    scale : float
    n_covered : int
        Number of voxels in which any map has a value.
    is_complete : bool
        Whether all maps have a value in all voxels.
    """

    mean: Floats
    scale: float
    n_covered: int
    is_complete: bool

    def remove_mean(self, rows: Floats) -> Floats:
        """Remove the mean map in place; 0 where a map has no value."""
        rows -= self.mean
        if not self.is_complete:
            rows[~np.isfinite(rows)] = 0
        return rows


def linear_kernel(
    sets: Sequence[ReadRows], n_rows: int, *, with_unscaled: bool = False, max_bytes: int = MAX_BYTES
) -> LinearKernel:
    """Compute the linear kernel of maps, summed over sets such as contrasts.

    Parameters
    ----------
    sets : sequence of callable
        Read the maps of each set; see ``ReadRows``. All maps are read about ``1.5 + n_rows / n_panel / 2``
        times, where n_panel is the number of maps that `max_bytes` has room for, and once if that is all.
    n_rows : int
        Number of maps of each set.
    with_unscaled : bool
        Sum the products without scales, too, if there are several sets.
    max_bytes : int
        Memory for maps; the kernels come in addition.

    Returns
    -------
    LinearKernel
        The mean diagonal of `values` is the number of sets.

    Examples
    --------
    >>> maps = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    >>> linear_kernel([lambda start, stop: maps[start:stop].copy()], 3).values
    array([[ 1.5,  0. , -1.5],
           [ 0. ,  0. ,  0. ],
           [-1.5,  0. ,  1.5]], dtype=float32)
    """
    values = np.zeros((n_rows, n_rows), np.float32)
    unscaled = np.zeros_like(values) if with_unscaled and len(sets) > 1 else None
    scales, n_voxels = [], 0
    for read in sets:
        n_panel = _panel_rows(read, n_rows, max_bytes)
        source = _Rows(read, n_rows, n_panel)
        moments = source.measure()
        scales.append(moments.scale)
        n_voxels += moments.n_covered
        if moments.scale:
            for rows, columns, products in source.products(moments):
                if unscaled is not None:
                    unscaled[rows, columns] += products
                products *= np.float32(1 / moments.scale)
                values[rows, columns] += products
    for kernel in (values, unscaled):
        if kernel is not None:
            _mirror(kernel)
    return LinearKernel(values, unscaled, tuple(scales), n_voxels)


def _panel_rows(read: ReadRows, n_rows: int, max_bytes: int) -> int:
    """Return the number of maps of a panel; panels are about equally large."""
    row_bytes = read(0, 1).nbytes
    # Of two blocks, one is being read while the other is multiplied.
    n_max = max(1, max_bytes // row_bytes - 2 * min(_BLOCK_ROWS, n_rows))
    n_panels = -(-n_rows // n_max)
    return -(-n_rows // n_panels)


class _Rows:
    """Maps of a set, in panels and blocks."""

    def __init__(self, read: ReadRows, n_rows: int, n_panel: int) -> None:
        self._read = read
        self._n_rows = n_rows
        self._n_panel = n_panel
        # All maps, if they fit into a panel.
        self._all: Floats | None = None

    def measure(self) -> _Moments:
        """Compute the mean map and the scale from all maps, block by block."""
        total: NDArray[np.float64] | float = 0.0
        counts: NDArray[np.int64] | int = 0
        squares = 0.0
        for start, stop in _blocks(0, self._n_rows):
            block = self._read(start, stop)
            if self._n_panel >= self._n_rows:
                if self._all is None:
                    self._all = np.empty((self._n_rows, block.shape[1]), np.float32)
                self._all[start:stop] = block
            is_valid = np.isfinite(block)
            counts = counts + is_valid.sum(axis=0)
            for row, is_valid_row in zip(block, is_valid, strict=True):
                values = np.where(is_valid_row, row, 0).astype(np.float64)
                total = total + values
                squares += float(values @ values)
        counts = np.asarray(counts)
        mean = np.asarray(total) / np.maximum(counts, 1)
        deviation_squares = squares - float(counts @ mean**2)
        if deviation_squares <= _CONSTANT * squares:
            deviation_squares = 0.0
        return _Moments(
            mean.astype(np.float32),
            deviation_squares / self._n_rows,
            int((counts > 0).sum()),
            bool((counts == self._n_rows).all()),
        )

    def products(self, moments: _Moments) -> Iterator[tuple[slice, slice, Floats]]:
        """Yield the products of deviations of the upper triangle: rows, columns, values."""
        for start in range(0, self._n_rows, self._n_panel):
            stop = min(start + self._n_panel, self._n_rows)
            panel = self._panel(start, stop, moments)
            yield slice(start, stop), slice(start, stop), panel @ panel.T
            # A block is read while the panel is multiplied with the block before it.
            for columns, block in prefetch(self._deviations(stop, self._n_rows, moments)):
                yield slice(start, stop), columns, panel @ block.T

    def _panel(self, start: int, stop: int, moments: _Moments) -> Floats:
        if self._all is not None:
            return moments.remove_mean(self._all)
        panel = np.empty((stop - start, len(moments.mean)), np.float32)
        for rows, block in self._deviations(start, stop, moments):
            panel[rows.start - start : rows.stop - start] = block
        return panel

    def _deviations(self, start: int, stop: int, moments: _Moments) -> Iterator[tuple[slice, Floats]]:
        for first, last in _blocks(start, stop):
            yield slice(first, last), moments.remove_mean(self._read(first, last))


def _blocks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    for first in range(start, stop, _BLOCK_ROWS):
        yield first, min(first + _BLOCK_ROWS, stop)


def _mirror(kernel: Floats) -> None:
    """Copy the upper triangle to the lower one, in place and block by block."""
    n_rows = len(kernel)
    for first, last in _blocks(0, n_rows):
        block = kernel[first:last, first:last]
        block[...] = np.triu(block) + np.triu(block, 1).T
        kernel[last:, first:last] = kernel[first:last, last:].T
