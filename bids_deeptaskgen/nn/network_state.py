"""The state of a network: as arrays, with other outputs, with another last layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from bids_deeptaskgen.models.bundle import Bundle

# The last layer, which alone depends on the contrasts.
HEAD = ("out_block.1.weight", "out_block.1.bias")


def state_arrays(state: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """Return a network's state as arrays."""
    return {key: value.numpy() for key, value in state.items()}


def bundle_state(bundle: Bundle) -> dict[str, Tensor]:
    """Read the weights of a bundle as tensors."""
    return {key: torch.from_numpy(value) for key, value in bundle.weights().items()}


def replace_head(state: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace the last layer of a network by that of another one.

    A network that was fine-tuned on some of its contrasts predicts the others again with its original last
    layer, as published.

    Parameters
    ----------
    state, other : mapping of str to tensor
        Of networks with the same number of channels before the last layer.

    Returns
    -------
    dict of str to tensor
    """
    return {**state, **{key: other[key] for key in HEAD}}


def select_channels(state: Mapping[str, Tensor], channels: Sequence[int]) -> dict[str, Tensor]:
    """Keep some outputs of a network: the rows of its last layer.

    Parameters
    ----------
    state : mapping of str to tensor
    channels : sequence of int
        Numbers of the outputs, in the order that they get.

    Returns
    -------
    dict of str to tensor
    """
    return {key: value[list(channels)] if key in HEAD else value for key, value in state.items()}
