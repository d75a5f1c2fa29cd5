"""Similarity of maps: Pearson r over voxels of pairs of rows, from one chunk of voxels at a time.

With d = x - m, the deviation of a map x from the mean m over rows, the products of maps follow from those of
deviations: x_i x_j = d_i d_j + d_i m + m d_j + m m. So the correlations of maps and those of deviations need
one product of matrices. The reverse, products of deviations from those of maps, loses digits if maps are
alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.stats.deviations import Deviations

Scores = NDArray[np.float64]
Values = NDArray[np.float32]

# Voxels of a product in float32, whose results are summed in float64.
_BLOCK_VOXELS = 4096
# Share of the sum of squares below which a variance is rounding: float32 has 7 digits, squares have 14.
_FLAT = 1e-12


class SimilarityAccumulator:
    """Accumulator of sums of products, which gives r of each pair over the voxels that both maps have.

    Voxels that all maps have are multiplied in float32. The others need, in float64, the number of common
    voxels of each pair, and for each map the sum and the sum of squares over the voxels of each other map.

    Parameters
    ----------
    n_rows : int
        Number of maps.
    n_columns : int, optional
        Number of maps of another session; by default rows are correlated with rows.
    """

    def __init__(self, n_rows: int, n_columns: int | None = None) -> None:
        self._is_square = n_columns is None
        n_columns = n_rows if n_columns is None else n_columns
        self._count = np.zeros((n_rows, n_columns))
        self._maps, self._deviations = (_Sums.of_shape(n_rows, n_columns) for _ in range(2))
        self._row_origin, self._column_origin = _Origin(n_rows), _Origin(n_columns)

    def add(self, rows: Deviations, columns: Deviations | None = None) -> None:
        """Add a chunk of voxels.

        Parameters
        ----------
        rows : Deviations
            Of shape (n_rows, n_voxels).
        columns : Deviations, optional
            Of shape (n_columns, n_voxels), if there are columns; their mean is subtracted separately.

        Raises
        ------
        ValueError
            If the number of rows or columns differs.
        """
        self._check(rows, columns)
        self._row_origin.add(rows)
        if columns is not None:
            self._column_origin.add(columns)
        is_complete = rows.is_complete if columns is None else rows.is_complete & columns.is_complete
        for voxels, add in ((is_complete, self._add_complete), (~is_complete, self._add_partial)):
            for block in _blocks(voxels):
                x = self._row_origin.part(rows, block)
                add(x, x if columns is None else self._column_origin.part(columns, block))

    @property
    def n_common(self) -> NDArray[np.intp]:
        """Return the number of voxels that each row has in common with each column, (n_rows, n_columns)."""
        return self._count.astype(np.intp)

    def correlations(self) -> Scores:
        """Compute r of each row with each column over the voxels that both have.

        Returns
        -------
        array of shape (n_rows, n_columns)
            Pearson r; NaN for pairs with fewer than two common voxels, or if a map is constant over them. Of
            rows with rows, the diagonal is 1 for rows that are not constant.
        """
        return self._correlate(self._maps)

    def deviation_correlations(self) -> Scores:
        """Compute r of deviations from the mean over rows, and from that over columns.

        The deviations of n maps from their own mean correlate by -1 / (n - 1) on average if the maps have
        nothing in common but the mean, because they sum to 0.

        Returns
        -------
        array of shape (n_rows, n_columns)
            See `correlations`.
        """
        return self._correlate(self._deviations)

    def _check(self, rows: Deviations, columns: Deviations | None) -> None:
        shape = (len(rows.values), len(rows.values if columns is None else columns.values))
        if shape != self._count.shape or self._is_square != (columns is None):
            message = f"The chunk has {shape} maps instead of {self._count.shape}."
            raise ValueError(message)

    def _add_complete(self, x: "_Part", y: "_Part") -> None:
        """Add voxels that all maps have."""
        self._count += x.values.shape[1]
        products = x.values @ (x if self._is_square else y).values.T
        self._deviations.add(products)
        self._deviations.add_marginals(x.values, y.values)
        row_terms, column_terms = x.values @ y.mean, y.values @ x.mean
        self._maps.add(products, row_terms[:, None], column_terms, np.vdot(x.mean, y.mean))
        maps_x = x.values + x.mean
        self._maps.add_marginals(maps_x, maps_x if y is x else y.values + y.mean)

    def _add_partial(self, x: "_Part", y: "_Part") -> None:
        """Add voxels that some maps lack; deviations are 0 there."""
        has_x, has_y = x.has_value.astype(np.float64), y.has_value.astype(np.float64)
        self._count += has_x @ has_y.T
        for sums, with_mean in ((self._deviations, False), (self._maps, True)):
            values_x, values_y = x.present_values(with_mean=with_mean), y.present_values(with_mean=with_mean)
            sums.add(values_x @ (values_x if self._is_square else values_y).T)
            sums.row_sum += values_x @ has_y.T
            sums.row_squares += np.square(values_x) @ has_y.T
            if not self._is_square:
                sums.column_sum += has_x @ values_y.T
                sums.column_squares += has_x @ np.square(values_y).T

    def _correlate(self, sums: "_Sums") -> Scores:
        n = self._count
        row_sd = _sd(n, sums.row_sum, sums.row_squares, self._row_origin.rounding[:, None])
        if self._is_square:
            column_sum, column_sd = sums.row_sum.T, row_sd.T
        else:
            column_sum = sums.column_sum
            column_sd = _sd(n, column_sum, sums.column_squares, self._column_origin.rounding)
        r: Scores = n * sums.products
        r -= sums.row_sum * column_sum
        r /= row_sd
        r /= column_sd
        np.clip(r, -1, 1, out=r)
        if self._is_square:
            np.fill_diagonal(r, np.where(np.isfinite(np.diagonal(r)), 1.0, np.nan))
        return r


def _blocks(is_used: NDArray[np.bool_]) -> Iterator[slice | NDArray[np.intp]]:
    """Split voxels into blocks for a product."""
    voxels = np.flatnonzero(is_used)
    for start in range(0, len(voxels), _BLOCK_VOXELS):
        # A slice does not copy the chunk.
        block = slice(start, start + _BLOCK_VOXELS)
        yield block if len(voxels) == len(is_used) else voxels[block]


def _sd(n: Scores, total: Scores, squares: Scores, rounding: Scores) -> Scores:
    """Compute n times the standard deviation; NaN where it is rounding."""
    variance = n * squares - total**2
    smallest = np.maximum(_FLAT * n * squares, n**2 * rounding)
    return np.asarray(np.sqrt(np.where(variance > smallest, variance, np.nan)))


@dataclass
class _Sums:
    """Sums over the common voxels of rows and columns, arrays of shape (n_rows, n_columns)."""

    products: Scores
    row_sum: Scores
    row_squares: Scores
    column_sum: Scores
    column_squares: Scores

    @classmethod
    def of_shape(cls, n_rows: int, n_columns: int) -> "_Sums":
        return cls(*np.zeros((5, n_rows, n_columns)))

    def add(self, *products: NDArray[np.floating] | np.floating) -> None:
        """Add products, arrays that fit the shape."""
        for values in products:
            self.products += values

    def add_marginals(self, x: Values, y: Values) -> None:
        """Add sums over voxels that all maps have."""
        self.row_sum += x.sum(axis=1, dtype=np.float64)[:, None]
        self.row_squares += np.square(x).sum(axis=1, dtype=np.float64)[:, None]
        if y is not x:
            self.column_sum += y.sum(axis=1, dtype=np.float64)
            self.column_squares += np.square(y).sum(axis=1, dtype=np.float64)


@dataclass(frozen=True)
class _Part:
    """Some voxels of a chunk: deviations minus a number per row, and means minus a number."""

    values: Values
    mean: Values
    has_value: NDArray[np.bool_]

    def present_values(self, *, with_mean: bool) -> Scores:
        """Return deviations, or maps, in float64; 0 where there is no value."""
        values = self.values.astype(np.float64)
        if with_mean:
            values += self.mean
        return values * self.has_value


class _Origin:
    """Numbers that are subtracted from all values of a row, which avoids cancellation in variances.

    Parameters
    ----------
    n_rows : int
    """

    def __init__(self, n_rows: int) -> None:
        self._of_rows = np.full(n_rows, np.nan)
        self._of_mean = 0.0
        self._power, self._n_voxels = 0.0, 0

    @property
    def rounding(self) -> Scores:
        """Return the variance of the rounding of maps and deviations in float32, (n_rows,)."""
        return np.asarray(_FLAT * (self._power / max(self._n_voxels, 1) + np.nan_to_num(self._of_rows) ** 2))

    def add(self, deviations: Deviations) -> None:
        """Choose the numbers of rows that have values for the first time, and add to the rounding."""
        n_values = np.count_nonzero(deviations.has_value, axis=1)
        is_new = np.isnan(self._of_rows) & (n_values > 0)
        if is_new.any():
            if np.isnan(self._of_rows).all():
                self._of_mean = float(deviations.mean[deviations.count > 0].mean())
            self._of_rows[is_new] = deviations.values[is_new].sum(axis=1, dtype=np.float64) / n_values[is_new]
        self._n_voxels += len(deviations.mean)
        self._power += float(np.square(deviations.mean).sum())

    def part(self, deviations: Deviations, voxels: slice | NDArray[np.intp]) -> _Part:
        """Select voxels of a chunk."""
        rows = np.nan_to_num(self._of_rows).astype(np.float32)
        values = deviations.values[:, voxels].astype(np.float32, copy=False) - rows[:, None]
        mean = deviations.origin[voxels].astype(np.float64) - self._of_mean
        return _Part(values, mean.astype(np.float32), deviations.has_value[:, voxels])
