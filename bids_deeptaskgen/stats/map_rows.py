"""Rows of maps, taken a block at a time, and which of them can be scored."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.floating]
Scores = NDArray[np.float64]


class Rows(Protocol):
    """What gives rows of maps when it is indexed, though it does not hold them."""

    @property
    def ndim(self) -> int:
        """Number of axes: 2."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_people, n_voxels)."""

    def __getitem__(self, rows: slice, /) -> Any: ...


_BLOCK = 64
# Rows whose values differ by less than this part of their size are constant but for rounding.
_FLAT = 1e-9


class LeaveOneOut:
    """Rows that are each the mean of all the others: the group average where there are no other people.

    Parameters
    ----------
    maps : array of shape (n_people, n_voxels)
        Rows that are not finite take no part.
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
        """That of the maps."""
        return self._maps.shape

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        if self._n < 2:
            return np.full(np.shape(self._maps[rows]), np.nan)
        others: NDArray[np.float64] = (self._total - self._maps[rows]) / (self._n - 1)
        return others


def has_variance(maps: Maps) -> NDArray[np.bool_]:
    """Tell whose maps are finite and vary over voxels: (n_people, n_voxels) to (n_people,)."""
    fine = np.zeros(len(maps), bool)
    for rows in row_blocks(len(maps)):
        block = np.asarray(maps[rows], np.float64)
        with np.errstate(invalid="ignore"):
            fine[rows] = np.ptp(block, axis=1) > _FLAT * np.abs(block).max(axis=1)
            fine[rows] &= np.isfinite(block).all(axis=1)
    return fine


def select_rows(maps: Maps | Rows, rows: slice) -> Maps:
    """Take rows of maps, or the one map that is for all."""
    return np.asarray(maps[rows] if maps.ndim == 2 else maps)


def unit_rows(maps: Maps) -> Scores:
    """Give rows mean 0 and length 1, such that their products are correlations."""
    centred = np.asarray(maps, np.float64) - np.mean(maps, axis=1, keepdims=True, dtype=np.float64)
    centred /= np.sqrt(np.einsum("pv,pv->p", centred, centred))[:, None]
    return centred


def row_blocks(n_rows: int) -> Iterator[slice]:
    """Yield slices of rows that are small enough to be computed at a time."""
    for start in range(0, n_rows, _BLOCK):
        yield slice(start, min(start + _BLOCK, n_rows))
