"""From connectomes to predicted statmaps."""

import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, repeat
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import unmask
from bids_deeptaskgen.nn.inference import Network
from bids_deeptaskgen.nn.precision import precision_context

Floats = NDArray[np.float32]
Key = TypeVar("Key")
# Waits for what a device computes.
Waiting = Callable[[], Sequence[Floats | Exception]]


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
    """Predict one person from several windows; see `predict_each` and `mean_and_sd`."""
    maps = predict_each(network, ((None, connectome) for connectome in connectomes))
    return mean_and_sd(one for _, one in maps)


def mean_and_sd(maps: Iterable[Floats | Exception]) -> tuple[Floats, Floats | None]:
    """Summarise the maps of a person's windows, keeping two sets of them in memory whatever their number.

    Parameters
    ----------
    maps : iterable of arrays of shape (n_contrasts, n_output_voxels), float32
        One for each window; exceptions among them are raised.

    Returns
    -------
    mean : array of that shape
        Mean over windows.
    sd : array of that shape, or None
        Standard deviation over windows (n - 1); None for a single window. Not a standard error: windows
        of one person are not independent.

    Raises
    ------
    UserError
        If there is no window.
    """
    n_windows = 0
    for of_window in maps:
        if isinstance(of_window, Exception):
            raise of_window
        n_windows += 1
        if n_windows == 1:
            mean, squares = of_window, np.zeros_like(of_window)
            continue
        if n_windows == 2:
            mean = mean.copy()  # whose it is, does not expect it to change
        # Welford's recurrence: no cancellation however close the windows are.
        step = of_window - mean
        mean += step / n_windows
        squares += step * (of_window - mean)
    if not n_windows:
        message = "There is no window to predict from: the connectome is empty."
        raise UserError(message)
    return mean, np.sqrt(squares / (n_windows - 1)) if n_windows > 1 else None


def predict_each(
    network: Network, connectomes: Iterable[tuple[Key, Floats | Exception]]
) -> Iterator[tuple[Key, Floats | Exception]]:
    """Predict connectomes, whoever's they are, in batches of as many as the network takes.

    On a GPU, the next batch is on its way while the maps of the last are waited for.

    Parameters
    ----------
    network : Network
    connectomes : iterable of (key, array of shape (n_rois, n_brain_voxels) or Exception)
        What could not be read takes its place as an exception.

    Yields
    ------
    (key, array of shape (n_contrasts, n_output_voxels) or Exception)
        In the same order. An exception is that which came, or what is wrong with the connectome, or why it
        could not be predicted.
    """
    items = iter(connectomes)
    on_the_way: deque[tuple[list[tuple[Key, Exception | None]], Waiting]] = deque()
    n_ahead = 1 if network.device.type == "cuda" else 0
    while batch := [(key, _checked(network, one)) for key, one in islice(items, network.n_batch)]:
        usable = [one for _, one in batch if not isinstance(one, Exception)]
        places = [(key, one if isinstance(one, Exception) else None) for key, one in batch]
        on_the_way.append((places, _started(network, usable)))
        if len(on_the_way) > n_ahead:
            yield from _arrived(*on_the_way.popleft())
    while on_the_way:
        yield from _arrived(*on_the_way.popleft())


def _arrived(
    places: Sequence[tuple[Key, Exception | None]], wait: Waiting
) -> Iterator[tuple[Key, Floats | Exception]]:
    """Put maps in the places of their connectomes."""
    maps: Iterator[Floats | Exception]
    try:
        maps = iter(wait())
    except Exception as error:  # noqa: BLE001 - what a GPU finds wrong, it tells when it is waited for
        maps = repeat(error)
    for key, fault in places:
        yield key, fault or next(maps)


def _started(network: Network, connectomes: Sequence[Floats]) -> Waiting:
    """Start to predict a batch; what goes wrong is told for each of its connectomes."""
    try:
        return _pass(network, connectomes) if connectomes else tuple
    except Exception as error:  # noqa: BLE001 - travels as a value, to whom it concerns
        fault = error
        # The frames hold what lies in the device's memory.
        traceback.clear_frames(error.__traceback__)
    if isinstance(fault, torch.OutOfMemoryError) and len(connectomes) > 1:
        # Others may use the same GPU.
        each = [_started(network, [one]) for one in connectomes]
        return lambda: [maps for wait in each for maps in wait()]
    return lambda: [fault] * len(connectomes)


@torch.inference_mode()
def _pass(network: Network, connectomes: Sequence[Floats]) -> Waiting:
    """Send connectomes, (n_rois, n_brain_voxels) each, through the network."""
    if network.voxelwise:
        every = [torch.from_numpy(np.asarray(one, np.float32).T[network.shown]) for one in connectomes]
        maps = [np.ascontiguousarray(network.voxelwise(rows).T.numpy()) for rows in every]
        return lambda: maps
    on_gpu = network.device.type == "cuda"
    n, n_rois = len(connectomes), network.module.config.in_channels
    # From and to pinned memory, a GPU copies by itself.
    shown = torch.empty((n, n_rois, int(network.shown.sum())), pin_memory=on_gpu)
    for room, connectome in zip(shown.numpy(), connectomes, strict=True):
        room[:] = connectome[:, network.shown]
    size = network.brain_mask.shape
    box = torch.zeros((n, *size, n_rois), device=network.device)  # channels last
    sent = shown.to(network.device, non_blocking=True)
    box.view(n, -1, n_rois)[:, network.shown_at] = sent.transpose(1, 2)
    with precision_context(network.device, network.precision):
        features = network.module.features(box.permute(0, 4, 1, 2, 3))
        # The last layer works voxel by voxel, so only the voxels that are wanted go through it.
        rows = features.flatten(2).transpose(1, 2)[:, network.wanted_at]
        computed = network.module.head(rows)
    computed = computed.transpose(1, 2).float()  # (n, n_contrasts, n_output_voxels)
    found = torch.empty(computed.shape, pin_memory=on_gpu)
    found.copy_(computed, non_blocking=True)
    done = torch.cuda.Event() if on_gpu else None  # type: ignore[no-untyped-call]
    if done:
        done.record(torch.cuda.current_stream(network.device))

    def wait() -> Sequence[Floats]:
        if done:
            done.synchronize()
        # Copies, since all would be kept for the sake of one.
        return [one.copy() for one in found.numpy()] if n > 1 else [found.numpy()[0]]

    return wait


def _checked(network: Network, connectome: Floats | Exception) -> Floats | Exception:
    """Give back a connectome, or what is wrong with it."""
    try:
        if not isinstance(connectome, Exception):
            _check_connectome(network, connectome)
    except UserError as error:
        return error
    return connectome


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
