"""Where a training runs, and how many people fit there."""

import logging
import warnings

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.nn.inference import resolve_device
from bids_deeptaskgen.nn.unet import UNet
from bids_deeptaskgen.training.masked_unet import MaskedUNet

# Of the convolutions of a block, along each axis.
KERNEL_SIZE = 3
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


def check_devices(device: str, n_devices: int = 1) -> torch.device:
    """Make sure that there are as many devices as are asked for.

    Parameters
    ----------
    device : str
        As for `make_fabric`.
    n_devices : int

    Returns
    -------
    torch.device

    Raises
    ------
    UserError
    """
    where = resolve_device(device)
    n_there = torch.cuda.device_count() if where.type == "cuda" else n_devices
    if n_devices > n_there:
        message = f"--n-devices {n_devices}: there are {n_there} GPUs here. Ask for as many, or fewer."
        raise UserError(message)
    return where


def make_fabric(device: str, *, n_devices: int = 1, n_nodes: int = 1, precision: str = "fp32") -> Fabric:
    """Prepare a training's processes; the others are started here, and run the same command.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` (that one alone).
    n_devices, n_nodes : int
        Processes on each machine, and machines; under Slurm, as ``srun`` started them.
    precision : {"fp32", "bf16"}
        What is float32 is so in full: the process gives up TF32, to which torch would round in convolutions
        on GPUs.

    Returns
    -------
    Fabric
        Launched.

    Raises
    ------
    UserError
        If there are not as many devices.
    """
    where = check_devices(device, n_devices)
    # As in prediction: what is validated and calibrated here is what will be predicted.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # About each other's versions, and how memory is laid out: nothing that a user could mend.
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", message="Grad strides do not match")
    fabric = Fabric(
        accelerator="gpu" if where.type == "cuda" else "cpu",
        devices=[where.index] if where.index is not None and n_devices == 1 else n_devices,
        num_nodes=n_nodes,
        # What batch normalisation measures is shared once an epoch, in `fit`.
        strategy=DDPStrategy(broadcast_buffers=False) if n_devices * n_nodes > 1 else "auto",
        precision=PRECISIONS[precision],  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


def check_precision(module: MaskedUNet, device: torch.device, precision: str) -> None:
    """Check that gradients in bfloat16 are whole on this device.

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
            f"max_level {max_level} makes the coarsest map {shape} voxels, smaller than a kernel of "
            f"{KERNEL_SIZE}: its gradients in bf16 are wrong on some CPUs.\n"
            "Choose precision fp32, a lower max_level, or a GPU."
        )
        raise UserError(message)


def free_gpu_bytes(device: torch.device) -> float:
    """Tell how much memory of a GPU nobody has taken."""
    return float(torch.cuda.mem_get_info(device)[0])


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory is used up, of a GPU or of the machine."""
    of_torch = isinstance(error, RuntimeError) and (
        "out of memory" in str(error) or "not enough memory" in str(error) or "allocate memory" in str(error)
    )
    return of_torch or isinstance(error, MemoryError)


def is_lost_process(error: BaseException) -> bool:
    """Whether an error says that another process of the training is gone; why, only that one can tell."""
    # Words of gloo, which raises nothing but RuntimeErrors: the connection may break at either end.
    return isinstance(error, torch.distributed.DistError) or (
        isinstance(error, RuntimeError)
        and any(words in str(error) for words in ("closed by peer", "reset by peer", "Broken pipe"))
    )


def bytes_of_step(module: MaskedUNet, n_participants: int) -> float:
    """Estimate the memory that a training step needs, by letting tensors without content go through it.

    Parameters
    ----------
    module : MaskedUNet
    n_participants : int
        In the step, on one device.

    Returns
    -------
    float
        Bytes of what is kept for the gradients, of the weights and Adam's numbers for them, and of the widest
        moment on the way back.
    """
    # By storage, since several tensors may share one.
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage
        return tensor

    config = module.network.config
    with torch.device("meta"):
        shape = UNet(config)
        box = torch.empty((1, config.in_channels, *module.box))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        shape.features(box)
    n_voxels = module.box[0] * module.box[1] * module.box[2]
    # The widest moment: joined maps of both ways, and their gradient.
    widest = 2 * 4 * 2 * config.fdim * n_voxels
    weights = 4 * 4 * sum(value.numel() for value in shape.parameters())
    # Predicted and measured maps, and what the last layer makes the former of.
    maps = 4 * (2 * config.out_channels + config.fdim) * len(module.wanted)
    # Weights are kept too, but once for all people.
    own = {value.untyped_storage()._cdata for value in shape.state_dict().values()}
    activations = sum(storage.nbytes() for key, storage in kept.items() if key not in own)
    return float(n_participants * (activations + widest + maps) + weights)


def largest_batch(module: MaskedUNet, n_bytes: float) -> int:
    """Tell how many people of a step fit into so much memory; see `bytes_of_step`."""
    fixed = bytes_of_step(module, 0)
    return max(0, int((n_bytes - fixed) // (bytes_of_step(module, 1) - fixed)))
