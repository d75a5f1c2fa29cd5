"""The golden numbers, as arrays (golden/README.md explains their origin)."""

from pathlib import Path

import numpy as np
import torch

from bids_deeptaskgen.models.architecture import read_architecture
from bids_deeptaskgen.nn.unet import UNet

GOLDEN = Path(__file__).parent / "golden"
NETWORKS = (
    "attentionunet_L1_n1",
    "attentionunet_L1_n1_nobn",
    "attentionunet_L2_n2",
    "attentionunetminimal_L1_n1",
    "attentionunetminimal_L2_n2",
    "unet_L1_n1",
    "unet_L2_n2",
    "unetminimal_L1_n1",
    "unetminimal_L2_n2",
    "resunet_L1_n1",
    "resunet_L2_n2",
)


def golden_arrays(name):
    """Load all arrays of a file."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        return dict(file)


def every_fourth(array):
    """Select every fourth value, as stored of large arrays; no size is a multiple of four."""
    return np.asarray(array).ravel()[::4]


def network_of(state):
    """Build the network that a state of arrays belongs to, with its weights."""
    network = UNet(read_architecture({key: value.shape for key, value in state.items()}, "golden"))
    network.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    return network


def part(arrays, group):
    """Return the arrays of a group, without the group's name."""
    return {key.removeprefix(group): value for key, value in arrays.items() if key.startswith(group)}


def golden_network(name):
    """Build the network of a file in its published state; return it with the file's arrays."""
    arrays = golden_arrays(f"model_{name}")
    return network_of(part(arrays, "sd/")), arrays


def golden_input():
    """Load the input of all networks, shape (2, 5, 14, 17, 15)."""
    return torch.from_numpy(golden_arrays("model_input")["input"])
