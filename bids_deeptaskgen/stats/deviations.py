"""Deviations of maps from their mean over rows, which many statistics have in common."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Deviations:
    """Maps minus their mean over rows, at some voxels.

    Attributes
    ----------
    values : array of shape (n_rows, n_voxels)
        Maps minus `origin`; 0 where a row has no value.
    origin : array of shape (n_voxels,)
        Mean over the rows with a value, rounded to the type of the maps.
    mean : float64 array of shape (n_voxels,)
        The same mean, not rounded; 0 without any value.
    squares : float64 array of shape (n_voxels,)
        Sum of squared deviations.
    count : int32 array of shape (n_voxels,)
        Rows with a value.
    has_value : boolean array of shape (n_rows, n_voxels)
    is_complete : boolean array of shape (n_voxels,)
        Whether all rows have a value.
    """

    values: Floats
    origin: Floats
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]
    count: NDArray[np.int32]
    has_value: Flags
    is_complete: Flags

    @property
    def sd(self) -> NDArray[np.float64]:
        """Return the standard deviation over rows (ddof 1), 0 with fewer than two values."""
        return np.asarray(np.sqrt(self.squares / np.maximum(self.count - 1, 1)))


def deviations_from_mean(values: Floats, *, is_zero_missing: bool = True) -> Deviations:
    """Compute the deviations of maps from their mean over rows.

    Parameters
    ----------
    values : array of shape (n_rows, n_voxels)
        Values that are not finite do not count. The array is not changed.
    is_zero_missing : bool
        Whether 0 is no value, as in maps, which are 0 outside their mask.

    Returns
    -------
    Deviations
        Of the type of `values`.

    Examples
    --------
    >>> deviations = deviations_from_mean(np.array([[1.0, 2.0], [3.0, 0.0]]))
    >>> deviations.mean, deviations.is_complete
    (array([2., 2.]), array([ True, False]))
    >>> deviations.values[:, 0]
    array([-1.,  1.])
    """
    has_value = np.isfinite(values)
    if is_zero_missing:
        has_value &= values != 0
    is_complete = np.asarray(has_value.all(axis=0))
    count = np.full(len(is_complete), len(values), np.int32)
    count[~is_complete] = np.count_nonzero(has_value[:, ~is_complete], axis=0)
    usable = values if is_complete.all() else np.where(has_value, values, values.dtype.type(0))
    n_values = np.maximum(count, 1)
    # Two passes avoid cancellation if maps are alike.
    mean = usable.sum(axis=0, dtype=np.float64) / n_values
    origin = mean.astype(values.dtype)
    deviations = usable - origin
    if usable is not values:
        deviations *= has_value
    rest = deviations.sum(axis=0, dtype=np.float64)
    squares = np.square(deviations).sum(axis=0, dtype=np.float64) - rest**2 / n_values
    return Deviations(deviations, origin, mean, np.maximum(squares, 0), count, has_value, is_complete)
