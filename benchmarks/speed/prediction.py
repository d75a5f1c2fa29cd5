"""How fast a network predicts: as `predict` does it, beside the plain network in the same process."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.speed.timing import Comparison, Timing, in_new_process, side_by_side, timed
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.nn.batchnorm_folding import folded
from bids_deeptaskgen.nn.inference import make_network, resolve_device
from bids_deeptaskgen.nn.precision import precision_context
from bids_deeptaskgen.nn.predict import predict_windows
from bids_deeptaskgen.nn.unet import UNet, to_channels_last


def measure_forward(bundle: Path, device: str, n_repeats: int) -> list[Comparison]:
    """Time the prediction of one person.

    Parameters
    ----------
    bundle : Path
        Folder of the model.
    device : str
        As for `nn.inference.resolve_device`.
    n_repeats : int

    Returns
    -------
    list of Comparison
        One. Its facts: threads, the share of the box that is predicted, and the largest difference from the
        plain network in SDs of its maps.
    """
    return [in_new_process(_prepared, bundle, device, n_repeats).result]


def _prepared(folder: Path, device: str, n_repeats: int) -> Callable[[], Comparison]:
    return partial(_compared, folder, device, n_repeats)


@torch.inference_mode()
def _compared(folder: Path, device: str, n_repeats: int) -> Comparison:
    bundle, where = load_bundle(folder), resolve_device(device)
    plain = UNet(bundle.card.architecture).eval()
    plain.load_state_dict({key: torch.from_numpy(value) for key, value in bundle.weights().items()})
    fast = make_network(plain, bundle.brain_mask, bundle.output_mask, device=where)
    plain, dense = plain.to(where), to_channels_last(folded(plain)).to(where)
    output = torch.from_numpy(bundle.output_mask).to(where)
    rng = np.random.default_rng(0)
    connectome = rng.uniform(-0.5, 0.5, (plain.config.in_channels, fast.shown.size)).astype(np.float32)
    volume = np.zeros((len(connectome), *bundle.brain_mask.shape), np.float32)
    volume[:, bundle.brain_mask] = connectome
    box = torch.from_numpy(volume)[None]

    def whole(network: UNet) -> np.ndarray:
        with precision_context(where, "fp32"):
            maps = network(box.to(where))[0, :, output]
        return np.asarray(maps.cpu().numpy())

    makers: dict[str, Callable[[], np.ndarray]] = {
        "plain network": partial(whole, plain),
        "folded, channels last": partial(whole, dense),
        "ours": lambda: predict_windows(fast, [connectome])[0],
    }
    results = {name: make() for name, make in makers.items()}  # the first call of each fetches memory
    ways: dict[str, Callable[[], Timing]] = {
        name: lambda make=make: replace(timed(make), result=None)  # type: ignore[misc]
        for name, make in makers.items()
    }
    off = np.abs(results["ours"] - results["plain network"]).max() / results["plain network"].std()
    facts: dict[str, str | float] = {
        "threads": torch.get_num_threads(),
        "share of the box that is predicted": float(bundle.output_mask.mean()),
        "largest difference in SD": float(off),
    }
    card = torch.cuda.get_device_name(where) if where.type == "cuda" else "CPU"
    name = f"prediction, fdim {plain.config.fdim}, {card}"
    return Comparison(name, "plain network", side_by_side(ways, n_repeats), facts)
