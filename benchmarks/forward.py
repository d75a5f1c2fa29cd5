"""Time the published network on a CPU, three ways in one process: python benchmarks/forward.py.

plain: the module as it is; dense: batch normalisation folded, channels last, all voxels; voxelwise: what
`deeptaskgen` does. Weights and connectome are random; the output is nilearn's grey matter.
"""

import statistics
import time
from collections.abc import Callable

import torch

from bids_deeptaskgen.core.rois import brain_mask, grey_matter_mask
from bids_deeptaskgen.nn.architecture import Architecture
from bids_deeptaskgen.nn.devices import fast_layout, new_network
from bids_deeptaskgen.nn.fold import folded
from bids_deeptaskgen.nn.voxelwise import Voxelwise

N_RUNS = 5


@torch.inference_mode()
def main() -> None:
    """Time each way in turn, and print medians, ratios and the largest difference."""
    network = new_network(Architecture(), seed=0).eval()
    fast = fast_layout(folded(network))
    brain, grey = torch.tensor(brain_mask()), torch.tensor(grey_matter_mask())
    box = ((torch.rand(*brain.shape, 50) - 0.5) * brain[..., None]).permute(3, 0, 1, 2)
    fastest, rows = Voxelwise(fast, brain, grey), box[:, brain].T.contiguous()
    ways: dict[str, Callable[[], torch.Tensor]] = {
        "plain": lambda: network(box.contiguous()[None])[0].permute(1, 2, 3, 0)[grey],
        "dense": lambda: fast.head(fast.features(box[None])[0].permute(1, 2, 3, 0)[grey]),
        "voxelwise": lambda: fastest(rows),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(N_RUNS + 1):
        maps = {}
        for name, way in ways.items():
            began = time.perf_counter()
            maps[name] = way()
            seconds[name].append(time.perf_counter() - began)
    plain = maps["plain"]
    print(f"{torch.get_num_threads()} threads; grey matter is {float(grey.float().mean()):.0%} of the box")
    for name, all_runs in seconds.items():
        runs = all_runs[1:]  # the first one fetches memory
        ratio = statistics.median(a / b for a, b in zip(seconds["plain"][1:], runs, strict=True))
        off = float((maps[name] - plain).abs().max() / plain.std())
        print(f"{name:10} {statistics.median(runs):6.2f} s, {ratio:.2f}x, largest difference {off:.1e} SD")


if __name__ == "__main__":
    main()
