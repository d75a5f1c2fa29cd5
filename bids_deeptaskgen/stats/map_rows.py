"""Access to maps as blocks of rows, and the check whether a map can be scored."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.floating]
Scores = NDArray[np.float64]


class Rows(Protocol):
    """Interface of an object that computes rows of maps when it is indexed."""

    @property
    def ndim(self) -> int:
        """Return the number of axes: 2."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (n_participants, n_voxels)."""

    def __getitem__(self, rows: slice, /) -> Any: ...


_BLOCK = 64
# A map whose range is below this share of its largest absolute value is constant but for rounding.
_FLAT = 1e-9


class LeaveOneOut:
    """Leave-one-out averages: each row is the mean of all other rows.

    They serve as the group average if there are no maps of further participants.

    Parameters
    ----------
    maps : array of shape (n_participants, n_voxels)
        Rows that are not finite are ignored.
    """

    ndim = 2

    def __init__(self, maps: Maps) -> None:
        self._maps = maps
        self._total, self._n = np.zeros(maps.shape[1]), 0
        for row in maps:
            if np.isfinite(row).all():
                self._total += row
                self._n += 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the maps."""
        return self._maps.shape

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        if self._n < 2:
            return np.full(np.shape(self._maps[rows]), np.nan)
        averages: NDArray[np.float64] = (self._total - self._maps[rows]) / (self._n - 1)
        return averages

    def without_pairs(self, rows: slice, second_rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Average all rows but two.

        Parameters
        ----------
        rows : slice
            First row of each pair.
        second_rows : integer array of shape (n_selected,)
            Second row of each pair; not the first one.

        Returns
        -------
        array of shape (n_selected, n_voxels)
            NaN if a row of the pair is not finite, or there is no third row.

        Examples
        --------
        >>> LeaveOneOut(np.array([[1.0], [2.0], [3.0], [4.0]])).without_pairs(slice(0, 2), np.array([3, 2]))
        array([[2.5],
               [2.5]])
        """
        if self._n < 3:
            return np.full(np.shape(self._maps[rows]), np.nan)
        averages = self[rows] * (self._n - 1)
        averages -= self._maps[second_rows]
        averages /= self._n - 2
        return averages


def has_variance(maps: Maps) -> NDArray[np.bool_]:
    """Return whether each map is finite and not constant.

    Parameters
    ----------
    maps : array of shape (n_participants, n_voxels)
        Maps.

    Returns
    -------
    boolean array of shape (n_participants,)

    Examples
    --------
    >>> has_variance(np.array([[1.0, 2], [2, 2], [1, np.nan]]))
    array([ True, False, False])
    """
    is_valid = np.zeros(len(maps), bool)
    for rows in row_blocks(len(maps)):
        block = np.asarray(maps[rows], np.float64)
        with np.errstate(invalid="ignore"):
            is_valid[rows] = np.ptp(block, axis=1) > _FLAT * np.abs(block).max(axis=1)
            is_valid[rows] &= np.isfinite(block).all(axis=1)
    return is_valid


def select_rows(maps: Maps | Rows, rows: slice) -> Maps:
    """Return rows of maps, or the single map that holds for all rows.

    Parameters
    ----------
    maps : array of shape (n_participants, n_voxels) or (n_voxels,), or Rows
        One map per participant, or one map for all.
    rows : slice
        Rows to return.

    Returns
    -------
    array of shape (n_selected, n_voxels) or (n_voxels,)
    """
    return np.asarray(maps[rows] if maps.ndim == 2 else maps)


def unit_rows(maps: Maps) -> Scores:
    """Normalise rows to mean 0 and length 1, so that their products are correlations.

    Parameters
    ----------
    maps : array of shape (n_participants, n_voxels)
        Finite maps that are not constant.

    Returns
    -------
    array of shape (n_participants, n_voxels)
        In float64.

    Examples
    --------
    >>> unit_rows(np.array([[0.0, 0, 3, 3]]))
    array([[-0.5, -0.5,  0.5,  0.5]])
    """
    deviations = np.asarray(maps, np.float64) - np.mean(maps, axis=1, keepdims=True, dtype=np.float64)
    deviations /= np.sqrt(np.einsum("pv,pv->p", deviations, deviations))[:, None]
    return deviations


def row_blocks(n_rows: int) -> Iterator[slice]:
    """Yield slices of rows, small enough for the memory.

    Parameters
    ----------
    n_rows : int
        Number of rows of the array.

    Yields
    ------
    slice
        Consecutive slices, which together contain all rows.
    """
    for start in range(0, n_rows, _BLOCK):
        yield slice(start, min(start + _BLOCK, n_rows))
