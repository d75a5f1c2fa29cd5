"""Predictors of a fold, fitted to the participants who are not tested.

They predict the tested participants. For the weights of the calibration, they also predict participants who
are not tested but held out: each of them by a model that was not fitted to this participant.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cohort import BRAIN, GREY, rois
from benchmarks.accuracy.models import Maps, linear, linear_maps, predictions, train, wrap_network
from benchmarks.real.participants import CONTRASTS, RealParticipant
from bids_deeptaskgen.io.atomic import atomic_path
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nn.unet import new_network
from bids_deeptaskgen.stats.linear_model import LinearModel, winner_take_all
from bids_deeptaskgen.stats.ridge import RidgeModel, fit_ridge
from bids_deeptaskgen.training.fit_records import FitSettings
from bids_deeptaskgen.training.losses import LossSettings

Rows = NDArray[np.intp]
N_INNER_FOLDS = 4
# Of 12 training participants, so that an epoch has 6 steps.
BATCH_SIZE = 2


@dataclass(frozen=True)
class Fold:
    """A fold of the cross-validation; numbers of participants.

    Attributes
    ----------
    repeat : int
        Repeat of the cross-validation, from 0.
    index : int
        From 0 in each repeat.
    test : integer array of shape (n_test,)
        Participants to test.
    not_tested : integer array of shape (n_not_tested,)
        All others, in random order.
    n_validation : int
        How many of the others, the first ones, are the validation participants of a network.
    """

    repeat: int
    index: int
    test: Rows
    not_tested: Rows
    n_validation: int

    @property
    def validation(self) -> Rows:
        """Return the validation participants of a network, (n_validation,)."""
        return self.not_tested[: self.n_validation]

    @property
    def training(self) -> Rows:
        """Return the training participants of a network, (n_training,)."""
        return self.not_tested[self.n_validation :]


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model in one fold.

    Attributes
    ----------
    test : array of shape (n_test, n_contrasts, n_voxels)
        Maps of the tested participants.
    held_out : array of shape (n_held_out, n_contrasts, n_voxels)
        Maps of participants who are not tested, by models that were not fitted to them.
    held_out_rows : integer array of shape (n_held_out,)
        Numbers of these participants.
    is_in_mean : boolean array of shape (n_held_out, n_participants)
        For each of them, the participants whose measured maps are averaged into the mean for the calibration.
    """

    test: Maps
    held_out: Maps
    held_out_rows: Rows
    is_in_mean: NDArray[np.bool_]

    def save(self, path: Path) -> None:
        """Write the predictions to an npz file."""
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(self))

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Read predictions from an npz file."""
        with np.load(path) as arrays:
            return cls(**arrays)


def divide(n_participants: int, n_folds: int, n_validation: int, seed: int, repeat: int = 0) -> list[Fold]:
    """Divide participants into folds at random, differently in each repeat.

    Parameters
    ----------
    n_participants, n_folds : int
    n_validation : int
        Validation participants of a network among those who are not tested.
    seed, repeat : int
        The folds of a repeat do not depend on the number of repeats.

    Returns
    -------
    list of Fold
        Every participant is tested in one fold.
    """
    rng = np.random.default_rng([seed, repeat] if repeat else seed)
    parts = np.array_split(rng.permutation(n_participants), n_folds)
    return [
        Fold(
            repeat,
            index,
            np.sort(test),
            rng.permutation(np.setdiff1d(np.arange(n_participants), test)),
            n_validation,
        )
        for index, test in enumerate(parts)
    ]


def predict_by_network(
    participants: Sequence[RealParticipant],
    fold: Fold,
    folder: Path,
    *,
    fdim: int,
    n_epochs: int,
    loss: str,
) -> Predictions:
    """Train a network and predict with the weights of its best epoch; an interrupted training continues.

    Parameters
    ----------
    participants : sequence of RealParticipant
    fold : Fold
    folder : Path
        Folder for the state of the training.
    fdim : int
        Channels at full resolution.
    n_epochs : int
    loss : str
        Name of the loss.

    Returns
    -------
    Predictions
        The validation participants are held out. Their mean map is that of all who are not tested but
        themselves.
    """
    architecture = Architecture(out_channels=len(participants[0].activation), fdim=fdim)
    settings = FitSettings(
        LossSettings(loss), n_epochs=n_epochs, batch_size=BATCH_SIZE, learning_rate=2e-3, schedule="cosine"
    )
    sets = [[participants[row] for row in rows] for rows in (fold.training, fold.validation, fold.test)]
    training, validation, test = sets
    module, _ = train(
        "network", lambda: wrap_network(new_network(architecture, 1)), training, validation, settings, folder
    )
    is_in_mean = np.zeros((len(validation), len(participants)), bool)
    is_in_mean[:, fold.not_tested] = True
    is_in_mean[np.arange(len(validation)), fold.validation] = False
    return Predictions(
        predictions(module, test), predictions(module, validation), fold.validation, is_in_mean
    )


class LinearFits:
    """Linear models of Tavor et al. for any choice of participants.

    Coefficients are means over participants, so each participant is fitted once, when first needed.

    Parameters
    ----------
    participants : sequence of RealParticipant
    """

    def __init__(self, participants: Sequence[RealParticipant]) -> None:
        self._participants = participants
        self._models: dict[int, LinearModel] = {}

    def model(self, rows: Rows) -> LinearModel:
        """Return the model of some participants.

        Parameters
        ----------
        rows : integer array of shape (n_selected,)
            Numbers of the participants.

        Returns
        -------
        LinearModel
        """
        merged = LinearModel(winner_take_all(rois())[GREY[BRAIN]], len(rois()), len(CONTRASTS))
        for row in rows.tolist():
            if row not in self._models:
                self._models[row] = linear([self._participants[row]])
            merged.merge(self._models[row])
        return merged


def predict_by_linear_model(
    participants: Sequence[RealParticipant], fold: Fold, fits: LinearFits
) -> Predictions:
    """Predict by the linear model of all who are not tested, and by those of inner folds.

    Parameters
    ----------
    participants : sequence of RealParticipant
    fold : Fold
    fits : LinearFits
        Of the same participants.

    Returns
    -------
    Predictions
        All who are not tested are held out, each in one of the inner folds.
    """
    inner_folds = np.arange(len(fold.not_tested)) % N_INNER_FOLDS
    predict = [
        partial(linear_maps, fits.model(fold.not_tested[inner_folds != number]))
        for number in range(N_INNER_FOLDS)
    ]
    test = linear_maps(fits.model(fold.not_tested), [participants[row] for row in fold.test])
    return _out_of_fold(test, predict, inner_folds, participants, fold)


def predict_by_ridge(participants: Sequence[RealParticipant], fold: Fold) -> Predictions:
    """Fit the ridge model to all who are not tested; its inner folds predict them.

    Parameters
    ----------
    participants : sequence of RealParticipant
    fold : Fold

    Returns
    -------
    Predictions
        All who are not tested are held out.
    """
    test, not_tested = ([participants[row] for row in rows] for rows in (fold.test, fold.not_tested))

    def load(participant: RealParticipant) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return participant.rest[:, GREY[BRAIN]], participant.task

    ridge = fit_ridge(
        [partial(load, participant) for participant in not_tested],
        winner_take_all(rois())[GREY[BRAIN]],
        [participant.name for participant in not_tested],
    )
    predict = [partial(_ridge_maps, model) for model in ridge.fold_models]
    return _out_of_fold(_ridge_maps(ridge.model, test), predict, ridge.folds, participants, fold)


def _ridge_maps(model: RidgeModel, participants: Sequence[RealParticipant]) -> Maps:
    return np.stack([model.predict(participant.rest[:, GREY[BRAIN]]) for participant in participants])


def _out_of_fold(
    test: Maps,
    predict: Sequence[Callable[[Sequence[RealParticipant]], Maps]],
    inner_folds: Rows,
    participants: Sequence[RealParticipant],
    fold: Fold,
) -> Predictions:
    """Predict all who are not tested by the model of their inner fold.

    The mean map of each is that of the participants to whom the same model was fitted.
    """
    held_out = [
        predict[inner_fold]([participants[row]])[0]
        for row, inner_fold in zip(fold.not_tested, inner_folds, strict=True)
    ]
    is_in_mean = np.zeros((len(held_out), len(participants)), bool)
    is_in_mean[:, fold.not_tested] = inner_folds[:, None] != inner_folds
    return Predictions(test, np.stack(held_out), fold.not_tested, is_in_mean)
