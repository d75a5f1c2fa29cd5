"""Scores of predictors on the test participants of a cohort, with their ceilings."""

from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cohort import Floats, SimulatedParticipant
from benchmarks.accuracy.models import Maps
from benchmarks.accuracy.predictors import Predict, stack
from bids_deeptaskgen.stats.paired_tests import bootstrap_interval

Scores = NDArray[np.float64]
Row = dict[str, list[float]]  # mean, lower and upper bound of each score
CURVE_SCORES = (
    "r",
    "share of ceiling",
    "difference",
    "residual r",
    "share of residual ceiling",
    "deviation r",
    "identified",
    "slope",
)
# Scores that are 0 for predictions that are the same for all participants.
INDIVIDUAL_SCORES = ("difference", "residual r", "deviation r", "identified")


class TestSet:
    """Test participants with their measured maps and the ceilings of their scores.

    Parameters
    ----------
    participants : sequence of SimulatedParticipant
        Test participants.
    average : array of shape (n_contrasts, n_voxels)
        Group average that residual r subtracts, the same for all predictors.
    """

    __test__ = False  # not for pytest

    def __init__(self, participants: Sequence[SimulatedParticipant], average: Floats) -> None:
        self.participants, self.average = participants, average
        self.measured: Maps = np.stack([participant.task for participant in participants])
        self._units, self._residual_units = _unit(self.measured), _unit(self.measured - average)
        retest = np.stack([participant.retest for participant in participants])
        self.ceiling = _ceiling(self._units, _unit(retest))
        self._deviation_units = _unit(_deviations(self.measured))
        self.residual_ceiling = _ceiling(self._residual_units, _unit(retest - average))

    def with_participants(self, participants: Sequence[SimulatedParticipant]) -> "TestSet":
        """Return the same maps and ceilings with other connectomes.

        Parameters
        ----------
        participants : sequence of SimulatedParticipant
            The same participants with other connectomes.

        Returns
        -------
        TestSet
        """
        other = copy(self)
        other.participants = participants
        return other

    def score(self, predict: Predict) -> Row:
        """Score a predictor: means over contrasts and participants, and 95% intervals over participants.

        Parameters
        ----------
        predict : function
            Predictor. One that predicts the same maps for all participants is scored as a group average.

        Returns
        -------
        dict of str to list of float
            Mean, lower and upper bound of each of `CURVE_SCORES`.
        """
        return self.score_maps(stack(predict, self.participants))

    def score_maps(self, predicted: Maps) -> Row:
        """Score predicted maps; see `score`.

        Parameters
        ----------
        predicted : array of shape (n_participants, n_contrasts, n_voxels)

        Returns
        -------
        dict of str to list of float
        """
        units = _unit(predicted)
        # Contrasts first: one product of matrices gives all correlations of a contrast.
        r = np.moveaxis(self._units, 1, 0) @ np.moveaxis(units, 1, 0).swapaxes(1, 2)
        own = np.diagonal(r, axis1=1, axis2=2).T.astype(np.float64)
        n_others = len(own) - 1
        others = (r.sum(axis=2, dtype=np.float64).T - own) / n_others
        is_own_best = (r >= own.T[:, :, None].astype(np.float32)).sum(axis=2).T == 1
        residual_units, deviation_units = _unit(predicted - self.average), _unit(_deviations(predicted))
        values = {
            "r": own,
            "difference": own - others,
            "residual r": _row_products(self._residual_units, residual_units),
            "deviation r": _row_products(self._deviation_units, deviation_units),
            "identified": is_own_best.astype(float),
            "slope": slopes(self.measured, predicted),
        }
        if all(np.array_equal(maps, predicted[0]) for maps in predicted[1:]):
            # Differences between equal predictions are rounding.
            values |= {name: np.zeros_like(own) for name in INDIVIDUAL_SCORES}
        values["share of ceiling"] = own / self.ceiling
        values["share of residual ceiling"] = values["residual r"] / self.residual_ceiling
        numbers = np.arange(len(self.participants))
        row = {}
        for name in CURVE_SCORES:
            of_participant = values[name].mean(axis=1)
            bounds = bootstrap_interval(of_participant, numbers, np.random.default_rng(0))
            row[name] = [float(of_participant.mean()), *map(float, bounds)]
        return row


def slopes(measured: Maps, predicted: Maps) -> Scores:
    """Compute the slope of the regression of measured on predicted maps over voxels.

    Parameters
    ----------
    measured, predicted : array of shape (n_participants, n_contrasts, n_voxels)

    Returns
    -------
    array of shape (n_participants, n_contrasts)
        1 where the amplitude of the prediction is right, below 1 where the predicted map is too large.
    """
    x = predicted - predicted.mean(axis=2, keepdims=True)
    products, squares = np.einsum("pcv,pcv->pc", x, measured), np.einsum("pcv,pcv->pc", x, x)
    return np.asarray(products / squares, np.float64)


def _unit(maps: Maps) -> Maps:
    """Normalise maps to mean 0 and length 1; constant maps become 0."""
    deviations = np.asarray(maps - maps.mean(axis=2, keepdims=True, dtype=np.float64), np.float32)
    lengths = np.linalg.norm(deviations, axis=2, keepdims=True)
    return np.asarray(np.divide(deviations, lengths, out=np.zeros_like(deviations), where=lengths > 0))


def _deviations(maps: Maps) -> Maps:
    """Subtract the mean over participants, so that errors of mean maps do not count."""
    return np.asarray(maps - maps.mean(axis=0, dtype=np.float64), np.float32)


def _row_products(first: Maps, second: Maps) -> Scores:
    """Multiply the maps of two arrays of shape (n_participants, n_contrasts, n_voxels) voxel by voxel."""
    return np.asarray(np.einsum("pcv,pcv->pc", first, second, dtype=np.float64))


def _ceiling(first: Maps, second: Maps) -> Scores:
    """Compute the ceiling of r that the reliability implies: the square root of the mean retest correlation.

    Parameters
    ----------
    first, second : array of shape (n_participants, n_contrasts, n_voxels)
        Maps of mean 0 and length 1 of both sessions.

    Returns
    -------
    array of shape (n_contrasts,)
    """
    r = _row_products(first, second).mean(axis=0)
    return np.asarray(np.sqrt(np.maximum(r, 0)))
