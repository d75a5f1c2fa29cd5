"""Devices of a training, and the batch sizes that fit into their memory."""

import logging
import warnings

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.nn.network import resolve_device
from bids_deeptaskgen.nn.unet import UNet
from bids_deeptaskgen.training.masked_unet import MaskedUNet

# Kernel of a block's convolutions, in voxels along each axis.
KERNEL_SIZE = 3
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


def check_devices(device: str, n_devices: int = 1) -> torch.device:
    """Check that the requested number of devices exists.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, as for `make_fabric`.
    n_devices : int

    Returns
    -------
    torch.device

    Raises
    ------
    UserError
        If there are fewer GPUs.
    """
    resolved = resolve_device(device)
    n_available = torch.cuda.device_count() if resolved.type == "cuda" else n_devices
    if n_devices > n_available:
        message = (
            f"`n_devices` {n_devices}: this machine has {n_available} GPUs. "
            f"Choose `n_devices` {n_available} or fewer."
        )
        raise UserError(message)
    return resolved


def make_fabric(device: str, *, n_devices: int = 1, n_nodes: int = 1, precision: str = "fp32") -> Fabric:
    """Start the processes of a training; further processes run the same command.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` (this GPU only).
    n_devices, n_nodes : int
        Processes per machine, and number of machines; under Slurm, as ``srun`` started them.
    precision : {"fp32", "bf16"}
        Numeric precision. TF32 is switched off for the process, since torch would otherwise round float32
        convolutions on GPUs to it.

    Returns
    -------
    Fabric
        Launched.

    Raises
    ------
    UserError
        If there are fewer GPUs.
    """
    resolved = check_devices(device, n_devices)
    # Prediction does the same, so validation and calibration apply to the maps that it predicts.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Warnings about library versions and memory layout, which a user cannot act on.
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", message="Grad strides do not match")
    fabric = Fabric(
        accelerator="gpu" if resolved.type == "cuda" else "cpu",
        devices=[resolved.index] if resolved.index is not None and n_devices == 1 else n_devices,
        num_nodes=n_nodes,
        # `fit` shares the statistics of batch normalisation once an epoch.
        strategy=DDPStrategy(broadcast_buffers=False) if n_devices * n_nodes > 1 else "auto",
        precision=PRECISIONS[precision],  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


def check_precision(module: MaskedUNet, device: torch.device, precision: str) -> None:
    """Check that bfloat16 gradients are complete on this device.

    On processors with AVX-512, oneDNN leaves parts of the gradient of a bfloat16 kernel unwritten where the
    map that it is applied to has fewer voxels along an axis than the kernel.

    Parameters
    ----------
    module : MaskedUNet
    device : torch.device
    precision : {"fp32", "bf16"}

    Raises
    ------
    UserError
        If the coarsest map of the network is smaller than a kernel, in bfloat16 on a CPU.
    """
    if device.type != "cpu" or precision != "bf16":
        return
    max_level = module.network.config.max_level
    coarsest = [size // 2 ** (max_level + 1) for size in module.box]
    if min(coarsest) < KERNEL_SIZE:
        shape = "x".join(map(str, coarsest))
        message = (
            f"max_level {max_level}: the coarsest map has {shape} voxels, smaller than the kernel of "
            f"{KERNEL_SIZE}. Its bf16 gradients are wrong on some CPUs.\n"
            "Choose precision fp32, a lower max_level, or a GPU."
        )
        raise UserError(message)


def free_gpu_bytes(device: torch.device) -> float:
    """Measure the free memory of a GPU in bytes.

    Parameters
    ----------
    device : torch.device
        A CUDA device.
    """
    return float(torch.cuda.mem_get_info(device)[0])


def is_lost_process(error: BaseException) -> bool:
    """Return whether an error means that another process of the training has ended.

    Parameters
    ----------
    error : BaseException
    """
    # gloo raises plain RuntimeErrors; the connection may break at either end.
    return isinstance(error, torch.distributed.DistError) or (
        isinstance(error, RuntimeError)
        and any(words in str(error) for words in ("closed by peer", "reset by peer", "Broken pipe"))
    )


def bytes_of_step(module: MaskedUNet, n_participants: int) -> float:
    """Estimate the memory of a training step from a pass of tensors without content.

    Parameters
    ----------
    module : MaskedUNet
    n_participants : int
        Participants in the step, on one device.

    Returns
    -------
    float
        Bytes of the activations saved for the gradients, of the weights with Adam's state, and of the peak
        during the backward pass.
    """
    # By storage, since several tensors may share one.
    saved: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        saved[storage._cdata] = storage
        return tensor

    config = module.network.config
    with torch.device("meta"):
        shape = UNet(config)
        box = torch.empty((1, config.in_channels, *module.box))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        shape.features(box)
    n_voxels = module.box[0] * module.box[1] * module.box[2]
    # The peak: the concatenated maps of both paths, and their gradient.
    peak = 2 * 4 * 2 * config.fdim * n_voxels
    weights = 4 * 4 * sum(value.numel() for value in shape.parameters())
    # Predicted and measured maps, and the input of the last layer.
    maps = 4 * (2 * config.out_channels + config.fdim) * len(module.output_places)
    # Weights are saved too, but once for all participants.
    weight_storages = {value.untyped_storage()._cdata for value in shape.state_dict().values()}
    activations = sum(storage.nbytes() for key, storage in saved.items() if key not in weight_storages)
    return float(n_participants * (activations + peak + maps) + weights)


def largest_batch(module: MaskedUNet, n_bytes: float) -> int:
    """Estimate the number of participants of a step that fit into memory.

    Parameters
    ----------
    module : MaskedUNet
    n_bytes : float
        Available memory; see `bytes_of_step`.

    Returns
    -------
    int
    """
    fixed = bytes_of_step(module, 0)
    return max(0, int((n_bytes - fixed) // (bytes_of_step(module, 1) - fixed)))
