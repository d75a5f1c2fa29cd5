"""The golden numbers, as arrays (their origin is told in golden/README.md)."""

from pathlib import Path

import numpy as np
import torch

from bids_deeptaskgen.nn.architecture import read_architecture
from bids_deeptaskgen.nn.attention_unet import AttentionUNet

GOLDEN = Path(__file__).parent / "golden"
NETWORKS = ("L1_n1", "L1_n1_nobn", "L2_n2")


def golden_arrays(name):
    """All arrays of one file."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        return dict(file)


def golden_network(name):
    """The network of one file in its published state, and the file's arrays."""
    arrays = golden_arrays(f"model_attentionunet_{name}")
    state = {key.removeprefix("sd/"): value for key, value in arrays.items() if key.startswith("sd/")}
    network = AttentionUNet(read_architecture({key: value.shape for key, value in state.items()}, name))
    network.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    return network, arrays


def golden_input():
    """The input of all networks, (2, 5, 14, 17, 15)."""
    return torch.from_numpy(golden_arrays("model_input")["input"])
