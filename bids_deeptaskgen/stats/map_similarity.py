"""Similarity of maps: Pearson r over voxels of each pair of rows, from one chunk of voxels at a time."""

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Values = NDArray[np.float32]
Flags = NDArray[np.bool_]

# Float64 values of a block in memory (32 MiB).
_BLOCK_VALUES = 2**22
# Share of the sum of squares below which a variance is rounding: float32 has 7 digits, squares have 14.
_FLAT = 1e-12


class SimilarityAccumulator:
    """Accumulator of sums of products, which gives r of each pair over the voxels that both rows have.

    Voxels that all rows have need a single product. The other voxels need the number of common voxels of each
    pair, and for each row the sum and the sum of squares over the voxels of each other row.

    Parameters
    ----------
    n_rows : int
        Number of maps.
    subtract_mean : bool
        Whether to subtract the mean over the rows with a value from each voxel. The deviations of n maps from
        their own mean correlate by -1 / (n - 1) on average if the maps have nothing in common but the mean,
        because they sum to 0.
    """

    def __init__(self, n_rows: int, *, subtract_mean: bool = False) -> None:
        self._subtract_mean = subtract_mean
        # Sums over complete voxels, which are the same for all partners of a row.
        self._n_complete = 0
        self._sum, self._squares = np.zeros((2, n_rows))
        # Sums for each pair: of products, and for row and partner over the voxels of both.
        self._products, self._pair_sum, self._pair_squares, self._pair_count = np.zeros((4, n_rows, n_rows))
        # Sum of squares of the maps as they were, before the mean was subtracted.
        self._power = np.zeros(n_rows)
        self._shift = np.full(n_rows, np.nan)

    def add(self, values: NDArray[np.floating]) -> None:
        """Add a chunk of voxels.

        Parameters
        ----------
        values : array of shape (n_rows, n_voxels)
            0 and values that are not finite are no values.

        Raises
        ------
        ValueError
            If the number of rows differs.
        """
        n_rows, n_voxels = values.shape
        if n_rows != len(self._sum):
            message = f"`values` has {n_rows} rows instead of {len(self._sum)}."
            raise ValueError(message)
        length = max(1, _BLOCK_VALUES // max(n_rows, 1))
        for start in range(0, n_voxels, length):
            # A copy, since the block is changed in place.
            self._add_block(np.array(values[:, start : start + length], np.float64))

    @property
    def n_common(self) -> NDArray[np.intp]:
        """Return the number of voxels that each pair of rows has in common, (n_rows, n_rows)."""
        return (self._pair_count + self._n_complete).astype(np.intp)

    def correlations(self) -> Scores:
        """Compute r of each pair of rows over the voxels that both have.

        Returns
        -------
        array of shape (n_rows, n_rows)
            Pearson r; NaN for pairs with fewer than two common voxels, or if a row is constant over them. The
            diagonal is 1 for rows that are not constant.
        """
        n = self._pair_count + self._n_complete
        total = self._pair_sum + self._sum[:, None]
        squares = n * (self._pair_squares + self._squares[:, None])
        variance = squares - total**2
        smallest = np.maximum(_FLAT * squares, _FLAT**2 * n * self._power[:, None])
        sd = np.sqrt(np.where(variance > smallest, variance, np.nan))
        r: Scores = n * self._products
        r -= total * total.T
        r /= sd
        r /= sd.T
        np.clip(r, -1, 1, out=r)
        np.fill_diagonal(r, np.where(np.isfinite(np.diagonal(r)), 1.0, np.nan))
        return r

    def _add_block(self, values: Scores) -> None:
        has_value = np.isfinite(values) & (values != 0)
        n_values = has_value.sum(axis=0)
        is_complete = n_values == len(values)
        is_partial = (n_values > 0) & ~is_complete
        np.copyto(values, 0, where=~has_value)
        self._power += np.einsum("rv,rv->r", values, values)
        if self._subtract_mean:
            values -= values.sum(axis=0) / np.maximum(n_values, 1)
        self._remove_shift(values, has_value)
        # A slice does not copy the block, a boolean index does.
        complete = values if is_complete.all() else values[:, is_complete]
        self._n_complete += complete.shape[1]
        self._sum += complete.sum(axis=1)
        self._squares += np.einsum("rv,rv->r", complete, complete)
        self._products += complete @ complete.T
        if is_partial.any():
            self._add_partial(values[:, is_partial], has_value[:, is_partial].astype(np.float64))

    def _add_partial(self, values: Scores, has_value: Scores) -> None:
        """Add voxels that some rows lack; values are 0 there."""
        values *= has_value
        self._products += values @ values.T
        self._pair_sum += values @ has_value.T
        self._pair_squares += np.square(values) @ has_value.T
        self._pair_count += has_value @ has_value.T

    def _remove_shift(self, values: Scores, has_value: Flags) -> None:
        """Remove the median of the first values of each row, which avoids cancellation in the variance."""
        for row in np.flatnonzero(np.isnan(self._shift) & has_value.any(axis=1)):
            self._shift[row] = np.median(values[row, has_value[row]])
        values -= np.nan_to_num(self._shift)[:, None]
