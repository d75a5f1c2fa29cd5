"""Time of a prediction with `predict` and with an unoptimised network, in one process."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.speed.timing import (
    Comparison,
    Timing,
    measure_alternately,
    measure_call,
    measure_in_new_process,
)
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.nn.batchnorm_folding import fold_batch_norm
from bids_deeptaskgen.nn.network import make_network, resolve_device
from bids_deeptaskgen.nn.precision import precision_context
from bids_deeptaskgen.nn.predict import predict_windows
from bids_deeptaskgen.nn.unet import UNet, to_channels_last


def measure_forward(bundle: Path, device: str, n_repeats: int) -> list[Comparison]:
    """Measure the time of the prediction of one participant.

    Parameters
    ----------
    bundle : Path
        Folder of the model.
    device : str
        Argument of `nn.network.resolve_device`.
    n_repeats : int
        Number of measurements of each variant.

    Returns
    -------
    list of Comparison
        One comparison. Its facts are the number of threads, the proportion of the grid that is predicted, and
        the largest difference from the unoptimised network in SDs of its maps.
    """
    return [measure_in_new_process(_prepare, bundle, device, n_repeats).result]


def _prepare(folder: Path, device: str, n_repeats: int) -> Callable[[], Comparison]:
    return partial(_compare, folder, device, n_repeats)


@torch.inference_mode()
def _compare(folder: Path, device: str, n_repeats: int) -> Comparison:
    bundle, torch_device = load_bundle(folder), resolve_device(device)
    network = UNet(bundle.card.architecture).eval()
    network.load_state_dict({key: torch.from_numpy(value) for key, value in bundle.weights().items()})
    fast = make_network(network, bundle.brain_mask, bundle.output_mask, device=torch_device)
    network, dense = network.to(torch_device), to_channels_last(fold_batch_norm(network)).to(torch_device)
    output = torch.from_numpy(bundle.output_mask).to(torch_device)
    rng = np.random.default_rng(0)
    connectome = rng.uniform(-0.5, 0.5, (network.config.in_channels, fast.input_index.size)).astype(
        np.float32
    )
    volume = np.zeros((len(connectome), *bundle.brain_mask.shape), np.float32)
    volume[:, bundle.brain_mask] = connectome
    box = torch.from_numpy(volume)[None]

    def predict_box(dense_network: UNet) -> np.ndarray:
        with precision_context(torch_device, "fp32"):
            maps = dense_network(box.to(torch_device))[0, :, output]
        return np.asarray(maps.cpu().numpy())

    makers: dict[str, Callable[[], np.ndarray]] = {
        "unoptimised network": partial(predict_box, network),
        "folded batch norm, channels last": partial(predict_box, dense),
        "bids_deeptaskgen": lambda: predict_windows(fast, [connectome])[0],
    }
    results = {name: make() for name, make in makers.items()}  # the first call of each allocates memory
    ways: dict[str, Callable[[], Timing]] = {
        name: lambda make=make: replace(measure_call(make), result=None)  # type: ignore[misc]
        for name, make in makers.items()
    }
    reference = results["unoptimised network"]
    difference = np.abs(results["bids_deeptaskgen"] - reference).max() / reference.std()
    facts: dict[str, str | float] = {
        "threads": torch.get_num_threads(),
        "proportion of the grid that is predicted": float(bundle.output_mask.mean()),
        "largest difference in SD": float(difference),
    }
    processor = torch.cuda.get_device_name(torch_device) if torch_device.type == "cuda" else "CPU"
    name = f"prediction, fdim {network.config.fdim}, {processor}"
    return Comparison(name, "unoptimised network", measure_alternately(ways, n_repeats), facts)
