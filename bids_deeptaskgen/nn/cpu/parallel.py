"""Parallel computation of blocks of rows."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch


def compute_in_parts(n_rows: int, n_per_part: int, compute: Callable[[slice], None]) -> None:
    """Compute parts of an array's rows in as many threads as torch uses.

    The result does not depend on the number of threads. If the threads shared each small matrix product
    instead, they would wait for each other thousands of times, which is slow when other processes use the
    same cores.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    n_per_part : int
        Rows per part; the last part may have fewer.
    compute : callable
        Takes the slice of a part and writes only to its rows; runs without gradients.
    """
    parts = [slice(start, start + n_per_part) for start in range(0, n_rows, n_per_part)]
    n_threads = torch.get_num_threads()
    if n_threads == 1:
        for part in parts:
            compute(part)
        return
    try:
        # The inference mode is a property of each thread.
        for _ in _pool(n_threads).map(torch.inference_mode()(compute), parts):
            pass
    finally:
        # set_num_threads in a worker also changes the default of threads that start later.
        torch.set_num_threads(n_threads)


@lru_cache(maxsize=1)
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,))
