"""In which arithmetic a network computes; anything but full float32 proves itself first."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn import functional as F

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.nn.unet import UNet

# A box that all levels of a network fit into.
EXAMPLE_BOX = (24, 20, 16)
# As a share of the maps' SD.
MAX_CHANGE = 0.02


@contextmanager
def precision_context(device: torch.device, precision: str) -> Iterator[None]:
    """Compute in an arithmetic, and leave torch's own settings as they were.

    Parameters
    ----------
    device : torch.device
    precision : {"fp32", "tf32", "bf16"}
        Full float32; its products in NVIDIA's TF32; convolutions in bfloat16. On GPUs, the choice of
        algorithm is reproducible in all of them.
    """
    allow = precision == "tf32"
    matmul = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allow
    flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=allow)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
    try:
        with flags, autocast:
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul


@torch.inference_mode()
def check_precision(network: UNet, device: torch.device, precision: str) -> None:
    """Compare an arithmetic with full float32 on a small example: some libraries are silently wrong.

    Parameters
    ----------
    network : UNet
        On the device, in evaluation mode.
    device : torch.device
    precision : {"fp32", "tf32", "bf16"}

    Raises
    ------
    UserError
        If the device does not have it, or its maps are other ones.
    """
    if precision == "fp32":
        return
    if precision == "tf32" and device.type != "cuda":
        message = (
            f"--precision tf32: only NVIDIA's GPUs have it, and the network runs on {device}. Choose fp32."
        )
        raise UserError(message)
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand((1, network.config.in_channels, 6, 5, 4), generator=generator).sub_(0.5)
    # As smooth as a connectome is: of white noise, a network would make next to nothing.
    box = F.interpolate(coarse, size=EXAMPLE_BOX, mode="trilinear").to(device)
    maps = {}
    for name in ("fp32", precision):
        with precision_context(device, name):
            maps[name] = network(box).float()
    # What differs between contrasts everywhere alike is no map.
    map_sd = (maps["fp32"] - maps["fp32"].mean((2, 3, 4), keepdim=True)).std()
    change = float((maps[precision] - maps["fp32"]).std() / map_sd)
    # Written so that NaN fails it too.
    if not change <= MAX_CHANGE:
        message = (
            f"--precision {precision}: on {device}, this model's maps of an example change by {change:.1%} "
            f"of their SD; at most {MAX_CHANGE:.0%} are accepted. Choose --precision fp32."
        )
        raise UserError(message)
