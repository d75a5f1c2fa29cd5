"""Predictors that a cohort of a given size makes possible, and their calibration."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy.cohort import BRAIN, GREY, Floats, SimulatedParticipant, rois
from benchmarks.accuracy.models import Maps, linear, predictions
from bids_deeptaskgen.stats.calibration import Calibration, apply_calibration
from bids_deeptaskgen.stats.linear_model import winner_take_all
from bids_deeptaskgen.stats.ridge import RidgeFit, RidgeModel, fit_ridge
from bids_deeptaskgen.training.masked_unet import MaskedUNet

Predict = Callable[[SimulatedParticipant], Floats]
VALIDATION_SHARE, LEAST_VALIDATION = 0.1, 2


@dataclass(frozen=True)
class TrainingCohort:
    """The participants that a laboratory has: all of them, divided for the training of networks.

    Attributes
    ----------
    participants : sequence of SimulatedParticipant
        A tenth of them, at least two, validate a network; they are the last ones.
    """

    participants: Sequence[SimulatedParticipant]

    @property
    def n_validation(self) -> int:
        """Return the number of validation participants."""
        return max(LEAST_VALIDATION, round(VALIDATION_SHARE * len(self.participants)))

    @property
    def training(self) -> Sequence[SimulatedParticipant]:
        """Return the participants that networks and linear model are trained on."""
        return self.participants[: -self.n_validation]

    @property
    def validation(self) -> Sequence[SimulatedParticipant]:
        """Return the validation participants."""
        return self.participants[-self.n_validation :]

    def first(self, n_participants: int) -> "TrainingCohort":
        """Return a smaller cohort.

        Parameters
        ----------
        n_participants : int

        Returns
        -------
        TrainingCohort
        """
        return TrainingCohort(self.participants[:n_participants])


def mean_maps(participants: Iterable[SimulatedParticipant]) -> Floats:
    """Average the measured maps of participants.

    Parameters
    ----------
    participants : iterable of SimulatedParticipant

    Returns
    -------
    array of shape (n_contrasts, n_voxels)
    """
    total, n_participants = np.zeros(()), 0
    for n_participants, participant in enumerate(participants, start=1):  # noqa: B007
        total = total + participant.task
    return np.asarray(total / n_participants, np.float32)


def calibrated(predict: Predict, held_out: Sequence[SimulatedParticipant], cohort: TrainingCohort) -> Predict:
    """Calibrate a predictor: weights from participants that it was not trained on, mean maps of all.

    Parameters
    ----------
    predict : function
        Predictor.
    held_out : sequence of SimulatedParticipant
        Participants of the cohort that `predict` was not trained on.
    cohort : TrainingCohort

    Returns
    -------
    function
        Calibrated predictor.
    """
    n_participants = len(cohort.participants)
    mean = mean_maps(cohort.participants)
    calibration = Calibration(len(mean))
    for participant in held_out:
        measured = participant.task
        # The mean of all participants contains this map, and would seem better than it is for others.
        others = (n_participants * mean - measured) / (n_participants - 1)
        calibration.add(predict(participant), measured, others)
    weights = calibration.weights
    return lambda participant: apply_calibration(predict(participant), mean, weights)


def network_predictor(module: MaskedUNet) -> Predict:
    """Return the predictor of a network.

    Parameters
    ----------
    module : MaskedUNet

    Returns
    -------
    function
    """
    return lambda participant: predictions(module, [participant])[0]


def linear_predictor(cohort: TrainingCohort) -> Predict:
    """Fit the linear model of Tavor et al. (2016) to the training participants of a cohort.

    Parameters
    ----------
    cohort : TrainingCohort

    Returns
    -------
    function
        Predictor.
    """
    model = linear(cohort.training)
    return lambda participant: model.predict(participant.rest[:, GREY[BRAIN]])


def fit_ridge_model(participants: Sequence[SimulatedParticipant]) -> RidgeFit:
    """Fit a ridge regression to participants; its penalty and amplitude are cross-validated among them.

    Parameters
    ----------
    participants : sequence of SimulatedParticipant

    Returns
    -------
    RidgeFit
    """

    def reader(participant: SimulatedParticipant) -> Callable[[], tuple[Floats, Floats]]:
        return lambda: (participant.rest[:, GREY[BRAIN]], participant.task)

    parcels = winner_take_all(rois())[GREY[BRAIN]].astype(np.int16)
    names = [participant.name for participant in participants]
    return fit_ridge([reader(participant) for participant in participants], parcels, names)


def ridge_predictor(model: RidgeModel) -> Predict:
    """Return the predictor of a ridge regression.

    Parameters
    ----------
    model : RidgeModel

    Returns
    -------
    function
    """
    return lambda participant: model.predict(participant.rest[:, GREY[BRAIN]])


def constant_predictor(maps: Floats) -> Predict:
    """Return a predictor of the same maps for all participants.

    Parameters
    ----------
    maps : array of shape (n_contrasts, n_voxels)

    Returns
    -------
    function
    """
    return lambda participant: maps  # noqa: ARG005


def stack(predict: Predict, participants: Sequence[SimulatedParticipant]) -> Maps:
    """Predict the maps of participants.

    Parameters
    ----------
    predict : function
        Predictor.
    participants : sequence of SimulatedParticipant

    Returns
    -------
    array of shape (n_participants, n_contrasts, n_voxels)
    """
    return np.stack([predict(participant) for participant in participants])
