"""Mean, spread and count over people, one map at a time."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float64]


class MapStatistics:
    """Running mean and spread of maps, voxel by voxel, in memory that does not grow with their number.

    A voxel of a map counts where it is finite and not 0: maps are 0 outside their mask.

    Parameters
    ----------
    shape : tuple of int
        Of each map.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._count = np.zeros(shape, np.int32)
        self._mean = np.zeros(shape)
        self._squares = np.zeros(shape)

    def add(self, values: NDArray[np.floating]) -> None:
        """Take in the map of another person, an array of the shape that was given."""
        present = np.isfinite(values) & (values != 0)
        self._count += present
        # Welford's recurrence: no cancellation, however alike people are.
        step = np.where(present, values - self._mean, 0.0)
        self._mean += step / np.maximum(self._count, 1)
        self._squares += step * np.where(present, values - self._mean, 0.0)

    @property
    def count(self) -> NDArray[np.int32]:
        """Number of people at each voxel."""
        return self._count

    @property
    def mean(self) -> Volume:
        """Mean over people; 0 where there is nobody."""
        return self._mean

    @property
    def sd(self) -> Volume:
        """Standard deviation over people (n - 1); 0 where there are fewer than two."""
        spread: Volume = np.sqrt(self._squares / np.maximum(self._count - 1, 1))
        return spread


def average(maps: Iterable[NDArray[np.floating]]) -> Volume:
    """Average the sessions of a person, over those in which a voxel has a value.

    Parameters
    ----------
    maps : iterable of arrays of one shape
        At least one.

    Returns
    -------
    array of that shape
    """
    statistics: MapStatistics | None = None
    for values in maps:
        if statistics is None:
            statistics = MapStatistics(values.shape)
        statistics.add(values)
    if statistics is None:
        message = "There is no map to average."
        raise ValueError(message)
    return statistics.mean
