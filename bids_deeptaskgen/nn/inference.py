"""A network made ready to predict."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils import convert_conv3d_weight_memory_format

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.nn.batchnorm_folding import folded
from bids_deeptaskgen.nn.cpu.sparse_unet import Voxelwise, is_supported
from bids_deeptaskgen.nn.precision import check_precision
from bids_deeptaskgen.nn.unet import UNet, state_dict_errors

# A GPU takes several connectomes at once: so many, as far as half of its free memory allows.
MAX_BATCH = 8
# Maps as wide as the first block's for each connectome: 6 were there at the widest moment on a CPU; as many
# again for what a GPU's convolutions work with.
N_WIDEST = 12


@dataclass(frozen=True)
class Network:
    """A network ready to predict, and where its input and output lie.

    Attributes
    ----------
    module : UNet
        In evaluation mode on its device, batch normalisation folded away.
    device : torch.device
        Where it computes.
    brain_mask, output_mask : boolean array of shape (x, y, z)
        Voxels of the connectome; voxels that are predicted.
    shown : boolean array of shape (n_brain_voxels,)
        Which voxels of the connectome the network sees; the others are zero to it.
    shown_at, wanted_at : integer tensor of shape (n_shown,) or (n_output_voxels,)
        Flat places in the box, on the device, of what the network sees and of what is predicted.
    voxelwise : Voxelwise or None
        The same network on a CPU, faster; None if it is not of that kind or elsewhere.
    precision : {"fp32", "tf32", "bf16"}
        In which arithmetic it computes.
    n_batch : int
        Connectomes that go through it at once.
    """

    module: UNet
    device: torch.device
    brain_mask: NDArray[np.bool_]
    output_mask: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    shown_at: torch.Tensor
    wanted_at: torch.Tensor
    voxelwise: Voxelwise | None
    precision: str
    n_batch: int = 1


def resolve_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` into a device that is there.

    Parameters
    ----------
    name : str
        ``auto`` is the first GPU if there is one, else the CPU.

    Returns
    -------
    torch.device

    Raises
    ------
    UserError
        If a GPU is asked for that is not there, or the name is none of these.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (":" in name and not number.isdecimal())):
        message = f"device {name!r} is not known. Choose auto, cpu, cuda or cuda:N."
        raise UserError(message)
    if kind == "cuda":
        n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(number or 0) >= n_gpus:
            message = (
                f"device {name} was asked for, but torch {torch.__version__} sees {n_gpus} GPUs here.\n"
                "Choose --device cpu, or install a torch built for this GPU's driver and, in a container, "
                "pass the GPU on (docker --gpus all, apptainer --nv)."
            )
            raise UserError(message)
    return torch.device(name)


def set_threads(n_threads: int) -> None:
    """Let torch use so many CPU threads in this process; results are reproducible for a given number."""
    torch.set_num_threads(n_threads)


def check_weights(bundle: Bundle) -> None:
    """Check that a bundle holds all tensors of its network in their shapes, without reading their values.

    Parameters
    ----------
    bundle : Bundle

    Raises
    ------
    UserError
        If the weights do not fit the architecture of the card.
    """
    if faults := state_dict_errors(bundle.shapes(), bundle.card.architecture):
        message = (
            f"{bundle.folder}: the weights do not fit the architecture of the card "
            f"({bundle.card.architecture}): {'; '.join(faults[:5])}.\nImport or fetch the model again."
        )
        raise UserError(message)


def load_network(
    bundle: Bundle, device: str = "auto", *, input_mask: str = "card", precision: str = "fp32"
) -> Network:
    """Build a bundle's network.

    Parameters
    ----------
    bundle : Bundle
        As `load_bundle` gives it.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    input_mask : {"card", "brain", "gm"}
        What the network is shown: all of the brain mask, the voxels that are also in the output mask, or what
        the bundle's card says.
    precision : {"fp32", "tf32", "bf16"}
        Arithmetic of the convolutions; see `precision.arithmetic`.

    Returns
    -------
    Network

    Raises
    ------
    UserError
        If the weights do not fit the architecture of the card, the device is not there, or the arithmetic is
        not good enough there.
    """
    where = resolve_device(device)
    check_weights(bundle)
    module = UNet(bundle.card.architecture)
    module.load_state_dict({key: torch.from_numpy(value) for key, value in bundle.weights().items()})
    return make_network(
        module,
        bundle.brain_mask,
        bundle.output_mask,
        device=where,
        input_mask=bundle.card.input_mask if input_mask == "card" else input_mask,
        precision=precision,
    )


def make_network(
    module: UNet,
    brain_mask: NDArray[np.bool_],
    output_mask: NDArray[np.bool_],
    *,
    device: torch.device | str = "cpu",
    input_mask: str = "brain",
    precision: str = "fp32",
) -> Network:
    """Make a network ready to predict.

    Parameters
    ----------
    module : UNet
        With its weights; left as it is.
    brain_mask, output_mask : boolean array of shape (x, y, z)
    device : torch.device or str
    input_mask : {"brain", "gm"}
        As for `load_network`.
    precision : {"fp32", "tf32", "bf16"}

    Returns
    -------
    Network

    Raises
    ------
    UserError
        If the arithmetic is not good enough on the device.
    """
    shown = output_mask[brain_mask] if input_mask == "gm" else np.ones(int(brain_mask.sum()), bool)
    where = torch.device(device)
    fast = folded(module).to(where)
    convert_conv3d_weight_memory_format(fast, torch.channels_last_3d)
    check_precision(fast, where, precision)
    inside = brain_mask.copy()
    inside[brain_mask] = shown
    # A GPU that is told places need not ask the CPU how many there are.
    shown_at, wanted_at = (torch.from_numpy(np.flatnonzero(mask)).to(where) for mask in (inside, output_mask))
    voxelwise = None
    if where.type == "cpu" and precision == "fp32" and is_supported(fast):
        voxelwise = Voxelwise(fast, torch.from_numpy(inside), torch.from_numpy(output_mask))
    n_batch = batch_that_fits(where, fast.config.fdim * brain_mask.size) if where.type == "cuda" else 1
    return Network(
        fast,
        where,
        brain_mask,
        output_mask,
        shown,
        shown_at,
        wanted_at,
        voxelwise,
        precision,
        n_batch,
    )


def batch_that_fits(device: torch.device, n_values: int) -> int:
    """Tell how many connectomes a GPU can take at once, where a wide map has so many values."""
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(MAX_BATCH, int(free / 2 / (4 * N_WIDEST * n_values))))
