"""A network that begins with the weights of another, and its weights when it is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from bids_deeptaskgen.nn.bundle import Bundle
from bids_deeptaskgen.nn.devices import new_network
from bids_deeptaskgen.nn.network import check_weights
from bids_deeptaskgen.nn.parts import with_channels, with_head
from bids_deeptaskgen.nn.unet import UNet


def child_network(parent: Bundle, channels: Sequence[int] | None, n_channels: int, seed: int) -> UNet:
    """Make a network that begins as its parent.

    Parameters
    ----------
    parent : Bundle
    channels : sequence of int, or None
        Which of the parent's outputs it has; None for a new last layer.
    n_channels : int
        How many outputs it has.
    seed : int
        Of a new last layer.

    Returns
    -------
    UNet

    Raises
    ------
    UserError
        If the parent's weights do not fit its card.
    """
    check_weights(parent)
    network = new_network(replace(parent.card.architecture, out_channels=n_channels), seed)
    state = _tensors(parent)
    network.load_state_dict(
        with_head(state, network.state_dict()) if channels is None else with_channels(state, channels)
    )
    return network


def trained_weights(state: Mapping[str, Tensor], grafted: Bundle | None = None) -> dict[str, NDArray[Any]]:
    """Give a network's state as arrays, with the last layer of another model if one is named."""
    whole = with_head(state, _tensors(grafted)) if grafted else state
    return {key: value.numpy() for key, value in whole.items()}


def _tensors(bundle: Bundle) -> dict[str, Tensor]:
    return {key: torch.from_numpy(value) for key, value in bundle.weights().items()}
