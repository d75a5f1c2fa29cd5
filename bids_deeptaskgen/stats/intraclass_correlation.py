"""Intraclass correlation: reliability of a measure between sessions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import f as f_distribution

Scores = NDArray[np.float64]

# Sums of squares below this share of the sum of squared values are rounding.
_ROUNDING = 1e-24


@dataclass(frozen=True)
class Reliability:
    """Intraclass correlation of each column, and its interval; NaN for columns of equal values.

    Attributes
    ----------
    icc, lower_bound, upper_bound : array of shape (n_columns,)
        Maximum 1, minimum -1 / (n_sessions - 1).
    """

    icc: Scores
    lower_bound: Scores
    upper_bound: Scores


def icc_3_1(values: ArrayLike, level: float = 0.95) -> Reliability:
    """Compute ICC(3,1) and its interval (Shrout and Fleiss 1979, Psychol Bull 86:420).

    It is the consistency of single sessions, which a difference of the means of sessions does not change. The
    interval assumes normal values.

    Parameters
    ----------
    values : array of shape (n_participants, n_sessions, n_columns)
        For example means of maps in ROIs, of participants with all sessions.
    level : float
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Reliability

    Raises
    ------
    ValueError
        If there are fewer than two participants or sessions, or values that are not finite.

    Examples
    --------
    >>> sessions = np.array([[[1.0], [2.0]], [[3.0], [3.0]], [[5.0], [7.0]]])
    >>> icc_3_1(sessions).icc.round(3)
    array([0.909])
    """
    x = np.asarray(values, np.float64)
    if x.ndim != 3 or min(x.shape[:2]) < 2:
        message = f"`values` has the shape {x.shape}; two or more participants and sessions are required."
        raise ValueError(message)
    if not np.isfinite(x).all():
        message = "`values` has values that are not finite; exclude participants without all sessions."
        raise ValueError(message)
    n, k, _ = x.shape
    participants, error = _sums_of_squares(x)
    freedom = n - 1, (n - 1) * (k - 1)
    quantile = (1 + level) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (participants / freedom[0]) / (error / freedom[1])
    lower = ratio / f_distribution.ppf(quantile, *freedom)
    upper = ratio * f_distribution.ppf(quantile, *reversed(freedom))
    return Reliability(_icc_of_f(ratio, k), _icc_of_f(lower, k), _icc_of_f(upper, k))


def _sums_of_squares(x: Scores) -> tuple[Scores, Scores]:
    """Return the sums of squares between participants and of the error, (n_columns,)."""
    deviations = x - x.mean(axis=(0, 1))
    means = deviations.mean(axis=1, keepdims=True)
    rest = deviations - means - deviations.mean(axis=0)
    participants, error = x.shape[1] * (means**2).sum(axis=(0, 1)), (rest**2).sum(axis=(0, 1))
    smallest = _ROUNDING * (x**2).sum(axis=(0, 1))
    return np.where(participants > smallest, participants, 0), np.where(error > smallest, error, 0)


def _icc_of_f(ratio: Scores, n_sessions: int) -> Scores:
    """Return (F - 1) / (F + k - 1), 1 if F is infinite."""
    with np.errstate(invalid="ignore"):
        icc: Scores = np.where(np.isposinf(ratio), 1.0, (ratio - 1) / (ratio + n_sessions - 1))
    return icc
