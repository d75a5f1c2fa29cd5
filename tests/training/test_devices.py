"""What a training needs of a machine, and how its network begins."""

import numpy as np
import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from bids_deeptaskgen.errors import UserError, is_out_of_memory
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nn.unet import FAMILY, UNet, new_network, to_channels_last
from bids_deeptaskgen.training.devices import (
    bytes_of_step,
    check_precision,
    largest_batch,
    make_fabric,
)
from bids_deeptaskgen.training.losses import LossSettings, make_loss
from bids_deeptaskgen.training.masked_unet import MaskedUNet
from tests.training.participants import NETWORK

BOX = (20, 22, 18)


def module_of(name, fdim):
    """A network with as many channels as the published ones in a small box, a quarter of which is wanted."""
    drawn = np.random.default_rng(0).random((2, *BOX))
    brain = drawn[0] < 0.45
    architecture = Architecture(name=name, in_channels=50, out_channels=47, fdim=fdim)
    return MaskedUNet(new_network(architecture, 0), brain, brain & (drawn[1] < 0.6))


class Alive(TorchDispatchMode):
    """Adds up the bytes of all tensors that were made and are still there, and keeps the largest sum."""

    def __init__(self):
        super().__init__()
        self.most, self._storages = 0, {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for one in out if isinstance(out, tuple | list) else [out]:
            if isinstance(one, torch.Tensor):
                storage = one.untyped_storage()
                self._storages[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self._storages = {key: one for key, one in self._storages.items() if not one[0].expired()}
        self.most = max(self.most, sum(n_bytes for _, n_bytes in self._storages.values()))
        return out


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize(("fdim", "n_participants"), [(8, 3), (16, 2)])
def test_a_step_needs_the_estimated_memory(name, fdim, n_participants):
    module = module_of(name, fdim)
    connectomes = torch.randn(n_participants, 50, len(module.input_voxels))
    optimizer = torch.optim.Adam(module.parameters())
    with Alive() as alive:
        measured = torch.randn(n_participants, 47, len(module.output_places))
        for _ in range(2):  # from the second step on, Adam's numbers are there too
            optimizer.zero_grad()
            make_loss(LossSettings())(module(connectomes), measured).backward()
            optimizer.step()
    weights = sum(4 * value.numel() for value in module.parameters())
    # What is kept is counted one by one. The widest moment is a formula, since it comes on the way back, in
    # another layer for each network: up to 4 maps of fdim channels where there are 1 to 5.
    assert 0.95 < bytes_of_step(module, n_participants) / (alive.most + weights) < 1.15


def test_the_published_network_needs_gigabytes_per_participant():
    box = np.ones((76, 93, 78), bool)
    with torch.device("meta"):
        network = UNet(Architecture())
    module = MaskedUNet(network, box, box)
    one = bytes_of_step(module, 1) - bytes_of_step(module, 0)
    assert 1.5e9 < one < 4e9


@pytest.mark.parametrize("n_participants", [1, 7])
def test_the_largest_batch_is_the_last_that_fits(n_participants):
    module = module_of("attentionunet", 8)
    assert largest_batch(module, bytes_of_step(module, n_participants)) == n_participants
    assert largest_batch(module, bytes_of_step(module, n_participants) - 1) == n_participants - 1
    assert largest_batch(module, 0) == 0


def test_first_weights_follow_from_the_seed_and_leave_other_chance_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (new_network(NETWORK, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), wanted)
    weight = "in_block.conv.0.weight"
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one[weight], other[weight])


def test_the_fast_layout_keeps_names_shapes_and_values():
    network = UNet(Architecture(in_channels=5, out_channels=3, fdim=4))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    after = to_channels_last(network).state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert after["in_block.conv.0.weight"].is_contiguous(memory_format=torch.channels_last_3d)


def test_exhausted_memory_is_distinguished_from_other_failures():
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(2**50)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(2**50)
    with pytest.raises(RuntimeError) as of_shapes:
        torch.ones(2) + torch.ones(3)
    errors = (of_torch, of_numpy, of_shapes)
    assert [is_out_of_memory(error.value) for error in errors] == [True, True, False]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_float32_is_not_rounded_to_tf32(precision):
    switches = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = True
        make_fabric("cpu", precision=precision)
        assert [switch.allow_tf32 for switch in switches] == [False, False]
    finally:
        for switch, old in zip(switches, before, strict=True):
            switch.allow_tf32 = old


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_device_is_refused():
    with pytest.raises(UserError, match="cuda"):
        make_fabric("cuda")


@pytest.mark.parametrize(("max_level", "coarsest"), [(1, None), (2, "2x2x2")])
def test_bf16_on_a_cpu_needs_a_coarsest_map_as_large_as_a_kernel(max_level, coarsest):
    drawn = np.random.default_rng(0).random(BOX)
    architecture = Architecture(in_channels=2, out_channels=1, fdim=1, max_level=max_level)
    module = MaskedUNet(new_network(architecture, 0), drawn < 0.5, drawn < 0.3)
    for device, precision in (("cpu", "fp32"), ("cuda", "bf16")):
        check_precision(module, torch.device(device), precision)
    if coarsest is None:
        check_precision(module, torch.device("cpu"), "bf16")
        return
    with pytest.raises(UserError, match=f"max_level {max_level}.*{coarsest} voxels"):
        check_precision(module, torch.device("cpu"), "bf16")
