"""People as training sees them, and how well a network does with those whom it is not trained on."""

from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bids_deeptaskgen.io.prefetch import prefetch
from bids_deeptaskgen.stats.identification import match
from bids_deeptaskgen.stats.scores import mean

Floats = NDArray[np.float32]


class Participant(Protocol):
    """What a training reads of a person; `training.data` has those that lie in datasets."""

    @property
    def name(self) -> str:
        """Name that no other person has; draws follow from it."""

    @property
    def n_windows(self) -> int:
        """Number of connectomes."""

    def connectome(self, window: int) -> Floats:
        """Read a connectome, (n_rois, n_brain_voxels)."""

    def statmaps(self) -> Floats:
        """Read the measured maps, (n_contrasts, n_output_voxels); NaN where nothing was measured."""


def batch_scores(predicted: Floats, measured: Floats) -> tuple[float, float]:
    """Score the maps of some people.

    Parameters
    ----------
    predicted, measured : array of shape (n_people, n_contrasts, n_voxels)
        NaN in `measured` for contrasts that a person lacks; voxels that somebody lacks are left out.

    Returns
    -------
    r : float
        Mean over contrasts of the mean spatial r of people with their own prediction.
    difference : float
        How much larger that is than with the predictions of others; NaN for one person.
    """
    own, differences = [], []
    for contrast in range(measured.shape[1]):
        of_all = measured[:, contrast]
        has = np.isfinite(of_all).any(axis=1)
        voxels = np.isfinite(of_all[has]).all(axis=0)
        if not has.any() or not voxels.any():
            continue
        matching = match(
            of_all[has][:, voxels], predicted[has, contrast][:, voxels], np.random.default_rng(0)
        )
        own.append(mean(matching.own))
        differences.append(mean(matching.difference))
    return mean(np.array(own)), mean(np.array(differences))


@torch.no_grad()
def predict_participant(module: nn.Module, participant: Participant, device: torch.device) -> Floats:
    """Mean over all windows of what a network in evaluation mode makes of a person.

    Parameters
    ----------
    module : MaskedUNet, or what Fabric made of it
    participant : Person
    device : torch.device

    Returns
    -------
    float32 array of shape (n_contrasts, n_output_voxels)
    """
    windows = prefetch(
        torch.from_numpy(participant.connectome(number)) for number in range(participant.n_windows)
    )
    total = sum((module(window[None].to(device))[0].float() for window in windows), torch.zeros(()))
    return cast(Floats, (total / participant.n_windows).cpu().numpy())
