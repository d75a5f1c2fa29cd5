"""Networks that are ready to predict: device, precision, masks, batch size and forward pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils import convert_conv3d_weight_memory_format

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.machine import may_use_gpu, warn_of_unused_gpu
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.nn.batchnorm_folding import fold_batch_norm
from bids_deeptaskgen.nn.cpu.sparse_unet import SparseUNet, is_supported
from bids_deeptaskgen.nn.precision import check_precision, precision_context
from bids_deeptaskgen.nn.ready_model import Floats, Waiting
from bids_deeptaskgen.nn.unet import UNet, state_dict_errors

# Connectomes per GPU batch, if half of the free memory suffices.
MAX_BATCH = 8
# Feature maps of the size of the first block per connectome: at most 6 were in memory on a CPU; the workspace
# of a GPU's convolutions is assumed to need as many again.
N_WIDEST = 12


@dataclass(frozen=True)
class Network:
    """A network that is ready to predict, with the positions of its input and output voxels.

    Attributes
    ----------
    module : UNet
        In evaluation mode on `device`, with folded batch normalisation.
    device : torch.device
    brain_mask, output_mask : boolean array of shape (x, y, z)
        Voxels of the connectome; voxels that are predicted.
    is_input : boolean array of shape (n_brain_voxels,)
        Connectome voxels that the network receives; all others are set to zero.
    input_index, output_index : integer tensor of shape (n_input_voxels,) or (n_output_voxels,)
        Flat voxel indices of the input and of the output, on `device`.
    voxelwise : SparseUNet or None
        Faster CPU implementation of the same network; None on a GPU or if the architecture is not supported.
    precision : {"fp32", "tf32", "bf16"}
        Arithmetic of the convolutions.
    n_batch : int
        Connectomes per batch.
    """

    module: UNet
    device: torch.device
    brain_mask: NDArray[np.bool_]
    output_mask: NDArray[np.bool_]
    is_input: NDArray[np.bool_]
    input_index: torch.Tensor
    output_index: torch.Tensor
    voxelwise: SparseUNet | None
    precision: str
    n_batch: int = 1

    @property
    def n_rois(self) -> int:
        """Return the number of rows of a connectome."""
        return self.module.config.in_channels

    @property
    def n_ahead(self) -> int:
        """Return the number of batches that a GPU receives before the first maps are collected."""
        return 1 if self.device.type == "cuda" else 0

    @property
    def device_name(self) -> str:
        """Return the device, e.g. ``cpu`` or ``cuda:0``."""
        return str(self.device)

    def start(self, connectomes: Sequence[Floats]) -> Waiting:
        """Start the prediction of a batch; see `ReadyModel`."""
        return _forward(self, connectomes)

    def is_out_of_memory(self, error: Exception) -> bool:
        """Return whether the memory of the device was too small; others may use the same GPU."""
        return isinstance(error, torch.OutOfMemoryError)


def resolve_device(name: str) -> torch.device:
    """Resolve ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` to an available device.

    Parameters
    ----------
    name : str
        ``auto`` selects the first GPU if there is one, else the CPU; in a Slurm job, only a GPU of the job.

    Returns
    -------
    torch.device

    Raises
    ------
    UserError
        If the GPU is not available or the name is unknown.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() and may_use_gpu() else "cpu"
        if not torch.cuda.is_available():
            warn_of_unused_gpu()
    kind, _, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (":" in name and not number.isdecimal())):
        message = f"device {name!r} is not known. Choose auto, cpu, cuda or cuda:N."
        raise UserError(message)
    if kind == "cuda":
        n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(number or 0) >= n_gpus:
            message = (
                f"device {name} is not available: torch {torch.__version__} sees {n_gpus} GPUs.\n"
                "Choose `device` cpu, or install a torch built for this GPU's driver and, in a container, "
                "pass the GPU on (docker --gpus all, apptainer --nv)."
            )
            raise UserError(message)
    return torch.device(name)


def set_threads(n_threads: int) -> None:
    """Set the number of CPU threads of torch; results are reproducible for a given number.

    Parameters
    ----------
    n_threads : int
        At least 1; applies to the whole process.
    """
    torch.set_num_threads(n_threads)


def check_weights(bundle: Bundle) -> None:
    """Check names and shapes of a bundle's weights without reading their values.

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


def bundle_network(
    bundle: Bundle, device: str = "auto", *, input_mask: str = "card", precision: str = "fp32"
) -> Network:
    """Build a bundle's network; see `inference.load_network`.

    Parameters
    ----------
    bundle : Bundle
    device : str
    input_mask : {"card", "brain", "gm"}
    precision : {"fp32", "tf32", "bf16"}

    Returns
    -------
    Network

    Raises
    ------
    UserError
        If the weights do not fit the architecture of the card, the device is not available, or `precision`
        is too inaccurate on it.
    """
    torch_device = resolve_device(device)
    check_weights(bundle)
    module = UNet(bundle.card.architecture)
    module.load_state_dict({key: torch.from_numpy(value) for key, value in bundle.weights().items()})
    return make_network(
        module,
        bundle.brain_mask,
        bundle.output_mask,
        device=torch_device,
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
    """Prepare a network for prediction.

    Parameters
    ----------
    module : UNet
        Network with its weights; is not changed.
    brain_mask, output_mask : boolean array of shape (x, y, z)
        Voxels of the connectome; voxels that are predicted.
    device : torch.device or str
    input_mask : {"brain", "gm"}
        See `inference.load_network`.
    precision : {"fp32", "tf32", "bf16"}

    Returns
    -------
    Network

    Raises
    ------
    UserError
        If `precision` is too inaccurate on the device.
    """
    is_input = output_mask[brain_mask] if input_mask == "gm" else np.ones(int(brain_mask.sum()), bool)
    torch_device = torch.device(device)
    fast = fold_batch_norm(module).to(torch_device)
    convert_conv3d_weight_memory_format(fast, torch.channels_last_3d)
    n_batch = 1
    if torch_device.type == "cuda":
        n_batch = max_batch_size(torch_device, fast.config.fdim * brain_mask.size)
    n_x, n_y, n_z = brain_mask.shape
    check_precision(fast, torch_device, precision, (n_x, n_y, n_z), n_batch)
    input_voxels = brain_mask.copy()
    input_voxels[brain_mask] = is_input
    # Integer indices avoid the synchronisation with the CPU that a boolean mask needs on a GPU.
    input_index, output_index = (
        torch.from_numpy(np.flatnonzero(mask)).to(torch_device) for mask in (input_voxels, output_mask)
    )
    voxelwise = None
    if torch_device.type == "cpu" and precision == "fp32" and is_supported(fast):
        voxelwise = SparseUNet(fast, torch.from_numpy(input_voxels), torch.from_numpy(output_mask))
    return Network(
        fast,
        torch_device,
        brain_mask,
        output_mask,
        is_input,
        input_index,
        output_index,
        voxelwise,
        precision,
        n_batch,
    )


def max_batch_size(device: torch.device, n_values: int) -> int:
    """Return the number of connectomes that fit in half of a GPU's free memory, at most `MAX_BATCH`.

    Parameters
    ----------
    device : torch.device
    n_values : int
        Number of float32 values in the feature maps of the first block for one connectome.

    Returns
    -------
    int
        At least 1.
    """
    n_free_bytes, _ = torch.cuda.mem_get_info(device)
    return max(1, min(MAX_BATCH, int(n_free_bytes / 2 / (4 * N_WIDEST * n_values))))


@torch.inference_mode()
def _forward(network: Network, connectomes: Sequence[Floats]) -> Waiting:
    """Run the network on connectomes, each of shape (n_rois, n_brain_voxels)."""
    if network.voxelwise:
        inputs = [
            torch.from_numpy(np.asarray(connectome, np.float32).T[network.is_input])
            for connectome in connectomes
        ]
        maps = [np.ascontiguousarray(network.voxelwise(rows).T.numpy()) for rows in inputs]
        return lambda: maps
    on_gpu = network.device.type == "cuda"
    n, n_rois = len(connectomes), network.module.config.in_channels
    # Copies between pinned memory and a GPU do not block the CPU.
    host_input = torch.empty((n, n_rois, int(network.is_input.sum())), pin_memory=on_gpu)
    for target, connectome in zip(host_input.numpy(), connectomes, strict=True):
        target[:] = connectome[:, network.is_input]
    size = network.brain_mask.shape
    box = torch.zeros((n, *size, n_rois), device=network.device)  # channels last
    device_input = host_input.to(network.device, non_blocking=True)
    box.view(n, -1, n_rois)[:, network.input_index] = device_input.transpose(1, 2)
    with precision_context(network.device, network.precision):
        features = network.module.features(box.permute(0, 4, 1, 2, 3))
        # The last layer is voxelwise, so it is applied to the output voxels only.
        rows = features.flatten(2).transpose(1, 2)[:, network.output_index]
        output = network.module.head(rows)
    output = output.transpose(1, 2).float()  # (n, n_contrasts, n_output_voxels)
    host_output = torch.empty(output.shape, pin_memory=on_gpu)
    host_output.copy_(output, non_blocking=True)
    event = torch.cuda.Event() if on_gpu else None  # type: ignore[no-untyped-call]
    if event:
        event.record(torch.cuda.current_stream(network.device))

    def wait() -> Sequence[Floats]:
        if event:
            event.synchronize()
        # A view would keep the maps of the whole batch in memory.
        return [maps.copy() for maps in host_output.numpy()] if n > 1 else [host_output.numpy()[0]]

    return wait
