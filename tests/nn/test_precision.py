"""Reduced precision agrees with float32 within a tolerance, or is refused."""

import numpy as np
import pytest
import torch

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nn import network as network_module
from bids_deeptaskgen.nn.network import make_network
from bids_deeptaskgen.nn.precision import check_precision, precision_context
from bids_deeptaskgen.nn.predict import predict_windows
from bids_deeptaskgen.nn.unet import new_network

CPU = torch.device("cpu")
SIZE = (12, 10, 14)


def tiny_network():
    """Build a network whose output depends more on its input than on its biases."""
    network = new_network(Architecture(in_channels=5, out_channels=3, fdim=4), seed=1).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            value.mul_(0 if name.endswith("bias") else 2)
    return network


def test_maps_in_bfloat16_are_close_to_float32_but_not_equal():
    full_mask = np.ones(SIZE, bool)
    connectome = np.random.default_rng(2).uniform(-0.5, 0.5, (5, full_mask.sum())).astype(np.float32)
    exact, approximate = (
        predict_windows(make_network(tiny_network(), full_mask, full_mask, precision=name), [connectome])[0]
        for name in ("fp32", "bf16")
    )
    assert approximate.dtype == np.float32
    assert 0 < (approximate - exact).std() < 0.02 * exact.std()


def test_a_network_that_is_inaccurate_in_bfloat16_is_refused():
    network = tiny_network()
    with torch.no_grad():
        # The maps are small differences of two features that are nearly equal in bfloat16.
        features = network.out_block[0].conv[0]
        features.weight[1] = 1.001 * features.weight[0]
        features.bias[:2] = 1.0
        network.out_block[1].weight.zero_()[:, :2] = torch.tensor([1e3, -1e3])[:, None, None, None]
    check_precision(network, CPU, "fp32", SIZE)
    with pytest.raises(UserError, match="`precision` bf16.*of their SD"):
        make_network(network, np.ones(SIZE, bool), np.ones(SIZE, bool), precision="bf16")


def test_tf32_is_refused_without_a_gpu():
    with pytest.raises(UserError, match="only NVIDIA"):
        check_precision(tiny_network(), CPU, "tf32", SIZE)


def test_the_example_has_the_size_and_batch_of_the_prediction(monkeypatch):
    shapes = []
    network = tiny_network()
    monkeypatch.setattr(type(network), "forward", lambda self, box: shapes.append(box.shape) or box)
    check_precision(network, CPU, "bf16", SIZE, 3)
    assert shapes == [(3, 5, *SIZE)] * 2
    calls = []
    monkeypatch.setattr(network_module, "check_precision", lambda *values: calls.append(values[3:]))
    make_network(network, np.ones(SIZE, bool), np.ones(SIZE, bool), precision="bf16")
    assert calls == [(SIZE, 1)]


@pytest.mark.parametrize("wrong", ["size", "batch"])
def test_an_error_that_depends_on_size_or_batch_is_detected(monkeypatch, wrong):
    network = tiny_network()
    forward = type(network).forward

    def faulty(self, box):
        maps = forward(self, box)
        is_large = box.shape[2] > 10 if wrong == "size" else len(box) > 1
        if is_large and torch.is_autocast_enabled("cpu"):
            maps[-1] *= 1.5
        return maps

    monkeypatch.setattr(type(network), "forward", faulty)
    n_batch = 2 if wrong == "batch" else 1
    check_precision(network, CPU, "bf16", (8, 8, 8), 1)
    with pytest.raises(UserError, match="`precision` bf16"):
        check_precision(network, CPU, "bf16", SIZE, n_batch)


def test_settings_of_torch_are_restored():
    settings = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with precision_context(CPU, "tf32"):
        assert torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cudnn.allow_tf32
    with precision_context(CPU, "fp32"):
        assert not torch.backends.cuda.matmul.allow_tf32
        assert not torch.backends.cudnn.allow_tf32
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == settings
