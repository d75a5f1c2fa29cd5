"""Correlation over participants of a number with maps, from one map at a time."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

Scores = NDArray[np.float64]

# r of two participants is 1 or -1 by construction.
MIN_PARTICIPANTS = 3


class RunningCorrelation:
    """Running Pearson r of one number per participant with maps at each voxel, in constant memory.

    Parameters
    ----------
    shape : tuple of int
        Shape of each map.
    is_zero_missing : bool
        Whether 0 is no value, as in maps, which are 0 outside their mask. Values that are not finite never
        count.
    """

    def __init__(self, shape: tuple[int, ...], *, is_zero_missing: bool = True) -> None:
        self._is_zero_missing = is_zero_missing
        self._shape, n_voxels = shape, int(np.prod(shape))
        self._count = np.zeros(n_voxels, np.int32)
        self._mean_x, self._mean_y, self._xx, self._yy, self._xy = np.zeros((5, n_voxels))

    @property
    def count(self) -> NDArray[np.int32]:
        """Return the number of participants with a value at each voxel."""
        return self._count.reshape(self._shape)

    @property
    def r(self) -> Scores:
        """Return Pearson r at each voxel.

        It is NaN in voxels with fewer than three participants, or where their numbers or values are equal.
        """
        r = np.full(self._count.shape, np.nan)
        scale = np.sqrt(self._xx) * np.sqrt(self._yy)
        np.divide(self._xy, scale, out=r, where=(scale > 0) & (self._count >= MIN_PARTICIPANTS))
        np.clip(r, -1, 1, out=r)
        return r.reshape(self._shape)

    def add(self, number: float, values: NDArray[np.floating]) -> None:
        """Add a participant.

        Parameters
        ----------
        number : float
            For example mean FD in mm.
        values : array of the shape of `RunningCorrelation`
            Map of the participant.

        Raises
        ------
        ValueError
            If the number is not finite.
        """
        if not np.isfinite(number):
            message = f"`number` is {number}; participants without a finite number cannot be correlated."
            raise ValueError(message)
        flat = np.asarray(values).ravel()
        has_value = np.isfinite(flat)
        if self._is_zero_missing:
            has_value &= flat != 0
        # A slice does not copy the sums.
        voxels = slice(None) if has_value.all() else np.flatnonzero(has_value)
        self._count[voxels] += 1
        # Welford's recurrence avoids cancellation if values are alike.
        weight = 1 / self._count[voxels]
        step_x, step_y = number - self._mean_x[voxels], flat[voxels] - self._mean_y[voxels]
        self._mean_x[voxels] += weight * step_x
        self._mean_y[voxels] += weight * step_y
        rest_x, rest_y = (1 - weight) * step_x, (1 - weight) * step_y
        self._xx[voxels] += step_x * rest_x
        self._yy[voxels] += step_y * rest_y
        self._xy[voxels] += step_x * rest_y


def p_of_r(r: ArrayLike, count: ArrayLike) -> Scores:
    """Compute two-sided p values of Pearson correlations (t distribution with n - 2 degrees of freedom).

    Parameters
    ----------
    r : array
    count : array of a shape that fits
        Number n of pairs of each r.

    Returns
    -------
    array
        NaN where r is NaN, or where there are fewer than three pairs.

    Examples
    --------
    >>> p_of_r([0.5, 1.0, np.nan], 10).round(3)
    array([0.141, 0.   ,   nan])
    """
    r, freedom = np.broadcast_arrays(np.asarray(r, np.float64), np.asarray(count, np.float64) - 2)
    p = np.full(r.shape, np.nan)
    is_test = np.isfinite(r) & (freedom >= 1)
    with np.errstate(divide="ignore"):
        t = np.abs(r[is_test]) * np.sqrt(freedom[is_test] / (1 - r[is_test] ** 2))
    p[is_test] = 2 * stdtr(freedom[is_test], -t)
    return p
