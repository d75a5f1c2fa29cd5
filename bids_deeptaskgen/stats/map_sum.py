"""Sum of measured maps over participants, for means with and without some of them."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


class MapSum:
    """Sum of measured maps over participants, and the number of participants with a value in each voxel.

    Parameters
    ----------
    shape : (int, int)
        Number of contrasts and of voxels.

    Examples
    --------
    >>> everyone, family = MapSum((1, 3)), MapSum((1, 3))
    >>> for values in ([1.0, 2, 3], [3.0, 4, 5], [5.0, np.nan, 1]):
    ...     everyone.add(np.array([values]))
    >>> family.add(np.array([[5.0, np.nan, 1]]))
    >>> everyone.mean(), everyone.mean(without=family)
    (array([[3., 3., 3.]], dtype=float32), array([[2., 3., 4.]], dtype=float32))
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._total = np.zeros(shape)
        self._count = np.zeros(shape, np.int32)

    @property
    def n_contrasts(self) -> int:
        """Return the number of contrasts."""
        return len(self._total)

    def add(self, maps: Floats) -> None:
        """Add the maps of a participant.

        Parameters
        ----------
        maps : array of shape (n_contrasts, n_voxels)
            Values that are not finite are ignored.
        """
        has_value = np.isfinite(maps)
        np.add(self._total, maps, out=self._total, where=has_value)
        self._count += has_value

    def mean(self, without: "MapSum | None" = None) -> NDArray[np.float32]:
        """Return the mean over participants, (n_contrasts, n_voxels); 0 in voxels without any value.

        Parameters
        ----------
        without : MapSum, optional
            Sum over some of the participants, who are left out.
        """
        total, count = self._total, self._count
        if without is not None:
            total, count = total - without._total, count - without._count
        means = np.zeros(total.shape, np.float32)
        np.divide(total, count, out=means, where=count > 0, casting="same_kind")
        return means
