"""Identification of participants by predicted maps: self-prediction among the predictions of others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_deeptaskgen.stats.map_rows import Maps, Rows, Scores, has_variance, row_blocks, unit_rows
from bids_deeptaskgen.stats.scores import correlations, mean

# With more participants, each is compared with a random sample of other participants.
MAX_FULL_MATRIX = 2000
N_SAMPLED_OTHERS = 1000
# Below this mean r with the self-prediction, a ratio to it is meaningless.
LEAST_DIAGONAL = 0.1
# Correlations that differ by less than the rounding of float32 products are ties.
_TIE = 1e-6


@dataclass(frozen=True)
class IdentificationScores:
    """Correlations of each measured map with the predictions of all participants.

    Scores are NaN for participants whose measured or predicted map is constant or not finite.

    Attributes
    ----------
    self_r : array of shape (n_participants,)
        r of the measured map with the prediction of the same participant.
    others_r : array of shape (n_participants,)
        Mean r of the measured map with the predictions of all other participants, never of a sample.
    incoming_r : array of shape (n_participants,)
        Mean r of the prediction with the measured maps of all other participants.
    rank : array of shape (n_participants,)
        Rank of the self-prediction among the candidates; 1 is the largest r. Ties share their mean rank.
    n_candidates : int
        Number of predictions that are ranked, the self-prediction included.
    matrix : array of shape (n_participants, n_participants), or None
        r, rows measured and columns predicted; None for more than ``MAX_FULL_MATRIX`` participants.
    pooled_others_r : array of shape (n_cells,), or None
        r of measured maps with the candidates that are predictions of others, all participants pooled; None
        for one map for all.
    """

    self_r: Scores
    others_r: Scores
    incoming_r: Scores
    rank: Scores
    n_candidates: int
    matrix: Scores | None = None
    pooled_others_r: NDArray[np.floating] | None = None

    @property
    def n_participants(self) -> int:
        """Return the number of participants with scores."""
        return int(np.isfinite(self.self_r).sum())

    @property
    def difference(self) -> Scores:
        """Return r with the self-prediction minus mean r with predictions of others, (n_participants,)."""
        return self.self_r - self.others_r

    @property
    def part_in_difference(self) -> Scores:
        """Return each participant's contribution to the mean difference, (n_participants,).

        Its mean is that of `difference`. Each participant enters that mean twice: with the measured map and,
        as one of the others, with the prediction. The contributions are independent but for terms of 1 / n
        (Hajek's projection), which resampling of participants and sign flips assume.
        """
        return self.self_r - self.others_r - self.incoming_r + mean(self.others_r)

    @property
    def identification_rate(self) -> float:
        """Return the share of participants whose self-prediction has the largest r; a tie is no success."""
        ranks = self.rank[np.isfinite(self.rank)]
        return float((ranks == 1).mean()) if ranks.size else float("nan")

    @property
    def mean_rank(self) -> float:
        """Return the mean rank of the self-prediction; its chance level is (n_candidates + 1) / 2."""
        return mean(self.rank)


def cross_match(measured: Maps, predicted: Maps, rng: np.random.Generator) -> IdentificationScores:
    """Correlate each participant's measured map with the predictions of all participants.

    Parameters
    ----------
    measured : array of shape (n_participants, n_voxels)
        Measured maps.
    predicted : array of shape (n_participants, n_voxels)
        Predicted maps of the same participants in the same order.
    rng : Generator
        Source of the sample of candidates if there are more than ``MAX_FULL_MATRIX`` participants.

    Returns
    -------
    IdentificationScores
        For more than ``MAX_FULL_MATRIX`` participants, ranks are those among ``N_SAMPLED_OTHERS`` others.
        Means over others are exact in any case: the mean of a row of r is its product with the mean unit map.
    """
    n_all = len(measured)
    participants = np.flatnonzero(has_variance(measured) & has_variance(predicted))
    is_full = len(participants) <= MAX_FULL_MATRIX
    columns = np.arange(len(participants))
    if not is_full:
        columns = np.sort(rng.choice(len(participants), N_SAMPLED_OTHERS + 1, replace=False))
    candidates = np.empty((len(columns), measured.shape[1]), np.float32)
    for rows in row_blocks(len(columns)):
        candidates[rows] = unit_rows(predicted[participants[columns[rows]]])
    all_measured, all_predicted = np.zeros((2, measured.shape[1]))
    self_r, others_r, incoming_r, rank = (np.full(n_all, np.nan) for _ in range(4))
    for rows in row_blocks(len(participants)):
        all_measured += unit_rows(measured[participants[rows]]).sum(axis=0)
        all_predicted += unit_rows(predicted[participants[rows]]).sum(axis=0)
    matrix = np.full((n_all, n_all), np.nan) if is_full else None
    pooled_others_r = []
    for rows in row_blocks(len(participants)):
        block = participants[rows]
        units, predicted_units = unit_rows(measured[block]), unit_rows(predicted[block])
        self_r[block] = np.einsum("pv,pv->p", units, predicted_units)
        if len(participants) > 1:
            others_r[block] = (units @ all_predicted - self_r[block]) / (len(participants) - 1)
            incoming_r[block] = (predicted_units @ all_measured - self_r[block]) / (len(participants) - 1)
        r = (units.astype(np.float32) @ candidates.T).astype(np.float64)
        rank[block] = rank_self(r, self_r[block], rows, columns)
        is_other = columns != np.arange(rows.start, rows.stop)[:, None]
        pooled_others_r.append(r[is_other].astype(np.float32))
        if matrix is not None:
            matrix[np.ix_(block, participants)] = r
            matrix[block, block] = self_r[block]
    pooled_r = np.concatenate(pooled_others_r) if pooled_others_r else np.empty(0, np.float32)
    return IdentificationScores(self_r, others_r, incoming_r, rank, len(columns), matrix, pooled_r)


def match_constant(measured: Maps, predicted: Maps | Rows) -> IdentificationScores:
    """Correlate measured maps with one prediction for all participants, such as a group average.

    Parameters
    ----------
    measured : array of shape (n_participants, n_voxels)
        Measured maps.
    predicted : array of shape (n_voxels,), or `LeaveOneOut`
        A leave-one-out average differs between participants, which is no merit of the average. It counts as
        one map for all: each participant's r is that with the average without this participant.

    Returns
    -------
    IdentificationScores
        The difference is 0, and all participants have the middle rank.
    """
    r = correlations(measured, predicted)
    n_participants = int(np.isfinite(r).sum())
    rank = np.where(np.isfinite(r), (n_participants + 1) / 2, np.nan)
    matrix = np.repeat(r[:, None], len(r), axis=1) if len(r) <= MAX_FULL_MATRIX else None
    incoming_r = np.where(np.isfinite(r), mean(r), np.nan)
    return IdentificationScores(r, r.copy(), incoming_r, rank, n_participants, matrix)


def diagonality(self_r: ArrayLike, others_r: ArrayLike) -> dict[str, float]:
    """Compute by how much self-predictions fit better than the predictions of others.

    Several definitions are in use; each key names what it computes.

    Parameters
    ----------
    self_r : array of shape (n_participants,)
        r of each measured map with the prediction of the same participant.
    others_r : array of shape (n_participants,)
        Mean r of each measured map with the predictions of other participants.

    Returns
    -------
    dict of str to float
        ``difference``, mean diagonal minus mean off-diagonal (training log: diag_index);
        ``difference_over_diagonal`` (caption of the paper's figure 1; NaN if the mean diagonal is below
        ``LEAST_DIAGONAL``); ``difference_times_own_diagonal``, each participant's difference times the same
        participant's r, averaged (the paper's notebook); ``difference_times_mean_diagonal`` and
        ``percent_of_off_diagonal`` (training log).

    Examples
    --------
    >>> result = diagonality([0.5, 0.7], [0.4, 0.4])
    >>> round(result["difference"], 6), round(result["difference_over_diagonal"], 6)
    (0.2, 0.333333)
    """
    self_r, others_r = np.asarray(self_r, np.float64), np.asarray(others_r, np.float64)
    diagonal, off_diagonal = mean(self_r), mean(others_r)
    difference = diagonal - off_diagonal
    return {
        "difference": difference,
        "difference_over_diagonal": difference / diagonal if diagonal >= LEAST_DIAGONAL else float("nan"),
        "difference_times_own_diagonal": mean((self_r - others_r) * self_r),
        "difference_times_mean_diagonal": difference * diagonal,
        "percent_of_off_diagonal": 100 * difference / off_diagonal if off_diagonal else float("nan"),
    }


def rank_self(r: Scores, self_r: Scores, rows: slice, columns: NDArray[np.intp]) -> Scores:
    """Rank the map of the same participant among the candidates; 1 is the largest r.

    Parameters
    ----------
    r : array of shape (n_rows, n_candidates)
        r of participants with the maps of the candidates; NaN is below all others.
    self_r : array of shape (n_rows,)
        r of the participants with their own map.
    rows : slice
        Numbers of the participants.
    columns : integer array of shape (n_candidates,)
        Numbers of the participants whose maps are candidates, in ascending order.

    Returns
    -------
    array of shape (n_rows,)
        Ties share their mean rank.
    """
    numbers = np.arange(rows.start, rows.stop)
    # The self-prediction is no competitor. A participant who is not a candidate skips the last one instead,
    # so that all participants have the same number of competitors.
    place = np.searchsorted(columns, numbers)
    is_candidate = columns[np.minimum(place, len(columns) - 1)] == numbers
    skipped_column = np.where(is_candidate, place, len(columns) - 1)
    advantage = r - self_r[:, None]
    advantage[np.arange(len(r)), skipped_column] = -np.inf
    is_tie = np.abs(advantage) <= _TIE
    ranks: Scores = 1 + ((advantage > 0) & ~is_tie).sum(axis=1) + is_tie.sum(axis=1) / 2
    return ranks
