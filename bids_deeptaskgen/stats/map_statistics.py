"""Mean, standard deviation and count over maps; values that are 0 or not finite do not count.

Maps are 0 outside their mask.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.stats.deviations import deviations_from_mean

Floats = NDArray[np.floating]


def average(maps: Sequence[Floats]) -> Floats:
    """Average the runs of a session, or the sessions of a participant.

    Parameters
    ----------
    maps : sequence of arrays of one shape
        At least one map.

    Returns
    -------
    array of the same shape
        At each voxel the mean over the maps with a value; 0 where none has. Float64 for several maps.

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
    if not maps:
        message = "Cannot average 0 maps; `maps` must hold at least one map."
        raise ValueError(message)
    if len(maps) == 1:
        return np.where(np.isfinite(maps[0]), maps[0], 0)
    total, count = np.zeros(maps[0].shape), np.zeros(maps[0].shape, np.intp)
    for values in maps:
        has_value = np.isfinite(values) & (values != 0)
        total += np.where(has_value, values, 0)
        count += has_value
    return np.asarray(total / np.maximum(count, 1))


def mean_sd_count(values: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
    """Compute mean, standard deviation and count over participants.

    Parameters
    ----------
    values : array of shape (n_participants, n_voxels)

    Returns
    -------
    mean, sd : array of shape (n_voxels,)
        0 in voxels without values; the standard deviation (ddof 1) is 0 with fewer than two values.
    count : int32 array of shape (n_voxels,)
        Participants with a value.

    Examples
    --------
    >>> mean, sd, count = mean_sd_count(np.array([[1.0, 2.0], [3.0, 0.0]]))
    >>> mean, sd.round(3), count
    (array([2., 2.]), array([1.414, 0.   ]), array([2, 1], dtype=int32))
    """
    deviations = deviations_from_mean(values)
    return deviations.mean, deviations.sd, deviations.count
