"""A network between the voxels of masks is the network on the whole box."""

import numpy as np
import pytest
import torch

from bids_deeptaskgen.nn.unet import UNet
from tests.training.participants import BOX, BRAIN, NETWORK, OUTPUT, new_module


def in_box(connectomes, shown):
    """Lay connectomes into their box, the obvious way."""
    box = np.zeros((*connectomes.shape[:2], *BOX))
    box[:, :, BRAIN] = connectomes
    return torch.from_numpy(box * shown)


@pytest.mark.parametrize(("input_mask", "shown"), [("brain", BRAIN), ("gm", OUTPUT)])
def test_values_gradients_and_statistics_are_those_of_the_network_on_the_box(input_mask, shown):
    # In float64: a bias in front of batch normalisation has nothing but rounding for a gradient.
    connectomes = np.random.default_rng(1).standard_normal((2, 3, int(BRAIN.sum())))
    weights = torch.randn(2, 2, int(OUTPUT.sum()), generator=torch.Generator().manual_seed(2))
    masked, plain = new_module(input_mask=input_mask).double(), UNet(NETWORK).double()
    plain.load_state_dict(masked.network.state_dict())
    found = masked(torch.from_numpy(connectomes))
    wanted = plain(in_box(connectomes, shown))[..., torch.from_numpy(OUTPUT)]
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    for maps in (found, wanted):
        (maps * weights).sum().backward()
    for (name, one), other in zip(masked.network.named_parameters(), plain.parameters(), strict=True):
        atol = 1e-12 * float(other.grad.abs().max()) + 1e-11
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=atol, msg=name)
    for (name, one), other in zip(masked.network.named_buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12, msg=name)


def test_what_is_outside_the_output_mask_matters_only_where_it_is_shown():
    connectomes = torch.randn(1, 3, int(BRAIN.sum()), generator=torch.Generator().manual_seed(1))
    changed = connectomes.clone()
    changed[:, :, torch.from_numpy(~OUTPUT[BRAIN])] += 1
    with torch.no_grad():
        brain, gm = (new_module(input_mask=mask).eval() for mask in ("brain", "gm"))
        assert torch.equal(gm(connectomes), gm(changed))
        assert not torch.allclose(brain(connectomes), brain(changed))


def test_masks_are_no_part_of_the_state_but_follow_to_a_device():
    module = new_module()
    assert {name.partition(".")[0] for name in module.state_dict()} == {"network"}
    assert module.to("meta").input_places.device.type == "meta"
