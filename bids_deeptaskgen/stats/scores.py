"""Correlations of predicted with measured maps of one contrast, for each participant.

Maps are rows of an array, or of an object that returns rows when it is indexed, such as a memory map. Only a
block of rows is read at a time. Scores are NaN for participants with a map that is constant or not finite.
"""

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.stats.map_rows import (
    LeaveOneOut,
    Maps,
    Rows,
    Scores,
    has_variance,
    row_blocks,
    select_rows,
    unit_rows,
)

# Number of pairs of a participant with another one's prediction that estimate residual r by chance.
N_OTHER_PAIRS = 150


def correlations(measured: Maps, predicted: Maps | Rows) -> Scores:
    """Correlate each participant's measured map with the prediction (reconstruction r).

    Parameters
    ----------
    measured : array of shape (n_participants, n_voxels)
        Measured maps.
    predicted : array of shape (n_participants, n_voxels) or (n_voxels,)
        One prediction per participant, or one for all.

    Returns
    -------
    array of shape (n_participants,)
        Pearson r over voxels.

    Examples
    --------
    >>> measured = np.array([[1.0, 2, 3], [3, 2, 1]])
    >>> correlations(measured, np.array([1.0, 2, 3])).round(6)
    array([ 1., -1.])
    """
    return residual_correlations(measured, predicted, np.zeros(measured.shape[1], np.float32))


def residual_correlations(
    measured: Maps,
    predicted: Maps | Rows,
    average: Maps | Rows,
    prediction_rows: NDArray[np.intp] | None = None,
) -> Scores:
    """Correlate measured and predicted maps after subtraction of the group average from both.

    Parameters
    ----------
    measured : array of shape (n_participants, n_voxels)
        Measured maps.
    predicted : array of shape (n_participants, n_voxels) or (n_voxels,)
        One prediction per participant, or one for all.
    average : array of shape (n_participants, n_voxels) or (n_voxels,)
        Group average to subtract, one per participant or one for all.
    prediction_rows : integer array of shape (n_participants,), optional
        Row of `predicted` (an array) to compare with each measured map; by default the same row.
        Leave-one-out averages then include neither participant: the average must be independent of both
        maps, as it is of a participant's own maps.

    Returns
    -------
    array of shape (n_participants,)
        Pearson r over voxels; NaN if a residual is constant, as for a prediction equal to the average.

    Examples
    --------
    >>> average = np.array([5.0, 0, 1])
    >>> residuals = np.array([[1.0, 2, 3], [3, 1, 2]])
    >>> residual_correlations(average + residuals, average + 2 * residuals, average).round(6)
    array([1., 1.])
    """
    scores = np.full(len(measured), np.nan)
    for rows in row_blocks(len(measured)):
        if prediction_rows is not None and isinstance(average, LeaveOneOut):
            base = average.without_pairs(rows, prediction_rows[rows])
        else:
            base = np.asarray(select_rows(average, rows), np.float64)
        if prediction_rows is None:
            y = select_rows(predicted, rows)
        else:
            y = np.asarray(predicted)[prediction_rows[rows]]
        x, y = measured[rows] - base, y - base
        y = np.broadcast_to(y, x.shape)
        is_valid = has_variance(x) & has_variance(y)
        participants = np.flatnonzero(is_valid) + rows.start
        scores[participants] = np.einsum("pv,pv->p", unit_rows(x[is_valid]), unit_rows(y[is_valid]))
    return scores


def residual_chance(
    measured: Maps,
    predicted: Maps,
    average: Maps | Rows,
    rng: np.random.Generator,
    is_used: NDArray[np.bool_] | None = None,
) -> float:
    """Estimate the residual r by chance: the mean for participants with the predictions of others.

    It is not 0, because the error of the average is part of both residuals. A prediction without information
    about the participant has this residual r. A leave-one-out average lacks both participants of a pair here,
    and one of them in the score. The chance level is therefore slightly too high: for n unrelated
    participants, 1 / (n - 1) in place of 1 / n.

    Parameters
    ----------
    measured : array of shape (n_participants, n_voxels)
        Measured maps.
    predicted : array of shape (n_participants, n_voxels)
        Predicted maps of the same participants.
    average : array of shape (n_participants, n_voxels) or (n_voxels,)
        Group average to subtract.
    rng : Generator
        Source of the random pairs: all pairs if there are few participants, else at least
        ``N_OTHER_PAIRS``.
    is_used : boolean array of shape (n_participants,), optional
        Participants to use; by default all.

    Returns
    -------
    float
        Mean residual r; NaN if there are fewer than two participants, or three for leave-one-out averages.
    """
    is_valid = has_variance(measured) & has_variance(predicted)
    participants = np.flatnonzero(is_valid if is_used is None else is_valid & is_used)
    n = len(participants)
    n_shifts = min(n - 1, -(-N_OTHER_PAIRS // max(n, 1)))
    scores = []
    order = rng.permutation(participants)
    for shift in range(1, n_shifts + 1):
        prediction_rows = np.arange(len(measured))
        prediction_rows[order] = np.roll(order, shift)
        r = residual_correlations(measured, predicted, average, prediction_rows)
        scores.append(r[participants])
    return mean(np.concatenate(scores)) if scores else float("nan")


def mean(values: Scores) -> float:
    """Average the finite values; NaN if there is none.

    Parameters
    ----------
    values : array of any shape

    Returns
    -------
    float

    Examples
    --------
    >>> mean(np.array([1.0, np.nan, 3.0]))
    2.0
    """
    finite_values = values[np.isfinite(values)]
    return float(finite_values.mean()) if finite_values.size else float("nan")
