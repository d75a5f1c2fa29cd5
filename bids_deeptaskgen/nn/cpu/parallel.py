"""Parts of some rows computed side by side, each in one thread."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch


def in_parts(n_rows: int, n_per_part: int, compute: Callable[[slice], None]) -> None:
    """Compute parts of some rows in as many threads as torch has; the result does not depend on their number.

    Threads that share each small product wait for each other thousands of times, which takes many times as
    long where others want the cores too.

    Parameters
    ----------
    n_rows, n_per_part : int
    compute : callable
        Takes a part, and writes to its rows alone; without gradients.
    """
    parts = [slice(start, start + n_per_part) for start in range(0, n_rows, n_per_part)]
    n_threads = torch.get_num_threads()
    if n_threads == 1:
        for part in parts:
            compute(part)
        return
    try:
        # Each thread must be told that nobody wants gradients.
        for _ in _pool(n_threads).map(torch.inference_mode()(compute), parts):
            pass
    finally:
        # What a thread says of its own number counts for those that are yet to come, too.
        torch.set_num_threads(n_threads)


@lru_cache(maxsize=1)
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,))
