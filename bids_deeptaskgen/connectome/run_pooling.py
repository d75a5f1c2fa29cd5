"""Pooling of the connectomes of several runs."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.accumulator import RunStatistics


def pool_runs(
    runs: Iterable[RunStatistics], n_runs: int, *, keeps_runs: bool = False
) -> tuple[NDArray[np.float32], list[RunStatistics]]:
    """Pool the connectomes of several runs, with one run in memory at a time.

    With one window per run: the mean over the runs in which a voxel has signal, weighted by the number of
    kept volumes (gains differ between runs, so series are not concatenated). With more windows: the
    connectomes of all windows, run after run.

    Parameters
    ----------
    runs : iterable of RunStatistics
        All with the same number of windows.
    n_runs : int
    keeps_runs : bool
        Also keep the connectome of each run, if they are pooled.

    Returns
    -------
    connectomes : float32 array of shape (n_connectomes, n_rois, n_voxels)
    statistics : list of RunStatistics
        The runs, without their connectomes unless these are kept.
    """
    statistics: list[RunStatistics] = []
    for run in runs:
        n_windows = len(run.connectome)
        if not statistics:
            pools = n_windows == 1 and n_runs > 1
            shape = (1 if pools else n_runs * n_windows, *run.connectome.shape[1:])
            connectomes = np.zeros(shape, np.float64 if pools else np.float32)
        if pools:
            connectomes += len(run.rois) * run.connectome
        else:
            connectomes[len(statistics) * n_windows :][:n_windows] = run.connectome
        # A copy: a view would keep the whole array in memory.
        statistics.append(
            run if pools and keeps_runs else replace(run, connectome=np.empty((0, *shape[1:]), np.float32))
        )
        del run  # free its memory before the next run's sums are allocated
    if pools:
        connectomes /= np.maximum(sum(len(run.rois) * run.has_signal for run in statistics), 1)
    return connectomes.astype(np.float32, copy=False), statistics
