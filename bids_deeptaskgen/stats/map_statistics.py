"""Mean, standard deviation and count over participants, from one map at a time."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float64]


class MapStatistics:
    """Running mean and standard deviation of maps at each voxel, in constant memory.

    A value counts if it is finite and not 0, because maps are 0 outside their mask.

    Parameters
    ----------
    shape : tuple of int
        Shape of each map.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._count = np.zeros(shape, np.int32)
        self._mean = np.zeros(shape)
        self._squares = np.zeros(shape)

    def add(self, values: NDArray[np.floating]) -> None:
        """Add a map.

        Parameters
        ----------
        values : array of the shape of `MapStatistics`
            Values that are 0 or not finite do not count.
        """
        has_value = np.isfinite(values) & (values != 0)
        self._count += has_value
        # Welford's recurrence avoids cancellation if maps are alike.
        step = np.where(has_value, values - self._mean, 0.0)
        self._mean += step / np.maximum(self._count, 1)
        self._squares += step * np.where(has_value, values - self._mean, 0.0)

    @property
    def count(self) -> NDArray[np.int32]:
        """Return the number of maps with a value at each voxel."""
        return self._count

    @property
    def mean(self) -> Volume:
        """Return the mean over maps; 0 in voxels without values."""
        return self._mean

    @property
    def sd(self) -> Volume:
        """Return the standard deviation over maps (ddof 1); 0 in voxels with fewer than two values."""
        spread: Volume = np.sqrt(self._squares / np.maximum(self._count - 1, 1))
        return spread


def average(maps: Iterable[NDArray[np.floating]]) -> Volume:
    """Average the sessions of a participant, at each voxel over the sessions with a value.

    Parameters
    ----------
    maps : iterable of arrays of one shape
        At least one map.

    Returns
    -------
    array of the same shape

    Raises
    ------
    ValueError
        If there is no map.

    Examples
    --------
    Zeros are outside the mask and do not count.

    >>> average([np.array([1.0, 2.0]), np.array([3.0, 0.0])])
    array([2., 2.])
    """
    statistics: MapStatistics | None = None
    for values in maps:
        if statistics is None:
            statistics = MapStatistics(values.shape)
        statistics.add(values)
    if statistics is None:
        message = "Cannot average 0 maps; `maps` must hold at least one map."
        raise ValueError(message)
    return statistics.mean
