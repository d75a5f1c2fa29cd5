"""Prediction of statistical maps from connectomes, in batches. Does not import torch itself."""

import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from bids_deeptaskgen.connectome.coverage import region_without_signal, signal_of_connectomes
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import unmask
from bids_deeptaskgen.nn.ready_model import Floats, ReadyModel, Waiting

Key = TypeVar("Key")


def predict(network: ReadyModel, connectome: ArrayLike) -> Floats:
    """Predict the statistical maps of one session.

    Parameters
    ----------
    network : ReadyModel
        See `load_network`.
    connectome : array of shape (n_rois, n_brain_voxels) or (n_rois, x, y, z)
        Pearson r. With a leading axis (n_windows, ...), the maps are averaged over windows.

    Returns
    -------
    array of shape (n_contrasts, x, y, z), float32
        Zero outside the output mask, and in large regions in which the connectome is zero
        (`connectome.coverage.region_without_signal`).

    Raises
    ------
    UserError
        If the connectome does not fit the model or is not finite.

    Examples
    --------
    >>> from bids_deeptaskgen import load_bundle, load_network
    >>> network = load_network(load_bundle("embedded"), "cpu")
    >>> predict(network, np.zeros((50, 235375), np.float32)).shape
    (47, 76, 93, 78)
    """
    windows = np.asarray(connectome)
    box = network.brain_mask.shape
    if windows.shape[-3:] == box and windows.ndim in (4, 5):
        windows = windows[..., network.brain_mask]
    windows = windows if windows.ndim == 3 else windows[None]
    mean, _ = predict_windows(network, windows)
    region = region_without_signal(signal_of_connectomes(windows), network.brain_mask)
    if region.any():
        in_map = network.output_mask[network.brain_mask]
        mean = np.where(region[in_map], np.float32(0), mean)
    return unmask(mean, network.output_mask)


def predict_windows(network: ReadyModel, connectomes: Iterable[Floats]) -> tuple[Floats, Floats | None]:
    """Predict one session from several windows; see `predict_each` and `mean_and_sd`.

    Parameters
    ----------
    network : ReadyModel
    connectomes : iterable of array of shape (n_rois, n_brain_voxels)
        One connectome per window, Pearson r.

    Returns
    -------
    mean, sd : array of shape (n_contrasts, n_output_voxels), float32
        Mean and standard deviation over windows; `sd` is None for a single window.
    """
    maps = predict_each(network, ((None, connectome) for connectome in connectomes))
    return mean_and_sd(window_maps for _, window_maps in maps)


def mean_and_sd(maps: Iterable[Floats | Exception]) -> tuple[Floats, Floats | None]:
    """Compute mean and standard deviation over windows, with two sets of maps in memory.

    Parameters
    ----------
    maps : iterable of arrays of shape (n_contrasts, n_output_voxels), float32
        One set per window; exceptions among them are raised.

    Returns
    -------
    mean : array of shape (n_contrasts, n_output_voxels)
        Mean over windows.
    sd : array of shape (n_contrasts, n_output_voxels), or None
        Standard deviation over windows (n - 1); None for a single window. This is not a standard error,
        because windows of one session are not independent.

    Raises
    ------
    UserError
        If there are no windows.
    """
    n_windows = 0
    for window_maps in maps:
        if isinstance(window_maps, Exception):
            raise window_maps
        n_windows += 1
        if n_windows == 1:
            mean, squares = window_maps, np.zeros_like(window_maps)
            continue
        if n_windows == 2:
            mean = mean.copy()  # the array belongs to the caller
        # Welford's recurrence avoids cancellation when the windows are similar.
        step = window_maps - mean
        mean += step / n_windows
        squares += step * (window_maps - mean)
    if not n_windows:
        message = "The connectome has no windows, so no maps can be predicted. Compute it again."
        raise UserError(message)
    return mean, np.sqrt(squares / (n_windows - 1)) if n_windows > 1 else None


def predict_each(
    network: ReadyModel, connectomes: Iterable[tuple[Key, Floats | Exception]]
) -> Iterator[tuple[Key, Floats | Exception]]:
    """Predict connectomes in batches of the size that the model allows.

    On a GPU, the next batch is sent before the maps of the previous batch are collected.

    Parameters
    ----------
    network : ReadyModel
    connectomes : iterable of (key, array of shape (n_rois, n_brain_voxels) or Exception)
        A connectome that could not be read is replaced by its exception.

    Yields
    ------
    (key, array of shape (n_contrasts, n_output_voxels) or Exception)
        In the order of the connectomes. An exception is the one received, or the reason why the connectome
        is invalid or could not be predicted.
    """
    items = iter(connectomes)
    pending: deque[tuple[list[tuple[Key, Exception | None]], Waiting]] = deque()
    while batch := [(key, _validate(network, item)) for key, item in islice(items, network.n_batch)]:
        usable = [item for _, item in batch if not isinstance(item, Exception)]
        faults = [(key, item if isinstance(item, Exception) else None) for key, item in batch]
        pending.append((faults, _start_batch(network, usable)))
        if len(pending) > network.n_ahead:
            yield from _collect_batch(*pending.popleft())
    while pending:
        yield from _collect_batch(*pending.popleft())


def _collect_batch(
    faults: Sequence[tuple[Key, Exception | None]], wait: Waiting
) -> Iterator[tuple[Key, Floats | Exception]]:
    """Yield the maps or the exception of each connectome of a batch."""
    maps: Iterator[Floats | Exception]
    try:
        maps = iter(wait())
    except Exception as error:  # noqa: BLE001 - a GPU reports errors only when it is waited for
        maps = repeat(error)
    for key, fault in faults:
        yield key, fault or _check_maps(next(maps))


def _check_maps(maps: Floats | Exception) -> Floats | Exception:
    """Return maps, or the exception that explains why they cannot be used."""
    if isinstance(maps, Exception) or np.isfinite(maps).all():
        return maps
    return UserError(
        "The predicted maps contain NaN or infinite values.\nCheck the weights of the model, and the values "
        "of the connectome, which must be Pearson r."
    )


def _start_batch(network: ReadyModel, connectomes: Sequence[Floats]) -> Waiting:
    """Start the prediction of a batch; an error becomes the result of each of its connectomes."""
    try:
        return network.start(connectomes) if connectomes else tuple
    except Exception as error:  # noqa: BLE001 - becomes a value of the affected connectomes
        fault = error
        # The frames keep references to tensors in the device's memory.
        traceback.clear_frames(error.__traceback__)
    if len(connectomes) > 1 and network.is_out_of_memory(fault):
        waits = [_start_batch(network, [connectome]) for connectome in connectomes]
        return lambda: [maps for wait in waits for maps in wait()]
    return lambda: [fault] * len(connectomes)


def _validate(network: ReadyModel, connectome: Floats | Exception) -> Floats | Exception:
    """Return a connectome, or the exception that explains why it is invalid."""
    try:
        if not isinstance(connectome, Exception):
            _check_connectome(network, connectome)
    except UserError as error:
        return error
    return connectome


def _check_connectome(network: ReadyModel, connectome: Floats) -> None:
    n_rois, n_voxels = network.n_rois, int(network.brain_mask.sum())
    if connectome.shape != (n_rois, n_voxels):
        message = (
            f"The connectome has shape {connectome.shape}, but the model takes {n_rois} ROIs by "
            f"{n_voxels} voxels of its brain mask. Compute the connectome with the same model."
        )
        raise UserError(message)
    if not np.isfinite(connectome).all():
        message = (
            "The connectome contains NaN or infinite values, which would spread over the predicted maps. "
            "Set voxels without a correlation to 0."
        )
        raise UserError(message)
