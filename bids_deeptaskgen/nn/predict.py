"""From connectomes to predicted statmaps."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.nn.utils import convert_conv3d_weight_memory_format

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.nn.bundle import Bundle, unmask
from bids_deeptaskgen.nn.fold import folded
from bids_deeptaskgen.nn.precision import arithmetic, check_precision
from bids_deeptaskgen.nn.unet import UNet, state_faults
from bids_deeptaskgen.nn.voxelwise import Voxelwise, is_supported

Floats = NDArray[np.float32]


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
    voxelwise : Voxelwise or None
        The same network on a CPU, faster; None if it is not of that kind or elsewhere.
    precision : {"fp32", "tf32", "bf16"}
        In which arithmetic it computes.
    """

    module: UNet
    device: torch.device
    brain_mask: NDArray[np.bool_]
    output_mask: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    voxelwise: Voxelwise | None
    precision: str


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
    if faults := state_faults(bundle.shapes(), bundle.card.architecture):
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
    voxelwise = None
    if where.type == "cpu" and precision == "fp32" and is_supported(fast):
        inside = torch.from_numpy(_scattered(shown, brain_mask))
        voxelwise = Voxelwise(fast, inside, torch.from_numpy(output_mask))
    return Network(fast, where, brain_mask, output_mask, shown, voxelwise, precision)


def _scattered(shown: NDArray[np.bool_], brain_mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    inside = brain_mask.copy()
    inside[brain_mask] = shown
    return inside


def predict(network: Network, connectome: ArrayLike) -> Floats:
    """Predict the statmaps of one person.

    Parameters
    ----------
    network : Network
    connectome : array of shape (n_rois, n_brain_voxels) or (n_rois, x, y, z)
        Pearson r. A leading axis (n_windows, ...) is allowed: the maps are then the mean over windows.

    Returns
    -------
    array of shape (n_contrasts, x, y, z), float32
        Zero outside the output mask.

    Raises
    ------
    UserError
        If the connectome does not fit the network or is not finite.
    """
    windows = np.asarray(connectome)
    box = network.brain_mask.shape
    if windows.shape[-3:] == box and windows.ndim in (4, 5):
        windows = windows[..., network.brain_mask]
    mean, _ = predict_windows(network, windows if windows.ndim == 3 else [windows])
    return unmask(mean, network.output_mask)


def predict_windows(network: Network, connectomes: Iterable[Floats]) -> tuple[Floats, Floats | None]:
    """Predict one person from several windows, keeping two sets of maps in memory whatever their number.

    Parameters
    ----------
    network : Network
    connectomes : iterable of arrays of shape (n_rois, n_brain_voxels)
        One for each window; may be a generator.

    Returns
    -------
    mean : array of shape (n_contrasts, n_output_voxels), float32
        Mean over windows.
    sd : array of that shape, or None
        Standard deviation over windows (n - 1); None for a single window. Not a standard error: windows
        of one person are not independent.

    Raises
    ------
    UserError
        If a connectome does not fit the network or is not finite, or there is none.
    """
    n_windows = 0
    for connectome in connectomes:
        maps = _predict_voxels(network, connectome)
        n_windows += 1
        if n_windows == 1:
            mean, squares = maps, np.zeros_like(maps)
            continue
        # Welford's recurrence: no cancellation however close the windows are.
        step = maps - mean
        mean += step / n_windows
        squares += step * (maps - mean)
    if not n_windows:
        message = "There is no window to predict from: the connectome is empty."
        raise UserError(message)
    return mean, np.sqrt(squares / (n_windows - 1)) if n_windows > 1 else None


@torch.inference_mode()
def _predict_voxels(network: Network, connectome: Floats) -> Floats:
    """One pass of the network: (n_rois, n_brain_voxels) to (n_contrasts, n_output_voxels)."""
    _check_connectome(network, connectome)
    rows = torch.from_numpy(np.asarray(connectome, np.float32).T[network.shown]).to(network.device)
    if network.voxelwise:
        maps = network.voxelwise(rows)
    else:
        inside, wanted = (
            torch.from_numpy(mask).to(network.device)
            for mask in (_scattered(network.shown, network.brain_mask), network.output_mask)
        )
        box = torch.zeros((*inside.shape, rows.shape[1]), device=network.device)  # channels last
        box[inside] = rows
        with arithmetic(network.device, network.precision):
            features = network.module.features(box.permute(3, 0, 1, 2)[None])[0]
            # The last layer works voxel by voxel, so only the voxels that are wanted go through it.
            maps = network.module.head(features.permute(1, 2, 3, 0)[wanted])  # (n_output_voxels, n_contrasts)
    return np.ascontiguousarray(maps.T.float().cpu().numpy())


def _check_connectome(network: Network, connectome: Floats) -> None:
    wanted = (network.module.config.in_channels, network.shown.size)
    if connectome.shape != wanted:
        message = (
            f"The connectome has shape {connectome.shape}, but the network takes {wanted[0]} ROIs by "
            f"{wanted[1]} voxels of its brain mask. Make the connectome with the same bundle."
        )
        raise UserError(message)
    if not np.isfinite(connectome).all():
        message = (
            "The connectome holds NaN or infinite values; the network would spread them over the map. "
            "Set voxels without a correlation to 0."
        )
        raise UserError(message)
