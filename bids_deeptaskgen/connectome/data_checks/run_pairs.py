"""Comparison of the runs of a session, to find copies."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.data_checks.measurement import Measurement

# Fewer common volumes are no evidence.
MIN_COMMON_VOLUMES = 30


class RunSeries(NamedTuple):
    """Series of a run that identify it.

    Attributes
    ----------
    name : str
        For the message.
    fingerprint : str
        Hash of the data.
    rois : array of shape (n_kept, n_rois)
        Cleaned ROI series.
    kept_volumes : integer array of shape (n_kept,)
    """

    name: str
    fingerprint: str
    rois: NDArray[np.float64]
    kept_volumes: NDArray[np.intp]


def most_alike_runs(runs: Sequence[RunSeries]) -> Measurement | None:
    """Find the two runs of a session whose ROI series are most alike.

    Parameters
    ----------
    runs : sequence of RunSeries

    Returns
    -------
    Measurement or None
        Median over ROIs of the correlation of their series, volume by volume; 1 for equal data. None for a
        single run.
    """
    pairs = [
        (similarity, f"{a.name} and {b.name}")
        for a, b in combinations(runs, 2)
        if (similarity := _similarity(a, b)) is not None
    ]
    return Measurement(*max(pairs)) if pairs else None


def _similarity(a: RunSeries, b: RunSeries) -> float | None:
    if a.fingerprint == b.fingerprint:
        return 1.0
    _, rows_a, rows_b = np.intersect1d(a.kept_volumes, b.kept_volumes, return_indices=True)
    if len(rows_a) < MIN_COMMON_VOLUMES:
        return None
    series_a, series_b = (series - series.mean(axis=0) for series in (a.rois[rows_a], b.rois[rows_b]))
    norms = np.linalg.norm(series_a, axis=0) * np.linalg.norm(series_b, axis=0)
    if not (norms > 0).any():
        return None
    correlations = (series_a * series_b).sum(axis=0)[norms > 0] / norms[norms > 0]
    return float(np.median(correlations))
