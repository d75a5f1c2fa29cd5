"""Weights of a trained network as arrays."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from bids_deeptaskgen.models.bundle import Bundle

# The last layer, which alone knows the contrasts.
HEAD = ("out_block.1.weight", "out_block.1.bias")


def trained_weights(state: Mapping[str, Tensor], grafted: Bundle | None = None) -> dict[str, NDArray[Any]]:
    """Give a network's state as arrays, with the last layer of another model if one is named."""
    whole = with_head(state, bundle_tensors(grafted)) if grafted else state
    return {key: value.numpy() for key, value in whole.items()}


def bundle_tensors(bundle: Bundle) -> dict[str, Tensor]:
    """Return the weights of a bundle as tensors."""
    return {key: torch.from_numpy(value) for key, value in bundle.weights().items()}


def with_head(state: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give a network the last layer of another one.

    A network that was fine-tuned on some of its contrasts predicts the others again with the layer that it
    came with, as published.

    Parameters
    ----------
    state, other : mapping of str to tensor
        Of networks with the same number of channels before the last layer.

    Returns
    -------
    dict of str to tensor
    """
    return {**state, **{key: other[key] for key in HEAD}}
