"""Folding of batch normalisation into the preceding convolutions, which saves passes over memory."""

from copy import deepcopy
from dataclasses import replace

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bids_deeptaskgen.nn.unet import Block, ResidualBlock, UNet


def fold_batch_norm(network: UNet) -> UNet:
    """Fold batch normalisation into the convolutions of a copy of a network.

    Parameters
    ----------
    network : UNet
        Is not changed.

    Returns
    -------
    UNet
        Copy in evaluation mode with the same output, without batch normalisation and with ``batch_norm``
        False. In a ``resunet``, the first normalisation of each block stays because no convolution precedes
        it.
    """
    copy = deepcopy(network).eval()
    for block in copy.modules():
        if isinstance(block, Block | ResidualBlock):
            block.conv = _fold_layers(block.conv)
    has_batch_norm = any(isinstance(layer, nn.BatchNorm3d) for layer in copy.modules())
    copy.config = replace(network.config, batch_norm=has_batch_norm)
    return copy


def _fold_layers(layers: nn.Sequential) -> nn.Sequential:
    """Merge each batch normalisation into the convolution that precedes it."""
    result: list[nn.Module] = []
    for layer in layers:
        previous = result[-1] if result else None
        if isinstance(layer, nn.BatchNorm3d) and isinstance(previous, nn.Conv3d):
            result[-1] = fuse_conv_bn_eval(previous, layer)
        else:
            result.append(layer)
    return nn.Sequential(*result)
