"""Validation of a network on participants that it is not trained on."""

from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bids_deeptaskgen.io.prefetch import prefetch
from bids_deeptaskgen.stats.identification import cross_match
from bids_deeptaskgen.stats.scores import mean

Floats = NDArray[np.float32]


class Participant(Protocol):
    """A participant as a training reads them; `CachedParticipant` reads from datasets."""

    @property
    def name(self) -> str:
        """Return the unique name of the participant's session; random numbers follow from it."""

    @property
    def n_windows(self) -> int:
        """Return the number of connectomes, one for each window."""

    def connectome(self, window: int) -> Floats:
        """Read the connectome of a window, shape (n_rois, n_brain_voxels).

        Parameters
        ----------
        window : int
            Index of the window, 0 to ``n_windows - 1``.
        """

    def statmaps(self) -> Floats:
        """Load the measured maps, shape (n_contrasts, n_output_voxels); NaN where there is no value."""


def batch_scores(predicted: Floats, measured: Floats) -> tuple[float, float]:
    """Compare predicted maps with the measured maps of some participants.

    Parameters
    ----------
    predicted, measured : array of shape (n_participants, n_contrasts, n_voxels)
        NaN in `measured` for a participant's missing contrasts; voxels with a missing value are excluded.

    Returns
    -------
    r : float
        Spatial r between measured and predicted maps, averaged over participants and contrasts.
    difference : float
        Excess of r over that with other participants' predictions; NaN for a single participant.
    """
    correlations, differences = [], []
    for contrast in range(measured.shape[1]):
        maps = measured[:, contrast]
        has_map = np.isfinite(maps).any(axis=1)
        voxels = np.isfinite(maps[has_map]).all(axis=0)
        if not has_map.any() or not voxels.any():
            continue
        matching = cross_match(
            maps[has_map][:, voxels], predicted[has_map, contrast][:, voxels], np.random.default_rng(0)
        )
        correlations.append(mean(matching.self_r))
        differences.append(mean(matching.difference))
    return mean(np.array(correlations)), mean(np.array(differences))


@torch.no_grad()
def predict_participant(module: nn.Module, participant: Participant, device: torch.device) -> Floats:
    """Predict a participant's maps, averaged over all windows, by a network in evaluation mode.

    Parameters
    ----------
    module : MaskedUNet, or its Fabric wrapper
    participant : Participant
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
