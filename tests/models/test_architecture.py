"""Derivation of a network's architecture from its weights."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.architecture import (
    Architecture,
    count_parameters,
    read_architecture,
)
from bids_deeptaskgen.nn.unet import FAMILY, UNet

ARCHITECTURES = st.builds(
    Architecture,
    name=st.sampled_from(list(FAMILY)),
    in_channels=st.integers(1, 7),
    out_channels=st.integers(1, 7),
    fdim=st.integers(1, 4),
    max_level=st.integers(1, 3),
    n_conv=st.integers(1, 3),
    batch_norm=st.booleans(),
).filter(lambda architecture: architecture.batch_norm or architecture.name != "resunet")


@given(architecture=ARCHITECTURES)
@settings(max_examples=100, deadline=None)
def test_the_architecture_follows_from_the_weights(architecture):
    network = UNet(architecture)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert read_architecture(shapes, "source") == architecture
    assert count_parameters(shapes) == sum(parameter.numel() for parameter in network.parameters())


def test_a_residual_network_is_recognised_without_a_projection_in_its_first_block():
    architecture = Architecture("resunet", in_channels=4, out_channels=3, fdim=4)
    state = UNet(architecture).state_dict()
    assert not any(key.startswith("in_block.skip") for key in state)
    assert read_architecture({key: tuple(value.shape) for key, value in state.items()}, "x") == architecture


def shapes_of(name):
    state = UNet(Architecture(name, 3, 2, 2)).state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("group", ["in_block", "downs", "bottleneck", "ups", "out_block"])
def test_a_state_without_a_group_of_tensors_is_refused(name, group):
    shapes = {key: shape for key, shape in shapes_of(name).items() if not key.startswith(f"{group}.")}
    with pytest.raises(UserError, match=r"x\.ckpt: .*\n.* \d+ tensors"):
        read_architecture(shapes, "x.ckpt")


@pytest.mark.parametrize("shapes", [{}, {"layer1.weight": (3, 3)}])
def test_other_networks_are_refused(shapes):
    with pytest.raises(UserError, match=r"x\.ckpt: .* not one of the published"):
        read_architecture(shapes, "x.ckpt")


@pytest.mark.parametrize("key", ["in_block.conv.0.weight", "out_block.1.weight"])
def test_weights_of_another_dimension_are_refused(key):
    with pytest.raises(UserError, match=r"x\.ckpt: .* not one of the published"):
        read_architecture(shapes_of("unet") | {key: (4, 2, 3, 3)}, "x.ckpt")
