"""Batch normalisation folded into the convolutions before it: the same function, fewer passes over memory."""

from copy import deepcopy
from dataclasses import replace

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bids_deeptaskgen.nn.attention_unet import AttentionUNet, Block


def folded(network: AttentionUNet) -> AttentionUNet:
    """Make a network without batch normalisation that computes what this one computes in evaluation mode.

    Parameters
    ----------
    network : AttentionUNet
        Left as it is.

    Returns
    -------
    AttentionUNet
        In evaluation mode, with ``batch_norm`` False.
    """
    plain = deepcopy(network).eval()
    plain.config = replace(network.config, batch_norm=False)
    for block in plain.modules():
        if isinstance(block, Block):
            block.conv = _fold_layers(block.conv)
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
