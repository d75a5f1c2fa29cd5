"""Weights of published Lightning checkpoints, read without running anything that a file may hold."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.architecture import Architecture, read_architecture
from bids_deeptaskgen.nn.unet import state_dict_errors

Weights = dict[str, NDArray[np.generic]]


def read_checkpoint(path: Path) -> tuple[Architecture, Weights]:
    """Read a network's weights and architecture from a file.

    Parameters
    ----------
    path : Path
        A Lightning checkpoint (its ``state_dict`` is taken, optimiser and the like are left), a saved state
        of torch, or ``.safetensors``. Pickled objects other than tensors are refused, never run.

    Returns
    -------
    architecture : Architecture
        Read off the shapes of the tensors: published checkpoints do not say it.
    weights : dict of str to array
        The state under its published names, in float32 (counters in int64).

    Raises
    ------
    UserError
        If the file is absent, damaged or holds more than tensors and plain values, or the network is none of
        those that DeepTaskGen was published with or is incomplete.
    """
    state = _read_state(path)
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    architecture = read_architecture(shapes, str(path))
    if faults := state_dict_errors(shapes, architecture):
        message = (
            f"{path}: looks like {architecture}, but {len(faults)} of its {len(shapes)} tensors do not fit: "
            f"{'; '.join(faults[:5])}.\nOnly networks with the published names and shapes are read."
        )
        raise UserError(message)
    weights = {
        key: (value.float() if value.is_floating_point() else value).contiguous().numpy()
        for key, value in state.items()
    }
    bad = [key for key, value in weights.items() if not np.isfinite(value).all()]
    if bad:
        message = f"{path}: {len(bad)} tensors hold NaN or infinite values, first {bad[0]}: training failed."
        raise UserError(message)
    return architecture, weights


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        message = f"{path}: no such file. Give the checkpoint that training or the authors' repository made."
        raise UserError(message)
    content = _load_safetensors(path) if path.suffix == ".safetensors" else _load_torch(path)
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        found = ", ".join(map(str, state)) if isinstance(state, dict) else type(state).__name__
        message = (
            f"{path}: there is no state of a network in it; found: {found[:200]}.\n"
            "A Lightning checkpoint (with state_dict) or a state of tensors is wanted."
        )
        raise UserError(message)
    return state


def _load_torch(path: Path) -> object:
    try:
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        message = (
            f"{path}: is not a plain checkpoint: it is damaged or holds objects that would run code when "
            f"loaded, so it was not loaded.\n{_first_line(error)}\n"
            "Take the file from its authors' repository, or save the network's state_dict alone."
        )
        raise UserError(message) from error
    # A file that is no checkpoint can fail in the reader in any of these ways.
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error
    return content


def _load_safetensors(path: Path) -> object:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        content: object = load_file(path)
    except SafetensorError as error:
        raise _damaged(path, error) from error
    return content


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path}: cannot be read as a checkpoint ({_first_line(error)}).\n"
        "It may be truncated, or a Git LFS pointer or web page: fetch it again and compare its size."
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
