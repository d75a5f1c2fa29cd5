"""The published network, against numbers that the published code gave."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.nn.architecture import Architecture, count_parameters
from bids_deeptaskgen.nn.attention_unet import AttentionUNet, resize
from tests.bundles import TINY, tiny_network
from tests.golden_files import GOLDEN, NETWORKS, golden_input, golden_network


@pytest.mark.parametrize("name", NETWORKS)
def test_evaluation_gives_the_published_output(name):
    network, golden = golden_network(name)
    with torch.no_grad():
        output = network.eval()(golden_input()).numpy()
    np.testing.assert_allclose(output, golden["output_eval"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["L1_n1", "L1_n1_nobn"])
def test_evaluation_in_float64_gives_the_published_output(name):
    network, golden = golden_network(name)
    with torch.no_grad():
        output = network.double().eval()(golden_input()[:1].double()).numpy()
    np.testing.assert_allclose(output, golden["output_eval_f64"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_training_mode_gives_the_published_output(name):
    network, golden = golden_network(name)
    with torch.no_grad():
        # In float64, since the published float32 output is itself up to 4e-6 from it.
        output = network.double().train()(golden_input().double()).numpy()
    difference = output - golden["output_train"]
    assert np.abs(difference).max() < 1e-5
    assert np.sqrt((difference**2).mean()) < 1e-6


@pytest.mark.parametrize("name", NETWORKS)
def test_training_mode_leaves_the_published_running_statistics(name):
    network, golden = golden_network(name)
    with torch.no_grad():
        network.train()(golden_input())
    state = network.state_dict()
    wanted = {key.removeprefix("sd_after_train/"): v for key, v in golden.items() if "after_train" in key}
    assert len(wanted) == sum("running_" in key or "num_batches" in key for key in state)
    for key, value in wanted.items():
        np.testing.assert_allclose(state[key].numpy(), value, rtol=1e-6, atol=1e-6, err_msg=key)


def test_published_size_has_the_published_state():
    published = json.loads((GOLDEN / "attentionunet_fdim64.json").read_text("utf-8"))
    with torch.device("meta"):
        state = AttentionUNet(Architecture()).state_dict()
    described = {key: [str(value.dtype)[6:], list(value.shape)] for key, value in state.items()}
    assert list(described.items()) == list(published["state_dict"].items())
    assert count_parameters({key: value.shape for key, value in state.items()}) == 3_450_865
    assert published["n_params"] == 3_450_865


@given(
    shape=st.tuples(*[st.integers(8, 13)] * 3),
    max_level=st.integers(1, 2),
    n_conv=st.integers(1, 2),
    batch_norm=st.booleans(),
)
@settings(max_examples=12, deadline=None)
def test_output_has_the_size_of_the_input(shape, max_level, n_conv, batch_norm):
    config = Architecture("attentionunet", 3, 2, 2, max_level, n_conv, batch_norm)
    with torch.no_grad():
        assert tiny_network(config)(torch.zeros(1, 3, *shape)).shape == (1, 2, *shape)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_in_evaluation_mode_people_of_a_batch_do_not_touch_each_other(seed):
    network, x = tiny_network(), torch.randn(3, 3, 9, 8, 11, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        together, alone = network(x), torch.cat([network(person[None]) for person in x])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_every_weight_takes_part_in_the_output():
    network = tiny_network().train()
    network(torch.randn(2, 3, 8, 9, 10, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert still == []


def test_the_head_on_voxels_is_the_last_layer_on_the_box():
    network, x = tiny_network(), torch.randn(1, 3, 8, 9, 10)
    with torch.no_grad():
        rows = network.features(x)[0].flatten(1).T
        np.testing.assert_allclose(network.head(rows).T, network(x)[0].flatten(1), rtol=0, atol=1e-6)


def test_resizing_to_its_own_size_is_nothing():
    x = torch.randn(1, 2, 4, 5, 6)
    assert resize(x, torch.empty(1, 9, 4, 5, 6)) is x


def test_a_network_without_levels_is_refused():
    with pytest.raises(ValueError, match="at least one level"):
        AttentionUNet(Architecture(max_level=0))


def test_the_tiny_network_is_what_its_config_says():
    assert tiny_network().config == TINY
