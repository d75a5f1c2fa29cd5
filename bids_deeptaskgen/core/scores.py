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
from scipy.integrate import trapezoid

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
# Shares of the voxels that count as active, strongest first.
DICE_SHARES = np.linspace(0.05, 0.5, 10)
# The curve runs from 0.05 to 0.5, so an overlap of 1 all along gives 0.45.
DICE_CEILING = float(DICE_SHARES[-1] - DICE_SHARES[0])
# Sets of k voxels that know nothing of each other overlap in k of V: a Dice coefficient of k / V.
DICE_CHANCE = float((DICE_SHARES[-1] ** 2 - DICE_SHARES[0] ** 2) / 2)
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
    rank : array of shape (n_people,)
        Place of the own prediction among the candidates, 1 for the best; ties share their mean place.
    n_candidates : int
        Predictions among which the own one had to be found, itself included.
    matrix : array of shape (n_people, n_people), or None
        r, rows measured and columns predicted; None of more than ``MAX_EVERYBODY`` people.
    """

    own: Scores
    others: Scores
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
    total = np.zeros(measured.shape[1])
    own, others, rank = (np.full(n_all, np.nan) for _ in range(3))
    for rows in _blocks(len(people)):
        total += _unit(predicted[people[rows]]).sum(axis=0)
    matrix = np.full((n_all, n_all), np.nan) if everybody else None
    for rows in _blocks(len(people)):
        who = people[rows]
        units = _unit(measured[who])
        own[who] = np.einsum("pv,pv->p", units, _unit(predicted[who]))
        others[who] = (units @ total - own[who]) / (len(people) - 1) if len(people) > 1 else np.nan
        r = (units.astype(np.float32) @ candidates.T).astype(np.float64)
        rank[who] = _ranks(r, own[who], rows, chosen)
        if matrix is not None:
            matrix[np.ix_(who, people)] = r
            matrix[who, who] = own[who]
    return Matching(own, others, rank, len(chosen), matrix)


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
    return Matching(own, own.copy(), rank, n_people, matrix)


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


def residual_correlations(measured: Maps, predicted: Maps | Rows, average: Maps | Rows) -> Scores:
    """Correlate what is left of measured and predicted maps when the average person is taken off both.

    Parameters
    ----------
    measured : array of shape (n_people, n_voxels)
    predicted, average : array of shape (n_people, n_voxels) or (n_voxels,)
        One a person, or one for all.

    Returns
    -------
    array of shape (n_people,)
        NaN where nothing is left, as of the average itself.
    """
    scores = np.full(len(measured), np.nan)
    for rows in _blocks(len(measured)):
        base = np.asarray(_rows(average, rows), np.float64)
        left, right = measured[rows] - base, _rows(predicted, rows) - base
        right = np.broadcast_to(right, left.shape)
        fine = usable(left) & usable(right)
        found = np.flatnonzero(fine) + rows.start
        scores[found] = np.einsum("pv,pv->p", _unit(left[fine]), _unit(right[fine]))
    return scores


def dice_auc(measured: Maps, predicted: Maps | Rows) -> Scores:
    """Measure how far the strongest voxels of both maps are the same, whatever their sign.

    At each share of 0.05, 0.10, ... 0.50 of the voxels, those count whose absolute value is above that of the
    k-th strongest, k the share of the voxels rounded down. The Dice coefficients of both sets (1 where both
    are empty) are joined by the trapezoid rule.

    Parameters
    ----------
    measured : array of shape (n_people, n_voxels)
    predicted : array of shape (n_people, n_voxels) or (n_voxels,)

    Returns
    -------
    array of shape (n_people,)
        0 to ``DICE_CEILING``; maps that have nothing to do with each other have ``DICE_CHANCE``.
    """
    scores = np.full(len(measured), np.nan)
    for person in range(len(measured)):
        row = slice(person, person + 1)
        left, right = measured[row], np.atleast_2d(_rows(predicted, row))
        if usable(left)[0] and usable(right)[0]:
            dice = _dice(_first_share(left[0]), _first_share(right[0]))
            scores[person] = trapezoid(dice, dx=float(DICE_SHARES[1] - DICE_SHARES[0]))
    return scores


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


def _first_share(values: Maps) -> NDArray[np.intp]:
    """Tell for each voxel the first share at which it counts; the number of shares where it never does."""
    strength = np.abs(values)
    n_voxels = len(strength)
    # A product such as 0.15 * 20 may fall short of 3 by rounding.
    k = (DICE_SHARES * n_voxels + 1e-9).astype(int)
    places = n_voxels - np.maximum(k, 1)
    thresholds = np.partition(strength, places)[places]
    # Thresholds fall as the share grows; -x makes them rise, as searchsorted wants them.
    return np.searchsorted(-thresholds, -strength, side="right")


def _dice(left: NDArray[np.intp], right: NDArray[np.intp]) -> Scores:
    """Dice coefficient at each share, of the first shares at which voxels count."""
    n = len(DICE_SHARES)
    both, one, other = (
        np.bincount(first, minlength=n + 1)[:n].cumsum() for first in (np.maximum(left, right), left, right)
    )
    size = one + other
    return np.where(size > 0, 2 * both / np.maximum(size, 1), 1.0)


def _rows(maps: Maps | Rows, rows: slice) -> Maps:
    return np.asarray(maps[rows] if maps.ndim == 2 else maps)


def _blocks(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, _BLOCK):
        yield slice(start, min(start + _BLOCK, n_rows))
