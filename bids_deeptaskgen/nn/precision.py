"""Arithmetic precision of networks, with an accuracy check for anything but full float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn import functional as F

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.nn.unet import UNet

# Largest accepted change of the maps, as a fraction of their SD.
MAX_CHANGE = 0.02


@contextmanager
def precision_context(device: torch.device, precision: str) -> Iterator[None]:
    """Set the arithmetic of torch within a block and restore torch's settings afterwards.

    Parameters
    ----------
    device : torch.device
    precision : {"fp32", "tf32", "bf16"}
        Full float32; matrix products in NVIDIA's TF32; convolutions in bfloat16. On GPUs, deterministic
        algorithms are used in all three.
    """
    allow_tf32 = precision == "tf32"
    matmul = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allow_tf32
    flags = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=allow_tf32
    )
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
    try:
        with flags, autocast:
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul


@torch.inference_mode()
def check_precision(
    network: UNet, device: torch.device, precision: str, shape: tuple[int, int, int], n_batch: int = 1
) -> None:
    """Check on an example that an arithmetic agrees with full float32.

    Some versions of some libraries silently compute wrong results in reduced precision. They choose their
    algorithm by the size of the data, so the example has the size of the data that will be computed.

    Parameters
    ----------
    network : UNet
        Network on `device`, in evaluation mode.
    device : torch.device
    precision : {"fp32", "tf32", "bf16"}
    shape : (int, int, int)
        Voxels of a connectome along each axis.
    n_batch : int
        Number of connectomes that are computed together.

    Raises
    ------
    UserError
        If the device does not support the precision, or the maps of a connectome change by more than
        `MAX_CHANGE` SD.
    """
    if precision == "fp32":
        return
    if precision == "tf32" and device.type != "cuda":
        message = (
            f"`precision` tf32: only NVIDIA GPUs support it, but the network runs on {device}. Choose fp32."
        )
        raise UserError(message)
    box = _example(network.config.in_channels, shape, n_batch).to(device)
    maps = {}
    for name in ("fp32", precision):
        with precision_context(device, name):
            maps[name] = network(box).float()
    # Exclude differences between the contrasts' spatial means, which would inflate the SD.
    map_sd = (maps["fp32"] - maps["fp32"].mean((2, 3, 4), keepdim=True)).flatten(1).std(1)
    change = float(((maps[precision] - maps["fp32"]).flatten(1).std(1) / map_sd).max())
    # Written as a negation so that NaN fails, too.
    if not change <= MAX_CHANGE:
        message = (
            f"`precision` {precision}: on {device}, the maps of an example change by {change:.1%} of their "
            f"SD; at most {MAX_CHANGE:.0%} are accepted. Choose `precision` fp32."
        )
        raise UserError(message)


def _example(n_rois: int, shape: tuple[int, int, int], n_batch: int) -> torch.Tensor:
    """Draw connectomes of shape (n_batch, n_rois, *shape), in the memory format of a prediction."""
    generator = torch.Generator().manual_seed(0)
    # Smooth like a connectome: for white noise, the output of a network is nearly constant.
    coarse = torch.rand((n_batch, n_rois, 6, 5, 4), generator=generator).sub_(0.5)
    box = F.interpolate(coarse, size=shape, mode="trilinear")
    return box.contiguous(memory_format=torch.channels_last_3d)
