"""The voxelwise forward pass gives what its plain twin gives."""

import pytest
import torch
from torch import nn

from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nn.batchnorm_folding import folded
from bids_deeptaskgen.nn.cpu.sparse_layers import Resizing, Upsampling
from bids_deeptaskgen.nn.cpu.sparse_unet import Voxelwise, dilated, is_supported, pooled
from bids_deeptaskgen.nn.unet import UNet


def network_of(**changes):
    """A network with random weights and statistics, in evaluation mode."""
    torch.manual_seed(3)
    network = UNet(Architecture(in_channels=5, out_channels=3, fdim=4, **changes)).eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm3d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
    return network


def masks(size, share):
    """What is shown, up to the rim of the box on one side, and some of that which is wanted."""
    torch.manual_seed(5)
    shown = torch.rand(size) < 0.6
    shown[size[0] - 3 :] = False
    return shown, shown & (torch.rand(size) < share)


def predicted(network, box, shown, wanted):
    """What is computed from the shown voxels of (n_rois, x, y, z)."""
    return Voxelwise(network, shown, wanted)(box[:, shown].T.contiguous())


@pytest.mark.parametrize("size", [(12, 14, 11), (19, 23, 18), (13, 16, 9)])
@pytest.mark.parametrize("max_level", [1, 2])
@pytest.mark.parametrize("share", [0.5, 0.02])
@torch.inference_mode()
def test_the_wanted_voxels_are_those_of_the_plain_network(size, max_level, share):
    network = network_of(max_level=max_level)
    shown, wanted = masks(size, share)
    box = torch.randn(5, *size) * shown
    plain = network(box[None])[0].permute(1, 2, 3, 0)
    found = predicted(folded(network), box, shown, wanted)
    assert found.shape == (int(wanted.sum()), 3)
    torch.testing.assert_close(found, plain[wanted], rtol=0, atol=1e-5 * float(plain.std()))


@torch.inference_mode()
def test_one_corner_of_the_box_may_be_all_that_is_wanted():
    network, size = network_of(), (8, 9, 10)
    shown, wanted = torch.ones(size, dtype=torch.bool), torch.zeros(size, dtype=torch.bool)
    wanted[0, 0, 0] = wanted[-1, -1, -1] = True
    box = torch.randn(5, *size)
    plain = network(box[None])[0].permute(1, 2, 3, 0)[wanted]
    torch.testing.assert_close(predicted(folded(network), box, shown, wanted), plain, rtol=0, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("share", [1, 0.3])
def test_products_of_matrices_upsample_as_a_transposed_convolution_does(share):
    torch.manual_seed(1)
    layer, x = nn.ConvTranspose3d(6, 4, kernel_size=3, stride=2), torch.randn(1, 6, 3, 5, 4)
    at = (torch.rand(7, 11, 9) < share).nonzero()
    upsampling = Upsampling(layer, at, (3, 5, 4))
    wanted = layer(x)[0].permute(1, 2, 3, 0)[at.unbind(1)]
    rows = x[0].permute(1, 2, 3, 0)
    torch.testing.assert_close(upsampling(rows.flatten(0, 2)), wanted)
    torch.testing.assert_close(upsampling(rows[upsampling.needed]), wanted)


@torch.inference_mode()
def test_one_voxel_needs_its_coarse_neighbours_alone():
    layer = nn.ConvTranspose3d(6, 4, kernel_size=3, stride=2)
    needed = Upsampling(layer, torch.tensor([[2, 3, 4]]), (3, 5, 4)).needed
    assert needed.nonzero().tolist() == [[0, 1, 1], [0, 1, 2], [1, 1, 1], [1, 1, 2]]


@pytest.mark.parametrize("size", [(8, 7, 10), (9, 7, 11), (8, 8, 10)])
def test_resizing_is_trilinear_interpolation(size):
    x = torch.randn(1, 3, *(n // 2 * 2 + 1 for n in size))
    wanted = nn.functional.interpolate(x, size=size, mode="trilinear")[0].permute(1, 2, 3, 0)
    at = torch.ones(size).nonzero()[::2]
    resizing = Resizing(at, size)
    rows = x[0].permute(1, 2, 3, 0)[resizing.read.unbind(1)]
    torch.testing.assert_close(resizing(rows, slice(0, None)), wanted[at.unbind(1)])


def test_pooling_drops_what_is_left_over():
    x = torch.randn(1, 3, 9, 8, 11)
    wanted = nn.functional.max_pool3d(x, 2)[0].permute(1, 2, 3, 0)
    assert torch.equal(pooled(x[0].permute(1, 2, 3, 0)), wanted)


def test_dilation_takes_in_all_26_neighbours():
    mask = torch.zeros((5, 5, 5), dtype=torch.bool)
    mask[2, 2, 2] = True
    assert dilated(mask).sum() == 27


@pytest.mark.parametrize("name", ["unet", "unetminimal", "attentionunetminimal", "resunet"])
def test_other_networks_are_left_to_the_plain_way(name):
    assert not is_supported(folded(network_of(name=name)))
    assert not is_supported(network_of(n_conv=2, batch_norm=False))
    assert not is_supported(network_of())
    assert is_supported(folded(network_of()))
