"""Identify people by their predicted maps: own predictions among those of others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_deeptaskgen.stats.map_rows import Maps, Rows, Scores, has_variance, row_blocks, unit_rows
from bids_deeptaskgen.stats.scores import correlations, mean

# So many people are compared with everybody; of more, each is compared with a sample of others.
MAX_FULL_MATRIX = 2000
N_SAMPLED_OTHERS = 1000
# Under this mean r of people with their own prediction, a ratio to it says nothing.
LEAST_DIAGONAL = 0.1
# Correlations that differ by less than float32 products do are equal.
_TIE = 1e-6


@dataclass(frozen=True)
class IdentificationScores:
    """Each person's measured map beside the predictions of all people; NaN for those who are left out.

    Attributes
    ----------
    own : array of shape (n_people,)
        r of the measured map with the prediction of the same person.
    others : array of shape (n_people,)
        Mean r of the measured map with the predictions of all other people: never of a sample.
    received : array of shape (n_people,)
        Mean r of the prediction with the measured maps of all other people.
    rank : array of shape (n_people,)
        Place of the own prediction among the candidates, 1 for the best; ties share their mean place.
    n_candidates : int
        Predictions among which the own one had to be found, itself included.
    matrix : array of shape (n_people, n_people), or None
        r, rows measured and columns predicted; None of more than ``MAX_FULL_MATRIX`` people.
    """

    own: Scores
    others: Scores
    received: Scores
    rank: Scores
    n_candidates: int
    matrix: Scores | None = None

    @property
    def n_participants(self) -> int:
        """Number of people who are not left out."""
        return int(np.isfinite(self.own).sum())

    @property
    def difference(self) -> Scores:
        """How much better the own prediction fits than those of others, (n_people,)."""
        return self.own - self.others

    @property
    def part_in_difference(self) -> Scores:
        """What each person adds to the mean difference, (n_people,): its mean is that of `difference`.

        Everybody is in the mean twice, by the measured map and, as one of the others, by the prediction.
        These are the parts that are independent of each other but for terms of 1 / n (Hajek's projection),
        which is what resampling people and flipping their signs take for granted.
        """
        return self.own - self.others - self.received + mean(self.others)

    @property
    def identification_rate(self) -> float:
        """Share of people whose own prediction fits their measured map best of all; a tie is no success."""
        ranks = self.rank[np.isfinite(self.rank)]
        return float((ranks == 1).mean()) if ranks.size else float("nan")

    @property
    def mean_rank(self) -> float:
        """Mean place of the own prediction, 1 at best, (n_candidates + 1) / 2 by chance."""
        return mean(self.rank)


def match(measured: Maps, predicted: Maps, rng: np.random.Generator) -> IdentificationScores:
    """Correlate each person's measured map with the predictions of all people.

    Parameters
    ----------
    measured, predicted : array of shape (n_people, n_voxels)
        The same people in the same order.
    rng : Generator
        Draws the others of whom there are too many.

    Returns
    -------
    Matching
        Of more than ``MAX_FULL_MATRIX`` people, ranks are those among ``N_SAMPLED_OTHERS`` others. The means
        over others are exact all the same: the mean of a row of r is the product with the mean unit map.
    """
    n_all = len(measured)
    participants = np.flatnonzero(has_variance(measured) & has_variance(predicted))
    is_full = len(participants) <= MAX_FULL_MATRIX
    chosen = np.arange(len(participants))
    if not is_full:
        chosen = np.sort(rng.choice(len(participants), N_SAMPLED_OTHERS + 1, replace=False))
    candidates = np.empty((len(chosen), measured.shape[1]), np.float32)
    for rows in row_blocks(len(chosen)):
        candidates[rows] = unit_rows(predicted[participants[chosen[rows]]])
    all_measured, all_predicted = np.zeros((2, measured.shape[1]))
    own, others, received, rank = (np.full(n_all, np.nan) for _ in range(4))
    for rows in row_blocks(len(participants)):
        all_measured += unit_rows(measured[participants[rows]]).sum(axis=0)
        all_predicted += unit_rows(predicted[participants[rows]]).sum(axis=0)
    matrix = np.full((n_all, n_all), np.nan) if is_full else None
    for rows in row_blocks(len(participants)):
        who = participants[rows]
        units, own_units = unit_rows(measured[who]), unit_rows(predicted[who])
        own[who] = np.einsum("pv,pv->p", units, own_units)
        if len(participants) > 1:
            others[who] = (units @ all_predicted - own[who]) / (len(participants) - 1)
            received[who] = (own_units @ all_measured - own[who]) / (len(participants) - 1)
        r = (units.astype(np.float32) @ candidates.T).astype(np.float64)
        rank[who] = _ranks(r, own[who], rows, chosen)
        if matrix is not None:
            matrix[np.ix_(who, participants)] = r
            matrix[who, who] = own[who]
    return IdentificationScores(own, others, received, rank, len(chosen), matrix)


def match_constant(measured: Maps, predicted: Maps | Rows) -> IdentificationScores:
    """Do what `match` does for one prediction that is the same for all people, as a group average.

    Parameters
    ----------
    measured : array of shape (n_people, n_voxels)
    predicted : array of shape (n_voxels,), or `LeaveOneOut`
        Of an average that leaves out each person in turn, the own r is with the average without that person.
        It is no merit of such averages that they differ: they count as one map for everybody all the same.

    Returns
    -------
    Matching
        Own and others are equal, and everybody has the middle rank.
    """
    own = correlations(measured, predicted)
    n_participants = int(np.isfinite(own).sum())
    rank = np.where(np.isfinite(own), (n_participants + 1) / 2, np.nan)
    matrix = np.repeat(own[:, None], len(own), axis=1) if len(own) <= MAX_FULL_MATRIX else None
    received = np.where(np.isfinite(own), mean(own), np.nan)
    return IdentificationScores(own, own.copy(), received, rank, n_participants, matrix)


def diagonality(own: ArrayLike, others: ArrayLike) -> dict[str, float]:
    """Summarise how much better people's own predictions fit than those of others.

    Several definitions are in circulation; each has the name that says what it computes.

    Parameters
    ----------
    own, others : array of shape (n_people,)
        As in `IdentificationScores`.

    Returns
    -------
    dict of str to float
        ``difference``, mean diagonal minus mean off-diagonal (training log: diag_index);
        ``difference_over_diagonal`` (caption of the paper's figure 1; NaN where the mean diagonal is under
        ``LEAST_DIAGONAL``); ``difference_times_own_diagonal``, each person's by the own r, then the mean (the
        paper's notebook); ``difference_times_mean_diagonal`` and ``percent_of_off_diagonal`` (training log).
    """
    own, others = np.asarray(own, np.float64), np.asarray(others, np.float64)
    diagonal, off_diagonal = mean(own), mean(others)
    difference = diagonal - off_diagonal
    return {
        "difference": difference,
        "difference_over_diagonal": difference / diagonal if diagonal >= LEAST_DIAGONAL else float("nan"),
        "difference_times_own_diagonal": mean((own - others) * own),
        "difference_times_mean_diagonal": difference * diagonal,
        "percent_of_off_diagonal": 100 * difference / off_diagonal if off_diagonal else float("nan"),
    }


def _ranks(r: Scores, own: Scores, rows: slice, chosen: NDArray[np.intp]) -> Scores:
    """Place people's own predictions among the chosen ones: r is (n_rows, n_chosen)."""
    numbers = np.arange(rows.start, rows.stop)
    # Nobody competes with themselves; who isn't among the chosen leaves out the last, to have as many others.
    place = np.searchsorted(chosen, numbers)
    is_chosen = chosen[np.minimum(place, len(chosen) - 1)] == numbers
    left_out = np.where(is_chosen, place, len(chosen) - 1)
    ahead = r - own[:, None]
    ahead[np.arange(len(r)), left_out] = -np.inf
    tied = np.abs(ahead) <= _TIE
    ranks: Scores = 1 + ((ahead > 0) & ~tied).sum(axis=1) + tied.sum(axis=1) / 2
    return ranks
