"""Scores of predictors on the test participants of a cohort, with their ceilings."""

from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cohort import Floats, SimulatedParticipant
from benchmarks.accuracy.models import Maps
from benchmarks.accuracy.predictors import Predict, stack
from benchmarks.accuracy.scoring import score
from bids_deeptaskgen.stats.paired_tests import bootstrap_interval
from bids_deeptaskgen.stats.scores import correlations, residual_correlations

Scores = NDArray[np.float64]
Row = dict[str, list[float]]  # mean, lower and upper bound of each score
CURVE_SCORES = (
    "r",
    "share of ceiling",
    "difference",
    "residual r",
    "share of residual ceiling",
    "identified",
    "slope",
)


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
        retest = np.stack([participant.retest for participant in participants])
        self.ceiling = np.empty(len(average))
        self.residual_ceiling = np.empty(len(average))
        for contrast, base in enumerate(average):
            first, second = self.measured[:, contrast], retest[:, contrast]
            self.ceiling[contrast] = _root_mean(correlations(first, second))
            self.residual_ceiling[contrast] = _root_mean(residual_correlations(first, second, base))

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
        is_constant = all(np.array_equal(maps, predicted[0]) for maps in predicted[1:])
        values = score(self.measured, predicted[0] if is_constant else predicted, self.average)
        values["share of ceiling"] = values["r"] / self.ceiling
        values["share of residual ceiling"] = values["residual r"] / self.residual_ceiling
        values["slope"] = slopes(self.measured, predicted)
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
    result = np.empty(measured.shape[:2])
    for participant, (maps, prediction) in enumerate(zip(measured, predicted, strict=True)):
        x = np.asarray(prediction, np.float64)
        x = x - x.mean(axis=1, keepdims=True)
        result[participant] = np.einsum("cv,cv->c", x, maps) / np.einsum("cv,cv->c", x, x)
    return result


def _root_mean(r: Scores) -> float:
    """Return the ceiling of r that a reliability implies: the square root of the mean retest correlation."""
    return float(np.sqrt(max(np.nanmean(r), 0.0)))
