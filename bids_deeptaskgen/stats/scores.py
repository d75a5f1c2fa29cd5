"""How well predicted maps fit measured ones, of one contrast, person by person and people by people.

Maps are rows of an array, or of anything that gives rows when it is indexed, such as a memory map: no more
than a block of rows is taken at a time. A person whose map holds a value that is not finite, or nothing but
one value, is left out of every score, which is NaN for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Maps = NDArray[np.floating]
Scores = NDArray[np.float64]


class Rows(Protocol):
    """What gives rows of maps when it is indexed, though it does not hold them."""

    @property
    def ndim(self) -> int:
        """Number of axes: 2."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_people, n_voxels)."""

    def __getitem__(self, rows: slice, /) -> Any: ...


# So many people are compared with everybody; of more, each is compared with a sample of others.
MAX_EVERYBODY = 2000
N_SAMPLED_OTHERS = 1000
# So many pairs of a person and somebody else say what residual r is by chance.
N_OTHER_PAIRS = 150
# Under this mean r of people with their own prediction, a ratio to it says nothing.
LEAST_DIAGONAL = 0.1

_BLOCK = 64
# Rows whose values differ by less than this part of their size are constant but for rounding.
_FLAT = 1e-9
# Correlations that differ by less than float32 products do are equal.
_TIE = 1e-6


class LeaveOneOut:
    """Rows that are each the mean of all the others: the group average where there are no other people.

    Parameters
    ----------
    maps : array of shape (n_people, n_voxels)
        Rows that are not finite take no part.
    """

    ndim = 2

    def __init__(self, maps: Maps) -> None:
        self._maps = maps
        self._total, self._n = np.zeros(maps.shape[1]), 0
        for row in maps:
            if np.isfinite(row).all():
                self._total += row
                self._n += 1

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the maps."""
        return self._maps.shape

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        if self._n < 2:
            return np.full(np.shape(self._maps[rows]), np.nan)
        others: NDArray[np.float64] = (self._total - self._maps[rows]) / (self._n - 1)
        return others


@dataclass(frozen=True)
class Matching:
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
        r, rows measured and columns predicted; None of more than ``MAX_EVERYBODY`` people.
    """

    own: Scores
    others: Scores
    received: Scores
    rank: Scores
    n_candidates: int
    matrix: Scores | None = None

    @property
    def n_people(self) -> int:
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


def match(measured: Maps, predicted: Maps, rng: np.random.Generator) -> Matching:
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
        Of more than ``MAX_EVERYBODY`` people, ranks are those among ``N_SAMPLED_OTHERS`` others. The means
        over others are exact all the same: the mean of a row of r is the product with the mean unit map.
    """
    n_all = len(measured)
    people = np.flatnonzero(usable(measured) & usable(predicted))
    everybody = len(people) <= MAX_EVERYBODY
    chosen = np.arange(len(people))
    if not everybody:
        chosen = np.sort(rng.choice(len(people), N_SAMPLED_OTHERS + 1, replace=False))
    candidates = np.empty((len(chosen), measured.shape[1]), np.float32)
    for rows in _blocks(len(chosen)):
        candidates[rows] = _unit(predicted[people[chosen[rows]]])
    all_measured, all_predicted = np.zeros((2, measured.shape[1]))
    own, others, received, rank = (np.full(n_all, np.nan) for _ in range(4))
    for rows in _blocks(len(people)):
        all_measured += _unit(measured[people[rows]]).sum(axis=0)
        all_predicted += _unit(predicted[people[rows]]).sum(axis=0)
    matrix = np.full((n_all, n_all), np.nan) if everybody else None
    for rows in _blocks(len(people)):
        who = people[rows]
        units, own_units = _unit(measured[who]), _unit(predicted[who])
        own[who] = np.einsum("pv,pv->p", units, own_units)
        if len(people) > 1:
            others[who] = (units @ all_predicted - own[who]) / (len(people) - 1)
            received[who] = (own_units @ all_measured - own[who]) / (len(people) - 1)
        r = (units.astype(np.float32) @ candidates.T).astype(np.float64)
        rank[who] = _ranks(r, own[who], rows, chosen)
        if matrix is not None:
            matrix[np.ix_(who, people)] = r
            matrix[who, who] = own[who]
    return Matching(own, others, received, rank, len(chosen), matrix)


def match_same(measured: Maps, predicted: Maps | Rows) -> Matching:
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
    n_people = int(np.isfinite(own).sum())
    rank = np.where(np.isfinite(own), (n_people + 1) / 2, np.nan)
    matrix = np.repeat(own[:, None], len(own), axis=1) if len(own) <= MAX_EVERYBODY else None
    received = np.where(np.isfinite(own), mean(own), np.nan)
    return Matching(own, own.copy(), received, rank, n_people, matrix)


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
    for rows in _blocks(len(measured)):
        base = np.asarray(rows_of(average, rows), np.float64)
        right = rows_of(predicted, rows) if of is None else np.asarray(predicted)[of[rows]]
        left, right = measured[rows] - base, right - base
        right = np.broadcast_to(right, left.shape)
        fine = usable(left) & usable(right)
        found = np.flatnonzero(fine) + rows.start
        scores[found] = np.einsum("pv,pv->p", _unit(left[fine]), _unit(right[fine]))
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
    people = np.flatnonzero(usable(measured) & usable(predicted))
    n = len(people)
    n_shifts = min(n - 1, -(-N_OTHER_PAIRS // max(n, 1)))
    found = []
    order = rng.permutation(people)
    for shift in range(1, n_shifts + 1):
        of = np.arange(len(measured))
        of[order] = np.roll(order, shift)
        found.append(residual_correlations(measured, predicted, average, of)[people])
    return mean(np.concatenate(found)) if found else float("nan")


def diagonality(own: ArrayLike, others: ArrayLike) -> dict[str, float]:
    """Summarise how much better people's own predictions fit than those of others.

    Several definitions are in circulation; each has the name that says what it computes.

    Parameters
    ----------
    own, others : array of shape (n_people,)
        As in `Matching`.

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


def mean(values: Scores) -> float:
    """Average what is there; NaN where nothing is."""
    present = values[np.isfinite(values)]
    return float(present.mean()) if present.size else float("nan")


def usable(maps: Maps) -> NDArray[np.bool_]:
    """Tell whose maps are finite and vary over voxels: (n_people, n_voxels) to (n_people,)."""
    fine = np.zeros(len(maps), bool)
    for rows in _blocks(len(maps)):
        block = np.asarray(maps[rows], np.float64)
        with np.errstate(invalid="ignore"):
            fine[rows] = np.ptp(block, axis=1) > _FLAT * np.abs(block).max(axis=1)
            fine[rows] &= np.isfinite(block).all(axis=1)
    return fine


def rows_of(maps: Maps | Rows, rows: slice) -> Maps:
    """Take rows of maps, or the one map that is for all."""
    return np.asarray(maps[rows] if maps.ndim == 2 else maps)


def _unit(maps: Maps) -> Scores:
    """Give rows mean 0 and length 1, such that their products are correlations."""
    centred = np.asarray(maps, np.float64) - np.mean(maps, axis=1, keepdims=True, dtype=np.float64)
    centred /= np.sqrt(np.einsum("pv,pv->p", centred, centred))[:, None]
    return centred


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


def _blocks(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, _BLOCK):
        yield slice(start, min(start + _BLOCK, n_rows))
