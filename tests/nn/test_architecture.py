"""Reading a network's shape off its weights."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.nn.architecture import Architecture, count_parameters, read_architecture
from bids_deeptaskgen.nn.attention_unet import AttentionUNet

ARCHITECTURES = st.builds(
    Architecture,
    name=st.just("attentionunet"),
    in_channels=st.integers(1, 7),
    out_channels=st.integers(1, 7),
    fdim=st.integers(1, 4),
    max_level=st.integers(1, 3),
    n_conv=st.integers(1, 3),
    batch_norm=st.booleans(),
)


@given(architecture=ARCHITECTURES)
@settings(max_examples=50, deadline=None)
def test_the_weights_of_a_network_tell_its_architecture(architecture):
    network = AttentionUNet(architecture)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert read_architecture(shapes, "here") == architecture
    assert count_parameters(shapes) == sum(parameter.numel() for parameter in network.parameters())


FIVE = (4, 2, 3, 3, 3)
UNET = dict.fromkeys(
    [f"{group}.0.conv.0.weight" for group in ("downs", "ups")]
    + ["in_block.conv.0.weight", "bottleneck.conv.0.weight", "out_block.1.weight"],
    FIVE,
)


@pytest.mark.parametrize(
    ("more", "family"),
    [
        ({"upscale.0.weight": FIVE}, "unet"),
        ({}, "unetminimal"),
        ({"attention_gates.0.W_g.weight": FIVE}, "attentionunetminimal"),
        ({"upscale.0.weight": FIVE, "in_block.skip.0.weight": FIVE}, "resunet"),
    ],
)
def test_another_family_is_named_and_refused(more, family):
    with pytest.raises(UserError, match=rf"(?s)x\.ckpt: .*It looks like {family}\.") as caught:
        read_architecture(UNET | more, "x.ckpt")
    assert "bottleneck, downs, " in str(caught.value)


@pytest.mark.parametrize("shapes", [{}, {"layer1.weight": (3, 3)}])
def test_what_is_no_network_of_this_kind_is_refused(shapes):
    with pytest.raises(UserError, match=r"not an Attention U-Net"):
        read_architecture(shapes, "x.ckpt")


def test_weights_that_are_no_convolutions_are_refused():
    shapes = UNET | {"upscale.0.weight": FIVE, "attention_gates.0.W_g.weight": FIVE}
    with pytest.raises(UserError, match="not an Attention U-Net"):
        read_architecture(shapes | {"in_block.conv.0.weight": (4, 2, 3, 3)}, "x.ckpt")
