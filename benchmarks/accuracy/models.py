"""Networks and linear model: fit and prediction."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.accuracy.cohort import BRAIN, GREY, Floats, SimulatedParticipant, rois
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nn.unet import new_network
from bids_deeptaskgen.stats.calibration import Calibration, apply_calibration
from bids_deeptaskgen.stats.linear_model import LinearModel, winner_take_all
from bids_deeptaskgen.training.devices import make_fabric
from bids_deeptaskgen.training.fit import fit
from bids_deeptaskgen.training.fit_records import Epoch, Fit, FitSettings
from bids_deeptaskgen.training.masked_unet import MaskedUNet
from bids_deeptaskgen.training.validation import predict_participant

Maps = NDArray[np.float32]  # (n_participants, n_contrasts, n_voxels)


def wrap_network(network: torch.nn.Module) -> MaskedUNet:
    """Wrap a network with brain and grey-matter mask."""
    return MaskedUNet(network, BRAIN, GREY)  # type: ignore[arg-type]


def train(
    name: str,
    start: Callable[[], MaskedUNet],
    participants: Sequence[SimulatedParticipant],
    validation: Sequence[SimulatedParticipant],
    settings: FitSettings,
    work: Path,
) -> tuple[MaskedUNet, Fit]:
    """Fit a network and load the weights of its best epoch.

    Parameters
    ----------
    name : str
        Name in the log, and of the folder in `work`.
    start : function
        Returns the network before training.
    participants, validation : sequence of SimulatedParticipant
        Training and validation participants.
    settings : FitSettings
    work : Path
        Folder for the training state.

    Returns
    -------
    tuple of MaskedUNet and Fit
    """

    def print_epoch(line: Epoch) -> None:
        print(
            f"{name} epoch {line.epoch}: loss {line.train_loss:.3f} / {line.validation_loss:.3f}, "
            f"r {line.r:.4f}, difference {line.difference:.4f}, {line.seconds:.0f} s",
            flush=True,
        )

    module = start()
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    result = fit(make_fabric("cpu"), module, participants, validation, settings, folder, print_epoch)
    module.network.load_state_dict(result.best_state)
    return module.eval(), result


def predictions(module: MaskedUNet, participants: Sequence[SimulatedParticipant]) -> Maps:
    """Predict maps with a network.

    Parameters
    ----------
    module : MaskedUNet
    participants : sequence of SimulatedParticipant

    Returns
    -------
    array of shape (n_participants, n_contrasts, n_voxels)
    """
    return np.stack(
        [predict_participant(module, participant, torch.device("cpu")) for participant in participants]
    )


def linear(participants: Sequence[SimulatedParticipant]) -> LinearModel:
    """Fit the linear model of Tavor et al. (2016)."""
    model = LinearModel(winner_take_all(rois())[GREY[BRAIN]], len(rois()), len(participants[0].task))
    for participant in participants:
        model.add(participant.rest[:, GREY[BRAIN]], participant.task)
    return model


def linear_maps(model: LinearModel, participants: Sequence[SimulatedParticipant]) -> Maps:
    """Predict maps with the linear model.

    Parameters
    ----------
    model : LinearModel
    participants : sequence of SimulatedParticipant

    Returns
    -------
    array of shape (n_participants, n_contrasts, n_voxels)
    """
    return np.stack([model.predict(participant.rest[:, GREY[BRAIN]]) for participant in participants])


def calibrate(
    predicted: Maps, validation_maps: Maps, validation: Sequence[SimulatedParticipant], mean: Floats
) -> Maps:
    """Move predictions towards the mean map, with weights estimated on validation participants.

    Parameters
    ----------
    predicted : array of shape (n_participants, n_contrasts, n_voxels)
        Maps to calibrate.
    validation_maps : array of shape (n_validation, n_contrasts, n_voxels)
        Predictions for the validation participants.
    validation : sequence of SimulatedParticipant
    mean : array of shape (n_contrasts, n_voxels)
        Mean of the measured maps of the training participants.

    Returns
    -------
    array of shape (n_participants, n_contrasts, n_voxels)
    """
    calibration = Calibration(len(mean))
    for maps, participant in zip(validation_maps, validation, strict=True):
        calibration.add(maps, participant.task, mean)
    return np.stack([apply_calibration(maps, mean, calibration.weights) for maps in predicted])


def copy_of(module: MaskedUNet, architecture: Architecture) -> MaskedUNet:
    """Copy a network with its weights.

    Parameters
    ----------
    module : MaskedUNet
    architecture : Architecture
        Architecture of `module`.

    Returns
    -------
    MaskedUNet
    """
    network = new_network(architecture, 0)
    network.load_state_dict(module.network.state_dict())
    return wrap_network(network)
