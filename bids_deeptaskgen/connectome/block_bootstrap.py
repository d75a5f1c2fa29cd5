"""Block bootstrap over the volumes of a session: connectomes of resampled series.

Volumes that follow each other are dependent, so that contiguous blocks are drawn instead of volumes (Künsch
1989, Annals of Statistics 17:1217), as Bellec et al. (2008, Statistica Sinica 18:1253) do for connectivity.
Implementations for fMRI use blocks of the square root of the number of volumes (PyBASC, after Bellec et al.
2010, NeuroImage 51:1126) or 2 to 3 times as many (``niak_bootstrap_tseries`` of NIAK). Blocks here are
non-overlapping windows of the kept volumes, whose sums `connectome.accumulator` adds up.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bids_deeptaskgen.connectome.findings import Finding
from bids_deeptaskgen.connectome.prepare_run import PreparedRun
from bids_deeptaskgen.connectome.session import accumulate_run
from bids_deeptaskgen.connectome.window_counts import MIN_BLOCK_S, count_blocks

# The SD of a mean over n blocks is too small by the factor sqrt((n - 1) / n): by 5% for 10 blocks.
MIN_BLOCKS = 10
FLAG = "too_short_for_bootstrap"


def check_blocks(plans: Sequence[PreparedRun], place: str) -> Finding | None:
    """Check that each run has enough blocks for a bootstrap.

    Parameters
    ----------
    plans : sequence of PreparedRun
        Runs of one session.
    place : str
        Session, for the message.

    Returns
    -------
    Finding or None
        The reason why there is no bootstrap; None if all runs suffice.
    """
    n_blocks = min(count_blocks(len(plan.kept_volumes), plan.t_r) for plan in plans)
    if n_blocks >= MIN_BLOCKS:
        return None
    message = (
        f"{place}: no bootstrap, since the shortest run has {n_blocks} blocks of {MIN_BLOCK_S:g} s and of "
        f"the square root of its number of volumes; at least {MIN_BLOCKS} are required.\n"
        "The maps are not affected. Exclude short runs, or censor fewer volumes."
    )
    return Finding(FLAG, message, float(n_blocks), float(MIN_BLOCKS))


def make_generator(seed: int, name: str) -> np.random.Generator:
    """Create the random generator of a session, independent of processes and their order.

    Parameters
    ----------
    seed : int
        At least 0.
    name : str
        Unique name of the session; each has different random numbers.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> generators = [make_generator(0, name) for name in ("sub-01", "sub-01", "sub-02")]
    >>> numbers = [int(generator.integers(2**32)) for generator in generators]
    >>> numbers[0] == numbers[1], numbers[0] == numbers[2]
    (True, False)
    """
    words = np.frombuffer(hashlib.sha256(name.encode()).digest(), "<u4")
    return np.random.default_rng([seed, *words.tolist()])


def draw_blocks(
    generator: np.random.Generator, n_blocks: Iterable[int], n_resamples: int
) -> list[NDArray[np.intp]]:
    """Draw the blocks of each run with replacement.

    Parameters
    ----------
    generator : numpy.random.Generator
    n_blocks : iterable of int
        Number of blocks of each run.
    n_resamples : int

    Returns
    -------
    list of integer array of shape (n_resamples, n_blocks)
        Numbers of blocks for each run.
    """
    return [generator.integers(n, size=(n_resamples, n)) for n in n_blocks]


def resampled_connectomes(
    plans: Sequence[PreparedRun],
    draws: Sequence[NDArray[np.intp]],
    projection: NDArray[np.float64],
    run_weights: NDArray[np.float64],
    smoothing_mm: float = 0.0,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Read the runs once more and yield the contribution of each run to each resample.

    Parameters
    ----------
    plans : sequence of PreparedRun
    draws : sequence of integer array of shape (n_resamples, n_blocks)
        For each run; see `draw_blocks`.
    projection : array of shape (n_rois, n_voxels)
    run_weights : array of shape (n_runs, n_voxels)
        Weights with which the runs are pooled; see `SessionConnectomes`.
    smoothing_mm : float
        As in the first pass.

    Yields
    ------
    number : int
        Number of the resample.
    contribution : float32 array of shape (n_rois, n_voxels)
        Pearson r times the weight of the run; the sum over runs is the connectome of the resample. The array
        is overwritten by the next.
    """
    # One BLAS thread, so that results do not depend on the number of threads.
    with threadpool_limits(limits=1, user_api="blas"):
        for plan, numbers, weights in zip(plans, draws, run_weights.astype(np.float32), strict=True):
            accumulator = accumulate_run(plan, projection, numbers.shape[1], smoothing_mm)
            for number, connectome in enumerate(accumulator.resample(numbers)):
                connectome *= weights
                yield number, connectome
            del accumulator, connectome  # free the memory before the next run's sums are allocated
