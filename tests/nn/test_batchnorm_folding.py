"""Folding of batch normalisation."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bids_deeptaskgen.nn.batchnorm_folding import fold_batch_norm
from bids_deeptaskgen.nn.unet import ResidualBlock
from tests.bundles import TINY, tiny_network
from tests.golden_files import NETWORKS, golden_input, golden_network


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
def test_folding_does_not_change_the_output(name, memory_format):
    network, x = golden_network(name)[0].eval(), golden_input()
    fast = fold_batch_norm(network).to(memory_format=memory_format)
    with torch.no_grad():
        expected, output = network(x).numpy(), fast(x.to(memory_format=memory_format)).numpy()
    assert np.abs(output - expected).max() < 1e-5 * expected.std()


@pytest.mark.parametrize("name", [name for name in NETWORKS if "resunet" not in name])
def test_a_folded_network_has_no_batch_normalisation_in_layers_and_config(name):
    fast = fold_batch_norm(golden_network(name)[0])
    assert not any(isinstance(layer, torch.nn.BatchNorm3d) for layer in fast.modules())
    assert not fast.config.batch_norm
    assert not fast.training


def test_the_first_normalisation_of_a_residual_block_stays():
    network = tiny_network(replace(TINY, name="resunet", n_conv=3))
    fast, x = fold_batch_norm(network), torch.randn(2, 3, 8, 9, 10)
    blocks = [module for module in fast.modules() if isinstance(module, ResidualBlock)]
    for block in blocks:
        assert [isinstance(layer, torch.nn.BatchNorm3d) for layer in block.conv] == [True] + [False] * 6
    assert len(blocks) == 5
    assert fast.config == network.config
    with torch.no_grad():
        assert (fast(x) - network(x)).abs().max() < 1e-5 * network(x).std()


def test_folding_does_not_change_the_original_network():
    network, arrays = golden_network("attentionunet_L2_n2")
    network.train()
    fold_batch_norm(network)
    assert network.training
    assert network.config.batch_norm
    for key, value in network.state_dict().items():
        np.testing.assert_array_equal(value, arrays[f"sd/{key}"])
