"""Agreement of the sparse CPU implementation with the dense network."""

import pytest
import torch
from torch import nn

from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nn.batchnorm_folding import fold_batch_norm
from bids_deeptaskgen.nn.cpu.sparse_layers import Resizing, Upsampling
from bids_deeptaskgen.nn.cpu.sparse_unet import SparseUNet, is_supported
from bids_deeptaskgen.nn.cpu.voxel_masks import dilate, max_pool
from bids_deeptaskgen.nn.unet import UNet


def build_network(**changes):
    """Build a network with random weights and statistics, in evaluation mode."""
    torch.manual_seed(3)
    network = UNet(Architecture(in_channels=5, out_channels=3, fdim=4, **changes)).eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm3d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
    return network


def draw_masks(size, fraction):
    """Draw an input mask, which touches the rim of the box on one side, and an output mask within it."""
    torch.manual_seed(5)
    input_mask = torch.rand(size) < 0.6
    input_mask[size[0] - 3 :] = False
    return input_mask, input_mask & (torch.rand(size) < fraction)


def predict_voxels(network, box, input_mask, output_mask):
    """Predict the output voxels from the input voxels of a box of shape (n_rois, x, y, z)."""
    return SparseUNet(network, input_mask, output_mask)(box[:, input_mask].T.contiguous())


@pytest.mark.parametrize("size", [(12, 14, 11), (19, 23, 18), (13, 16, 9)])
@pytest.mark.parametrize("max_level", [1, 2])
@pytest.mark.parametrize("fraction", [0.5, 0.02])
@torch.inference_mode()
def test_output_voxels_equal_those_of_the_dense_network(size, max_level, fraction):
    network = build_network(max_level=max_level)
    input_mask, output_mask = draw_masks(size, fraction)
    box = torch.randn(5, *size) * input_mask
    dense = network(box[None])[0].permute(1, 2, 3, 0)
    output = predict_voxels(fold_batch_norm(network), box, input_mask, output_mask)
    assert output.shape == (int(output_mask.sum()), 3)
    torch.testing.assert_close(output, dense[output_mask], rtol=0, atol=1e-5 * float(dense.std()))


@torch.inference_mode()
def test_the_output_mask_may_contain_only_corners_of_the_box():
    network, size = build_network(), (8, 9, 10)
    input_mask, output_mask = torch.ones(size, dtype=torch.bool), torch.zeros(size, dtype=torch.bool)
    output_mask[0, 0, 0] = output_mask[-1, -1, -1] = True
    box = torch.randn(5, *size)
    dense = network(box[None])[0].permute(1, 2, 3, 0)[output_mask]
    torch.testing.assert_close(
        predict_voxels(fold_batch_norm(network), box, input_mask, output_mask), dense, rtol=0, atol=1e-5
    )


@torch.inference_mode()
@pytest.mark.parametrize("fraction", [1, 0.3])
def test_upsampling_equals_a_transposed_convolution(fraction):
    torch.manual_seed(1)
    layer, x = nn.ConvTranspose3d(6, 4, kernel_size=3, stride=2), torch.randn(1, 6, 3, 5, 4)
    voxels = (torch.rand(7, 11, 9) < fraction).nonzero()
    upsampling = Upsampling(layer, voxels, (3, 5, 4))
    expected = layer(x)[0].permute(1, 2, 3, 0)[voxels.unbind(1)]
    rows = x[0].permute(1, 2, 3, 0)
    torch.testing.assert_close(upsampling(rows.flatten(0, 2)), expected)
    torch.testing.assert_close(upsampling(rows[upsampling.coarse_mask]), expected)


@torch.inference_mode()
def test_a_voxel_depends_only_on_its_coarse_neighbours():
    layer = nn.ConvTranspose3d(6, 4, kernel_size=3, stride=2)
    coarse_mask = Upsampling(layer, torch.tensor([[2, 3, 4]]), (3, 5, 4)).coarse_mask
    assert coarse_mask.nonzero().tolist() == [[0, 1, 1], [0, 1, 2], [1, 1, 1], [1, 1, 2]]


@pytest.mark.parametrize("size", [(8, 7, 10), (9, 7, 11), (8, 8, 10)])
def test_resizing_is_trilinear_interpolation(size):
    x = torch.randn(1, 3, *(n // 2 * 2 + 1 for n in size))
    expected = nn.functional.interpolate(x, size=size, mode="trilinear")[0].permute(1, 2, 3, 0)
    voxels = torch.ones(size).nonzero()[::2]
    resizing = Resizing(voxels, size)
    rows = x[0].permute(1, 2, 3, 0)[resizing.source_voxels.unbind(1)]
    torch.testing.assert_close(resizing(rows, slice(0, None)), expected[voxels.unbind(1)])


def test_pooling_drops_odd_last_voxels():
    x = torch.randn(1, 3, 9, 8, 11)
    expected = nn.functional.max_pool3d(x, 2)[0].permute(1, 2, 3, 0)
    assert torch.equal(max_pool(x[0].permute(1, 2, 3, 0)), expected)


def test_dilation_adds_all_26_neighbours():
    mask = torch.zeros((5, 5, 5), dtype=torch.bool)
    mask[2, 2, 2] = True
    assert dilate(mask).sum() == 27


@pytest.mark.parametrize("name", ["unet", "unetminimal", "attentionunetminimal", "resunet"])
def test_other_networks_are_not_supported(name):
    assert not is_supported(fold_batch_norm(build_network(name=name)))
    assert not is_supported(build_network(n_conv=2, batch_norm=False))
    assert not is_supported(build_network())
    assert is_supported(fold_batch_norm(build_network()))
