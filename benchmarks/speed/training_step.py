"""Time of a training step of the published size on a CPU: ``python -m benchmarks.speed.training_step``.

The batch size is 2. "unoptimised" is the plain network on the whole grid. "bids_deeptaskgen" is the step of
`deeptaskgen train`: channels last, and the last layer at the required voxels only. Each variant runs in a
separate process.
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


def unoptimised_step() -> tuple[torch.nn.Module, Callable[[], tuple[Tensor, Tensor]]]:
    """Create an unoptimised network.

    Returns
    -------
    tuple of Module and function
        The function returns predicted and measured maps of two participants.
    """
    torch.manual_seed(0)
    network, box = UNet(Architecture()), brain_mask().shape
    connectomes, statmaps = torch.randn(2, 50, *box), torch.randn(2, 47, *box)
    grey = torch.from_numpy(grey_matter_mask())
    return network, lambda: (network(connectomes)[:, :, grey], statmaps[:, :, grey])


def optimised_step() -> tuple[torch.nn.Module, Callable[[], tuple[Tensor, Tensor]]]:
    """Create the network of `deeptaskgen train`; see `unoptimised_step`."""
    module = MaskedUNet(new_network(Architecture(), seed=0), brain_mask(), grey_matter_mask())
    connectomes, statmaps = (
        torch.randn(2, 50, len(module.input_voxels)),
        torch.randn(2, 47, len(module.output_places)),
    )
    return module, lambda: (module(connectomes), statmaps)


WAYS = {"unoptimised": unoptimised_step, "bids_deeptaskgen": optimised_step}


def time_steps(way: str) -> None:
    """Run training steps and print wall and CPU seconds of all except the first, and the peak in GiB."""
    module, predict = WAYS[way]()
    optimizer, loss_of = torch.optim.Adam(module.parameters()), make_loss(LossSettings())
    steps = []
    for _ in range(N_STEPS):
        start_wall, start_cpu = time.perf_counter(), time.process_time()
        loss_of(*predict()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        steps.append((time.perf_counter() - start_wall, time.process_time() - start_cpu))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"steps": steps[1:], "peak_gib": peak}))


def main() -> None:
    """Measure both variants twice, alternately, and print medians."""
    if sys.argv[1:]:
        time_steps(sys.argv[1])
        return
    for way in (*WAYS, *WAYS):
        command = [sys.executable, "-m", "benchmarks.speed.training_step", way]
        result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        wall, cpu = (statistics.median(column) for column in zip(*result["steps"], strict=True))
        print(f"{way:16} {wall:.1f} s, {cpu:.1f} CPU s, {result['peak_gib']:.2f} GiB peak", flush=True)


if __name__ == "__main__":
    main()
