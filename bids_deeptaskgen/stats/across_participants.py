"""Correlation over participants of measured and predicted values, at each voxel or ROI.

The correlation over voxels asks whether a map has the right pattern. The correlation over participants asks
whether the predicted differences between participants are right at a place. A map that is the same for all
participants has none.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_deeptaskgen.stats.map_rows import Maps

Scores = NDArray[np.float64]

# With fewer participants, r without any information has an SD above 0.5.
MIN_PARTICIPANTS = 5
# Rows and columns of the blocks of float64 in memory; a block stays in the cache.
_N_ROWS, _N_COLUMNS = 64, 4096
# An SD below this share of the mean is rounding of float32.
_FLAT = 4 * float(np.finfo(np.float32).eps)
# Two-sided 95% point of the normal distribution.
_Z_95 = 1.959964


def correlate_across_participants(
    measured: Maps, predicted: Maps, participants: NDArray[np.intp] | None = None
) -> Scores:
    """Correlate measured with predicted values over participants, in each column.

    Parameters
    ----------
    measured : array of shape (n_participants, n_columns)
        Measured values at voxels or ROIs. May be a memory map: each row is read once, in blocks.
    predicted : array of shape (n_participants, n_columns)
        Predicted values.
    participants : integer array of shape (n_used,), optional
        Rows to use; by default those that are finite in both arrays.

    Returns
    -------
    array of shape (n_columns,)
        Pearson r; NaN where the measured or predicted values do not differ between participants, and
        everywhere if there are fewer than ``MIN_PARTICIPANTS`` participants.

    Examples
    --------
    >>> measured = np.array([[1.0, 1], [2, 1], [3, 1], [4, 1], [5, 1]])
    >>> correlate_across_participants(measured, 2 * measured[::-1])
    array([-1., nan])
    """
    rows = finite_rows(measured, predicted) if participants is None else participants
    n, n_columns = len(rows), measured.shape[1]
    if n < MIN_PARTICIPANTS:
        return np.full(n_columns, np.nan)
    # Deviations from the first row keep the digits that sums of squares of the values would lose.
    first = [np.asarray(maps[rows[0]], np.float64) for maps in (measured, predicted)]
    sums = np.zeros((5, n_columns))
    for start in range(0, n, _N_ROWS):
        block = rows[start : start + _N_ROWS]
        x_block, y_block = measured[block], predicted[block]
        for first_column in range(0, n_columns, _N_COLUMNS):
            columns = slice(first_column, first_column + _N_COLUMNS)
            x, y = x_block[:, columns] - first[0][columns], y_block[:, columns] - first[1][columns]
            sums[0, columns] += x.sum(axis=0)
            sums[1, columns] += y.sum(axis=0)
            for total, (a, b) in zip(sums[2:], ((x, x), (y, y), (x, y)), strict=True):
                total[columns] += np.einsum("pv,pv->v", a, b)
    x_sum, y_sum, xx, yy, xy = sums
    x_squares, y_squares = xx - x_sum**2 / n, yy - y_sum**2 / n
    floors = [n * (_FLAT * (base + total / n)) ** 2 for base, total in zip(first, sums[:2], strict=True)]
    is_varied = (x_squares > floors[0]) & (y_squares > floors[1])
    r = np.full(n_columns, np.nan)
    squares = np.sqrt(np.where(is_varied, x_squares * y_squares, 1))
    np.divide(xy - x_sum * y_sum / n, squares, out=r, where=is_varied)
    return r.clip(-1, 1)


def finite_rows(first: Maps, second: Maps) -> NDArray[np.intp]:
    """List the rows without a missing value in two arrays.

    Parameters
    ----------
    first, second : array of shape (n_participants, n_columns)

    Returns
    -------
    integer array of shape (n_selected,)

    Examples
    --------
    >>> finite_rows(np.array([[1.0], [np.nan], [2.0]]), np.ones((3, 1)))
    array([0, 2])
    """
    pairs = zip(first, second, strict=True)
    return np.flatnonzero([np.isfinite(x).all() and np.isfinite(y).all() for x, y in pairs])


def chance_sd(n: float) -> float:
    """Compute the standard deviation of a correlation without information, 1 / sqrt(n - 1).

    Parameters
    ----------
    n : float
        Number of unrelated participants, see `effective_families`.

    Returns
    -------
    float
        NaN if n is not above 1.

    Examples
    --------
    >>> chance_sd(101)
    0.1
    """
    return float(1 / np.sqrt(n - 1)) if n > 1 else float("nan")


def effective_families(families: ArrayLike) -> float:
    """Compute the number of unrelated participants that hold as much information as related ones, at least.

    It is Kish's effective sample size for members of a family who do not differ at all: (sum of sizes)^2 /
    sum of squared sizes. For unrelated participants it is their number.

    Parameters
    ----------
    families : array of shape (n_participants,)
        Label of each participant's family.

    Returns
    -------
    float

    Examples
    --------
    >>> effective_families(["a", "b", "c"]), effective_families(["a", "a", "b", "b"])
    (3.0, 2.0)
    """
    sizes = np.unique(np.asarray(families), return_counts=True)[1].astype(float)
    return float(sizes.sum() ** 2 / np.square(sizes).sum()) if sizes.size else 0.0


def fisher_interval(r: ArrayLike, n: float) -> tuple[Scores, Scores]:
    """Compute 95% intervals of correlations from Fisher's z, whose standard error is 1 / sqrt(n - 3).

    Parameters
    ----------
    r : array of any shape
        Pearson correlations; NaN stays NaN.
    n : float
        Number of unrelated participants, see `effective_families`.

    Returns
    -------
    low, high : array of the same shape
        NaN if n is not above 3.

    Examples
    --------
    >>> low, high = fisher_interval([0.0, 0.5], 28)
    >>> low.round(3), high.round(3)
    (array([-0.373,  0.156]), array([0.373, 0.736]))
    """
    values = np.asarray(r, np.float64)
    if n <= 3:
        return np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    with np.errstate(divide="ignore"):
        z = np.arctanh(values)
    half = _Z_95 / np.sqrt(n - 3)
    return np.tanh(z - half), np.tanh(z + half)
