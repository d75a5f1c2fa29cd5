"""Numbers of windows and of blocks of a run, from its length."""

from collections.abc import Sequence
from math import isqrt

import numpy as np

# Sums of all blocks of a run are in memory: 1.6 GB for 12 blocks, 50 ROIs and 32 regressors.
MAX_BLOCKS = 12
# Shorter blocks are dependent: after 20 s, the haemodynamic response of Glover (1999, NeuroImage 9:416), as
# `nilearn.glm.first_level.glover_hrf` computes it, is below 2.5% of its peak.
MIN_BLOCK_S = 20.0


def nearest_windows(minutes: Sequence[float], window_minutes: float | None) -> int:
    """Choose the number of windows whose length is nearest to that of the training.

    Parameters
    ----------
    minutes : sequence of float
        Kept minutes of each run; the median counts.
    window_minutes : float or None
        Length of a window in the training.

    Returns
    -------
    int
        At least 1; 1 without a length.

    Examples
    --------
    >>> nearest_windows([14.4, 14.4], 7.2), nearest_windows([9.0], 7.2), nearest_windows([9.0], None)
    (2, 1, 1)
    """
    if not window_minutes:
        return 1
    median = float(np.median(minutes))
    max_windows = max(int(np.ceil(median / window_minutes)), 1)
    return min(range(1, max_windows + 1), key=lambda n: abs(median / n - window_minutes))


def count_blocks(n_kept: int, t_r: float) -> int:
    """Choose the number of blocks of a run.

    Parameters
    ----------
    n_kept : int
        Number of volumes after censoring.
    t_r : float
        Repetition time in s.

    Returns
    -------
    int
        At most ``MAX_BLOCKS``; each block has at least sqrt(n_kept) volumes and ``MIN_BLOCK_S`` seconds.

    Examples
    --------
    >>> count_blocks(1200, 0.72), count_blocks(240, 2.0), count_blocks(100, 2.0), count_blocks(75, 2.0)
    (12, 12, 10, 7)
    """
    return min(MAX_BLOCKS, isqrt(n_kept), int(n_kept * t_r / MIN_BLOCK_S))
