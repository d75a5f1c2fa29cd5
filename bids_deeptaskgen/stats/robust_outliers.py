"""Outliers by the modified z score, which outliers themselves do not hide."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import median_abs_deviation

Scores = NDArray[np.float64]

# Iglewicz and Hoaglin (1993), How to detect and handle outliers, ASQC Quality Press: modified z scores of a
# magnitude above 3.5 are potential outliers.
OUTLIER_LIMIT = 3.5
# SD of a normal distribution divided by its mean absolute deviation.
_SD_OF_MEAN_DEVIATION = np.sqrt(np.pi / 2)


def robust_z(values: ArrayLike) -> Scores:
    """Compute modified z scores: the distance from the median, divided by 1.4826 times the MAD.

    1.4826 times the median absolute deviation (MAD) is the SD of normal values (Iglewicz and Hoaglin 1993).
    If more than half of the values are equal, the MAD is 0, and the mean absolute deviation times the square
    root of pi / 2 is used, which is also the SD of normal values.

    Parameters
    ----------
    values : array of shape (n_values,)
        Values that are not finite do not count.

    Returns
    -------
    array of shape (n_values,)
        0 if all values are equal; NaN for values that are not finite.

    Examples
    --------
    >>> robust_z([1, 2, 3, 4, 30, np.nan]).round(2)
    array([-1.35, -0.67,  0.  ,  0.67, 18.21,   nan])
    >>> robust_z([10, 10, 10, 10, 100]).round(2)
    array([0.  , 0.  , 0.  , 0.  , 3.99])
    """
    x = np.asarray(values, np.float64)
    z = np.full(x.shape, np.nan)
    is_finite = np.isfinite(x)
    if not is_finite.any():
        return z
    deviations = x[is_finite] - np.median(x[is_finite])
    scale = median_abs_deviation(deviations, scale="normal")
    if scale == 0:
        scale = _SD_OF_MEAN_DEVIATION * np.abs(deviations).mean()
    z[is_finite] = deviations / scale if scale > 0 else 0.0
    return z
