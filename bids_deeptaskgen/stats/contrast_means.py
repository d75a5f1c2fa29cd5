"""Means of scores over contrasts, where participants may lack some contrasts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_deeptaskgen.stats.scores import mean

Scores = NDArray[np.float64]


def mean_over_contrasts(scores: ArrayLike) -> float:
    """Average the means of contrasts over participants, so that each contrast counts once.

    Parameters
    ----------
    scores : array of shape (n_contrasts, n_participants)
        NaN where a participant lacks a contrast.

    Returns
    -------
    float
        NaN without a value.

    Examples
    --------
    >>> mean_over_contrasts([[0.1, 0.3], [0.6, np.nan]])
    0.4
    """
    return mean(np.array([mean(row) for row in np.asarray(scores, np.float64)]))


def average_over_contrasts(scores: ArrayLike) -> Scores:
    """Average the scores of each participant over contrasts.

    The mean of a contrast over participants is subtracted first and added back as the mean over all
    contrasts, so that a participant without a difficult contrast does not score higher.

    Parameters
    ----------
    scores : array of shape (n_contrasts, n_participants)
        NaN where a participant lacks a contrast.

    Returns
    -------
    array of shape (n_participants,)
        NaN without a value.

    Examples
    --------
    >>> average_over_contrasts([[0.1, 0.3], [0.6, np.nan]]).round(2)
    array([0.35, 0.5 ])
    """
    values = np.asarray(scores, np.float64)
    deviations = np.array([row - mean(row) for row in values])
    counts = np.isfinite(deviations).sum(axis=0)
    averages: Scores = np.full(values.shape[1], np.nan)
    np.divide(np.nansum(deviations, axis=0), counts, out=averages, where=counts > 0)
    return averages + mean_over_contrasts(values)
