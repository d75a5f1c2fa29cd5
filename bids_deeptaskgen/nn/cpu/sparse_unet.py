"""Sparse CPU implementation of the published network.

Feature maps are matrices of shape (n_voxels, n_channels). For each voxel to compute, a convolution gathers
the rows of its neighbours and multiplies them by the kernel. The input is zero outside the brain and maps are
predicted for grey matter only, so about half of the arithmetic of the largest layers is unnecessary; besides,
matrix products are faster on a CPU than 3-D convolutions. The required rows depend on the masks alone and are
determined once. `UNet.features` is the dense equivalent.
"""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from bids_deeptaskgen.nn.cpu.sparse_layers import Convolution, UpStage
from bids_deeptaskgen.nn.cpu.voxel_masks import (
    dilate,
    max_pool,
    unpool_mask,
)
from bids_deeptaskgen.nn.unet import AttentionGate, Block, UNet


def is_supported(network: UNet) -> bool:
    """Return whether `SparseUNet` supports a network.

    It requires attention gates, one convolution per block and no batch normalisation.

    Parameters
    ----------
    network : UNet
    """
    gates = all(isinstance(gate, AttentionGate) for gate in network.attention_gates)
    transposed_convolutions = all(isinstance(layer, nn.ConvTranspose3d) for layer in network.upscale)
    config = network.config
    return gates and transposed_convolutions and config.n_conv == 1 and not config.batch_norm


class SparseUNet:
    """U-Net that computes the voxels of an output mask from the voxels of an input mask.

    Parameters
    ----------
    network : UNet
        A network on the CPU for which `is_supported` is True.
    input_mask : boolean tensor of shape (x, y, z)
        Voxels that the network receives; the input is zero elsewhere.
    output_mask : boolean tensor of shape (x, y, z)
        Voxels that are predicted.
    """

    def __init__(self, network: UNet, input_mask: Tensor, output_mask: Tensor) -> None:
        self.network = network
        blocks = [*network.ups, network.out_block[0]]
        stages = list(zip(network.upscale, network.attention_gates, blocks, strict=True))
        self.up_stages: list[UpStage] = []
        target = output_mask
        for upscale, gate, block in reversed(stages):
            layers = (cast(nn.ConvTranspose3d, upscale), cast(AttentionGate, gate), _convolution(block))
            self.up_stages.insert(0, UpStage(*layers, target))
            target = self.up_stages[0].coarse_mask
        # `target` now belongs to the coarsest level; continue to the finest.
        self.down_stages: list[Convolution] = []
        blocks_down = [network.bottleneck, *reversed(network.downs)]
        for block, up_stage in zip(blocks_down, self.up_stages, strict=True):
            self.down_stages.insert(0, Convolution(_convolution(block), target))
            target = up_stage.skip_mask | unpool_mask(self.down_stages[0].box_mask, up_stage.skip_mask)
        # Voxels without a neighbour in the input mask get the bias of the first block only.
        self.first = Convolution(_convolution(network.in_block), target & dilate(input_mask))
        # Input voxels that do not affect the output have no row.
        self.is_row = self.first.box_mask[input_mask]
        self.input_rows = self.first.select_rows(input_mask & self.first.box_mask)

    def __call__(self, connectome: Tensor) -> Tensor:
        """Predict the maps of one connectome.

        Parameters
        ----------
        connectome : tensor of shape (n_input_voxels, n_rois)

        Returns
        -------
        tensor of shape (n_output_voxels, n_contrasts)
        """
        rows = connectome.new_zeros((self.first.n_rows, connectome.shape[1]))
        rows[self.input_rows] = connectome[self.is_row]
        box = F.relu(self.first.products.bias).repeat(*self.first.target.shape, 1)
        box[self.first.target] = self.first(rows)
        boxes = [box]  # (x, y, z, n_channels)
        for convolution in self.down_stages:
            coarse = max_pool(boxes[-1])
            rows = coarse.new_zeros((convolution.n_rows, coarse.shape[3]))
            rows[convolution.box_rows] = coarse[convolution.box_mask]
            x = convolution(rows)
            if len(boxes) < len(self.up_stages):
                # Voxels outside the target stay uninitialised; they are never read.
                box = x.new_empty((*convolution.target.shape, x.shape[1]))
                box[convolution.target] = x
                boxes.append(box)
        for stage in self.up_stages:
            x = stage(x, boxes.pop().flatten(0, 2))
        return self.network.head(x)


def _convolution(block: nn.Module) -> nn.Conv3d:
    return cast(nn.Conv3d, cast(Block, block).conv[0])
