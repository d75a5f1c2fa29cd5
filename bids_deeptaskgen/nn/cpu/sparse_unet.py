"""The published network on a CPU, with the work that the wanted voxels need and no more.

Maps are matrices here, (n_voxels, n_channels), and a convolution gathers, for each voxel that it must
compute, the rows of its neighbours and multiplies them. The network is shown zeros outside the brain and is
asked for grey matter, so that about half of the arithmetic of its largest layers would be for nothing, and a
CPU does matrix products faster than 3-D convolutions. Which rows are needed depends on the masks alone: it
is worked out once. `UNet.features` is the plain twin.
"""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from bids_deeptaskgen.nn.cpu.sparse_layers import Convolution, Up
from bids_deeptaskgen.nn.cpu.voxel_masks import (
    before_pooling,
    dilated,
    pooled,
)
from bids_deeptaskgen.nn.unet import AttentionGate, Block, UNet


def is_supported(network: UNet) -> bool:
    """Whether a network is of the kind that is computed here: gated, plain blocks, nothing to normalise."""
    gates = all(isinstance(gate, AttentionGate) for gate in network.attention_gates)
    up = all(isinstance(layer, nn.ConvTranspose3d) for layer in network.upscale)
    config = network.config
    return gates and up and config.n_conv == 1 and not config.batch_norm


class Voxelwise:
    """A network that computes the voxels of one mask from those of another.

    Parameters
    ----------
    network : UNet
        One that `is_supported`, on the CPU.
    shown, wanted : boolean tensor of shape (x, y, z)
        Voxels that the network is shown, zero to it elsewhere; voxels that are predicted.
    """

    def __init__(self, network: UNet, shown: Tensor, wanted: Tensor) -> None:
        self.network = network
        blocks = [*network.ups, network.out_block[0]]
        stages = list(zip(network.upscale, network.attention_gates, blocks, strict=True))
        self.up: list[Up] = []
        for upscale, gate, block in reversed(stages):
            layers = (cast(nn.ConvTranspose3d, upscale), cast(AttentionGate, gate), _convolution(block))
            self.up.insert(0, Up(*layers, wanted))
            wanted = self.up[0].needed
        # From the coarsest level, of which `wanted` is what matters, back to the finest.
        self.down: list[Convolution] = []
        for block, up in zip([network.bottleneck, *reversed(network.downs)], self.up, strict=True):
            self.down.insert(0, Convolution(_convolution(block), wanted))
            wanted = up.skipped | before_pooling(self.down[0].inside, up.skipped)
        # Far from what is shown, all voxels of the first block are alike: its bias is all that they get.
        self.first = Convolution(_convolution(network.in_block), wanted & dilated(shown))
        # What is shown and is near nothing that matters has no row.
        self.shown_near = self.first.inside[shown]
        self.shown_at = self.first.select_rows(shown & self.first.inside)

    def __call__(self, connectome: Tensor) -> Tensor:
        """Predict one person.

        Parameters
        ----------
        connectome : tensor of shape (n_shown, n_rois)

        Returns
        -------
        tensor of shape (n_wanted, n_contrasts)
        """
        rows = connectome.new_zeros((self.first.n_rows, connectome.shape[1]))
        rows[self.shown_at] = connectome[self.shown_near]
        box = F.relu(self.first.products.bias).repeat(*self.first.target.shape, 1)
        box[self.first.target] = self.first(rows)
        boxes = [box]  # (x, y, z, n_channels)
        for convolution in self.down:
            coarse = pooled(boxes[-1])
            rows = coarse.new_zeros((convolution.n_rows, coarse.shape[3]))
            rows[convolution.inside_at] = coarse[convolution.inside]
            x = convolution(rows)
            if len(boxes) < len(self.up):
                # What is not computed is not read.
                box = x.new_empty((*convolution.target.shape, x.shape[1]))
                box[convolution.target] = x
                boxes.append(box)
        for stage in self.up:
            x = stage(x, boxes.pop().flatten(0, 2))
        return self.network.head(x)


def _convolution(block: nn.Module) -> nn.Conv3d:
    return cast(nn.Conv3d, cast(Block, block).conv[0])
