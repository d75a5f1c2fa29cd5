"""Reader of network weights from checkpoints, which never executes pickled code."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.opening import name_reason
from bids_deeptaskgen.models.architecture import Architecture, read_architecture
from bids_deeptaskgen.nn.unet import state_dict_errors

Weights = dict[str, NDArray[np.generic]]


def read_checkpoint(path: Path) -> tuple[Architecture, Weights]:
    """Read the weights and the architecture of a network from a file.

    Parameters
    ----------
    path : Path
        A Lightning checkpoint (only its ``state_dict`` is used), a saved torch state, or ``.safetensors``.
        Pickled objects other than tensors and plain values are refused without executing them.

    Returns
    -------
    architecture : Architecture
        Derived from the shapes of the tensors, because published checkpoints do not state it.
    weights : dict of str to array
        State under the published names; float32, counters int64.

    Raises
    ------
    UserError
        If the file does not exist, is damaged or contains other objects than tensors and plain values, if
        the network is incomplete or not a published DeepTaskGen network, or if weights are not finite.
    """
    state = _read_state(path)
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    architecture = read_architecture(shapes, str(path))
    if not architecture.is_network:
        message = (
            f"{path}: holds a ridge model, but only networks are imported.\n"
            "Use the folder of its bundle as it is (--model FOLDER), or fit one: deeptaskgen train "
            "--architecture ridge."
        )
        raise UserError(message)
    if faults := state_dict_errors(shapes, architecture):
        message = (
            f"{path}: looks like {architecture}, but {len(faults)} of its {len(shapes)} tensors do not fit: "
            f"{'; '.join(faults[:5])}.\nUse a network with the published tensor names and shapes."
        )
        raise UserError(message)
    weights = {
        key: (value.float() if value.is_floating_point() else value).contiguous().numpy()
        for key, value in state.items()
    }
    bad = [key for key, value in weights.items() if not np.isfinite(value).all()]
    if bad:
        message = (
            f"{path}: {len(bad)} tensors contain NaN or infinite values, first {bad[0]}. "
            "Training has probably diverged; use an earlier checkpoint."
        )
        raise UserError(message)
    return architecture, weights


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        message = (
            f"{path}: no such file. Pass the checkpoint of a training run or of the authors' repository."
        )
        raise UserError(message)
    content = _load_safetensors(path) if path.suffix == ".safetensors" else _load_torch(path)
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        content_text = ", ".join(map(str, state)) if isinstance(state, dict) else type(state).__name__
        message = (
            f"{path}: contains no network state; found: {content_text[:200]}.\n"
            "Pass a Lightning checkpoint (with state_dict) or a saved state_dict of tensors."
        )
        raise UserError(message)
    return state


def _load_torch(path: Path) -> object:
    try:
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        message = (
            f"{path}: is damaged or contains objects that would run code when loaded, so it was not loaded.\n"
            f"{_first_line(error)}\n"
            "Download the file again from the authors' repository, or save only the network's state_dict."
        )
        raise UserError(message) from error
    # torch.load raises any of these for a file that is not a checkpoint.
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error
    return content


def _load_safetensors(path: Path) -> object:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with name_reason(path):
            content: object = load_file(path)
    except SafetensorError as error:
        raise _damaged(path, error) from error
    return content


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path}: cannot be read as a checkpoint ({_first_line(error)}).\n"
        "It may be truncated, or a Git LFS pointer or web page: download it again and compare its size."
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
