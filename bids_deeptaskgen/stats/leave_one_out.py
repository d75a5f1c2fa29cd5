"""Mean over all participants but one, from sums: the maps of the participants are not kept."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


class WeightedMean:
    """Weighted mean of maps, where NaN is no value.

    Parameters
    ----------
    shape : tuple of int
        Shape of the maps.

    Examples
    --------
    >>> mean = WeightedMean((2,))
    >>> mean.add(np.array([1.0, 2.0]), 0.5)
    >>> mean.add(np.array([4.0, np.nan]), 1.0)
    >>> mean.values
    array([3., 2.])
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._total = np.zeros(shape)
        self._weight = np.zeros(shape)

    def add(self, values: Floats, weight: float = 1.0) -> None:
        """Add a map.

        Parameters
        ----------
        values : array of the shape of the maps
        weight : float
        """
        has_value = np.isfinite(values)
        np.add(self._total, values * np.float64(weight), out=self._total, where=has_value)
        np.add(self._weight, weight, out=self._weight, where=has_value)

    @property
    def values(self) -> NDArray[np.float64]:
        """Return the mean; NaN where no map has a value."""
        mean = np.full(self._total.shape, np.nan)
        np.divide(self._total, self._weight, out=mean, where=self._weight > 0)
        return mean


class LeaveOneOutMean:
    """Mean over participants without the maps of one of them.

    Parameters
    ----------
    shape : (int, int)
        Number of contrasts and of voxels.

    Examples
    --------
    >>> maps = np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 10.0]])
    >>> mean = LeaveOneOutMean((1, 2))
    >>> for values in maps:
    ...     mean.add(values[None])
    >>> mean.exclude(0, maps[0])
    array([4., 8.])
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._total = np.zeros(shape)
        self._count = np.zeros(shape, np.int32)
        self._n_participants = np.zeros(shape[0], np.int32)

    def add(self, values: Floats) -> None:
        """Add the maps of a participant.

        Parameters
        ----------
        values : array of shape (n_contrasts, n_voxels)
            NaN where there is no value; a contrast that is NaN in all voxels does not count as a participant.
        """
        has_value = np.isfinite(values)
        np.add(self._total, values, out=self._total, where=has_value)
        self._count += has_value
        self._n_participants += has_value.any(axis=1)

    def exclude(self, contrast: int, values: Floats) -> NDArray[np.float64]:
        """Exclude a participant from the mean of a contrast.

        Parameters
        ----------
        contrast : int
            Row of the contrast.
        values : array of shape (n_voxels,)
            Map that was added for the participant to leave out; NaN in all voxels if none was.

        Returns
        -------
        array of shape (n_voxels,)
            NaN in voxels that at least half of the other participants lack.
        """
        has_value = np.isfinite(values)
        count = self._count[contrast] - has_value
        n_participants = self._n_participants[contrast] - has_value.any()
        total = self._total[contrast] - np.where(has_value, values, 0)
        mean = np.full(len(values), np.nan)
        np.divide(total, count, out=mean, where=count > n_participants / 2)
        return mean
