"""How well predicted maps fit measured ones, of one contrast, person by person and people by people.

Maps are rows of an array, or of anything that gives rows when it is indexed, such as a memory map: no more
than a block of rows is taken at a time. A person whose map holds a value that is not finite, or nothing but
one value, is left out of every score, which is NaN for them.
"""

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.stats.map_rows import (
    Maps,
    Rows,
    Scores,
    has_variance,
    row_blocks,
    select_rows,
    unit_rows,
)

# So many pairs of a person and somebody else say what residual r is by chance.
N_OTHER_PAIRS = 150


def correlations(measured: Maps, predicted: Maps | Rows) -> Scores:
    """Correlate each person's measured map with their prediction (reconstruction r).

    Parameters
    ----------
    measured : array of shape (n_people, n_voxels)
    predicted : array of shape (n_people, n_voxels) or (n_voxels,)
        One prediction a person, or one for all.

    Returns
    -------
    array of shape (n_people,)
    """
    return residual_correlations(measured, predicted, np.zeros(measured.shape[1], np.float32))


def residual_correlations(
    measured: Maps, predicted: Maps | Rows, average: Maps | Rows, of: NDArray[np.intp] | None = None
) -> Scores:
    """Correlate what is left of measured and predicted maps when the average person is taken off both.

    Parameters
    ----------
    measured : array of shape (n_people, n_voxels)
    predicted, average : array of shape (n_people, n_voxels) or (n_voxels,)
        One a person, or one for all.
    of : integer array of shape (n_people,), optional
        Whose prediction is held against each measured map, of predictions that lie in an array; the own one
        if it is not given.

    Returns
    -------
    array of shape (n_people,)
        NaN where nothing is left, as of the average itself.
    """
    scores = np.full(len(measured), np.nan)
    for rows in row_blocks(len(measured)):
        base = np.asarray(select_rows(average, rows), np.float64)
        right = select_rows(predicted, rows) if of is None else np.asarray(predicted)[of[rows]]
        left, right = measured[rows] - base, right - base
        right = np.broadcast_to(right, left.shape)
        fine = has_variance(left) & has_variance(right)
        found = np.flatnonzero(fine) + rows.start
        scores[found] = np.einsum("pv,pv->p", unit_rows(left[fine]), unit_rows(right[fine]))
    return scores


def residual_chance(measured: Maps, predicted: Maps, average: Maps | Rows, rng: np.random.Generator) -> float:
    """Give the mean residual r of people with the predictions of others.

    It is not 0: whatever the average is wrong by is in both residuals. So this is what a prediction gets that
    knows nothing of the person.

    Parameters
    ----------
    measured, predicted : array of shape (n_people, n_voxels)
    average : array of shape (n_people, n_voxels) or (n_voxels,)
    rng : Generator
        Draws the others: all of them where people are few, at least ``N_OTHER_PAIRS`` pairs where they are
        many.

    Returns
    -------
    float
        NaN where there are no others.
    """
    participants = np.flatnonzero(has_variance(measured) & has_variance(predicted))
    n = len(participants)
    n_shifts = min(n - 1, -(-N_OTHER_PAIRS // max(n, 1)))
    found = []
    order = rng.permutation(participants)
    for shift in range(1, n_shifts + 1):
        of = np.arange(len(measured))
        of[order] = np.roll(order, shift)
        found.append(residual_correlations(measured, predicted, average, of)[participants])
    return mean(np.concatenate(found)) if found else float("nan")


def mean(values: Scores) -> float:
    """Average what is there; NaN where nothing is."""
    present = values[np.isfinite(values)]
    return float(present.mean()) if present.size else float("nan")
