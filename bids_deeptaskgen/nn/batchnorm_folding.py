"""Batch normalisation folded into the convolutions before it: the same function, fewer passes over memory."""

from copy import deepcopy
from dataclasses import replace

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bids_deeptaskgen.nn.unet import Block, ResidualBlock, UNet


def folded(network: UNet) -> UNet:
    """Make a network that computes what this one computes in evaluation mode, with less normalisation.

    Parameters
    ----------
    network : UNet
        Left as it is.

    Returns
    -------
    UNet
        In evaluation mode, without batch normalisation and with ``batch_norm`` False. Only in a ``resunet``
        the first one of each block stays, since no convolution is before it.
    """
    plain = deepcopy(network).eval()
    for block in plain.modules():
        if isinstance(block, Block | ResidualBlock):
            block.conv = _fold_layers(block.conv)
    left = any(isinstance(layer, nn.BatchNorm3d) for layer in plain.modules())
    plain.config = replace(network.config, batch_norm=left)
    return plain


def _fold_layers(layers: nn.Sequential) -> nn.Sequential:
    """Drop each batch normalisation after giving its scale and shift to the convolution before it."""
    kept: list[nn.Module] = []
    for layer in layers:
        before = kept[-1] if kept else None
        if isinstance(layer, nn.BatchNorm3d) and isinstance(before, nn.Conv3d):
            kept[-1] = fuse_conv_bn_eval(before, layer)
        else:
            kept.append(layer)
    return nn.Sequential(*kept)
