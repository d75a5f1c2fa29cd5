"""Time a training step of the published size on a CPU, batch 2: python benchmarks/training_step.py.

GLIBC_TUNABLES=glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184 in the environment keeps freed
memory for the next tensor, in place of giving it back and fetching it anew.
"""

import resource
import time

import torch

from bids_deeptaskgen.core.rois import brain_mask, grey_matter_mask
from bids_deeptaskgen.nn.architecture import Architecture
from bids_deeptaskgen.nn.devices import new_network
from bids_deeptaskgen.nn.losses import LossSettings, make_loss
from bids_deeptaskgen.nn.masked import MaskedUNet

N_STEPS = 3


def main() -> None:
    """Do some steps, and print the seconds of each and the peak memory."""
    module = MaskedUNet(new_network(Architecture(), seed=0), brain_mask(), grey_matter_mask())
    connectomes, statmaps = torch.randn(2, 50, len(module.shown)), torch.randn(2, 47, len(module.wanted))
    optimizer, loss_of = torch.optim.Adam(module.parameters()), make_loss(LossSettings())
    for _ in range(N_STEPS):
        began, spent = time.perf_counter(), time.process_time()
        loss_of(module(connectomes), statmaps).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        wall, cpu = time.perf_counter() - began, time.process_time() - spent
        print(f"{wall:.1f} s, {cpu:.1f} CPU s, {peak:.2f} GiB at most", flush=True)


if __name__ == "__main__":
    main()
