"""Identification of participants between two sessions, by the similarity of their maps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bids_deeptaskgen.stats.identification import rank_self
from bids_deeptaskgen.stats.scores import mean


@dataclass(frozen=True)
class SessionIdentification:
    """Similarity of maps of two sessions within and between participants; NaN for fewer than two.

    Attributes
    ----------
    n_participants : int
        Participants with maps of both sessions.
    rate : float
        Share of participants whose own map of the other session is the most similar one, mean of both
        directions (Finn et al. 2015, Nat Neurosci 18:1664). A tie is no success. Chance is 1 / n.
    mean_rank : float
        Mean rank of the own map, mean of both directions; ties share their mean rank. Chance is (n + 1) / 2.
    own_r : float
        Mean r of participants with themselves.
    others_r : float
        Mean r of different participants.
    """

    n_participants: int
    rate: float
    mean_rank: float
    own_r: float
    others_r: float

    @property
    def idiff(self) -> float:
        """Return `own_r` minus `others_r`.

        It is the differential identifiability of Amico and Goni (2018, Sci Rep 8:8254), who report percent.
        """
        return self.own_r - self.others_r


def identify_sessions(r: ArrayLike) -> SessionIdentification:
    """Identify participants of one session among those of another, in both directions.

    Parameters
    ----------
    r : array of shape (n_participants, n_participants)
        Correlation of the map of the first session (rows) with that of the second (columns), participants in
        the same order. Participants whose r with themselves is NaN are ignored.

    Returns
    -------
    SessionIdentification

    Raises
    ------
    ValueError
        If the matrix is not square.

    Examples
    --------
    >>> result = identify_sessions([[0.9, 0.5], [0.7, 0.6]])
    >>> result.rate, result.mean_rank, round(result.idiff, 6)
    (0.75, 1.25, 0.15)
    """
    matrix = np.asarray(r, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        message = f"`r` has the shape {matrix.shape} and must be square: the same participants twice."
        raise ValueError(message)
    is_valid = np.isfinite(np.diagonal(matrix))
    matrix = matrix[np.ix_(is_valid, is_valid)]
    n, own_r = len(matrix), np.diagonal(matrix)
    if n < 2:
        return SessionIdentification(n, *[float("nan")] * 4)
    columns = np.arange(n)
    ranks = np.stack([rank_self(rows, own_r, slice(0, n), columns) for rows in (matrix, matrix.T)])
    return SessionIdentification(
        n_participants=n,
        rate=float((ranks == 1).mean()),
        mean_rank=float(ranks.mean()),
        own_r=mean(own_r),
        others_r=mean(matrix[~np.eye(n, dtype=bool)]),
    )
