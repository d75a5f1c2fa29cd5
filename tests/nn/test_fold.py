"""Folding batch normalisation away."""

import numpy as np
import pytest
import torch

from bids_deeptaskgen.nn.fold import folded
from tests.golden_files import NETWORKS, golden_input, golden_network


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
def test_folding_changes_nothing(name, memory_format):
    network, x = golden_network(name)[0].eval(), golden_input()
    fast = folded(network).to(memory_format=memory_format)
    with torch.no_grad():
        plain, output = network(x).numpy(), fast(x.to(memory_format=memory_format)).numpy()
    assert np.abs(output - plain).max() < 1e-5 * plain.std()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_folded_network_has_no_batch_normalisation_and_says_so(name):
    fast = folded(golden_network(name)[0])
    assert not any(isinstance(layer, torch.nn.BatchNorm3d) for layer in fast.modules())
    assert not fast.config.batch_norm
    assert not fast.training


def test_folding_leaves_the_network_as_it_was():
    network, arrays = golden_network("L2_n2")
    network.train()
    folded(network)
    assert network.training
    assert network.config.batch_norm
    for key, value in network.state_dict().items():
        np.testing.assert_array_equal(value, arrays[f"sd/{key}"])
