"""Time a training step of the published size on a CPU, batch 2: ``python -m benchmarks.speed.training_step``.

plain: the network as it is, whole boxes in and out; ours: what `deeptaskgen train` does, weights and maps
channels last and the last layer at the wanted voxels only. Each way has a process of its own.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nn.unet import UNet, new_network
from bids_deeptaskgen.training.losses import LossSettings, make_loss
from bids_deeptaskgen.training.masked_unet import MaskedUNet

N_STEPS = 4


def plain_way() -> tuple[torch.nn.Module, Callable[[], tuple[Tensor, Tensor]]]:
    """Give a network, and what predicts two people and says what they should be."""
    torch.manual_seed(0)
    network, box = UNet(Architecture()), brain_mask().shape
    connectomes, statmaps = torch.randn(2, 50, *box), torch.randn(2, 47, *box)
    grey = torch.from_numpy(grey_matter_mask())
    return network, lambda: (network(connectomes)[:, :, grey], statmaps[:, :, grey])


def our_way() -> tuple[torch.nn.Module, Callable[[], tuple[Tensor, Tensor]]]:
    """Give the same as `plain_way`."""
    module = MaskedUNet(new_network(Architecture(), seed=0), brain_mask(), grey_matter_mask())
    connectomes, statmaps = torch.randn(2, 50, len(module.shown)), torch.randn(2, 47, len(module.wanted))
    return module, lambda: (module(connectomes), statmaps)


WAYS = {"plain": plain_way, "ours": our_way}


def time_steps(way: str) -> None:
    """Do some steps, and print the seconds and CPU seconds of each but the first, and the peak in GiB."""
    module, predict = WAYS[way]()
    optimizer, loss_of = torch.optim.Adam(module.parameters()), make_loss(LossSettings())
    steps = []
    for _ in range(N_STEPS):
        began, spent = time.perf_counter(), time.process_time()
        loss_of(*predict()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        steps.append((time.perf_counter() - began, time.process_time() - spent))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"steps": steps[1:], "peak_gib": peak}))


def main() -> None:
    """Time both ways, twice in turn, and print medians."""
    if sys.argv[1:]:
        time_steps(sys.argv[1])
        return
    for way in (*WAYS, *WAYS):
        command = [sys.executable, "-m", "benchmarks.speed.training_step", way]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        wall, spent = (statistics.median(column) for column in zip(*found["steps"], strict=True))
        print(f"{way:6} {wall:.1f} s, {spent:.1f} CPU s, {found['peak_gib']:.2f} GiB at most", flush=True)


if __name__ == "__main__":
    main()
