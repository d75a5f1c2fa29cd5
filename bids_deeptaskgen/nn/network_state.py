"""Network states: conversion to arrays, selection of output channels, replacement of the last layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from bids_deeptaskgen.models.bundle import Bundle

# The last layer, the only one that depends on the contrasts.
HEAD = ("out_block.1.weight", "out_block.1.bias")


def state_arrays(state: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """Return a network's state as arrays.

    Parameters
    ----------
    state : mapping of str to tensor
        State of a network on the CPU.

    Returns
    -------
    dict of str to array
        Arrays that share the memory of the tensors.
    """
    return {key: value.numpy() for key, value in state.items()}


def bundle_state(bundle: Bundle) -> dict[str, Tensor]:
    """Read the weights of a bundle as tensors.

    Parameters
    ----------
    bundle : Bundle

    Returns
    -------
    dict of str to tensor
        Tensors on the CPU, by name of the network's state.
    """
    return {key: torch.from_numpy(value) for key, value in bundle.weights().items()}


def replace_head(state: Mapping[str, Tensor], source: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace the last layer of a network by that of another network.

    A network that was fine-tuned on some contrasts predicts the remaining ones with its original last layer,
    as in the published procedure.

    Parameters
    ----------
    state, source : mapping of str to tensor
        States of two networks with the same number of input channels of the last layer; the layer is taken
        from `source`.

    Returns
    -------
    dict of str to tensor
    """
    return {**state, **{key: source[key] for key in HEAD}}


def select_channels(state: Mapping[str, Tensor], channels: Sequence[int]) -> dict[str, Tensor]:
    """Select output channels of a network, i.e. rows of its last layer.

    Parameters
    ----------
    state : mapping of str to tensor
    channels : sequence of int
        Indices of the channels, in the order of the result.

    Returns
    -------
    dict of str to tensor
    """
    return {key: value[list(channels)] if key in HEAD else value for key, value in state.items()}
