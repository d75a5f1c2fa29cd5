"""Agreement of the maps of several sessions of a participant."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.grid import model_to_output, unmask
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.report.participant_content import Measure
from bids_deeptaskgen.report.reading.maps import read_statmaps
from bids_deeptaskgen.report.reading.sources import SessionSources
from bids_deeptaskgen.stats.map_agreement import pairwise_r

Floats = NDArray[np.float32]
Agreement = tuple[list[Measure], dict[str, dict[str, float]]]


def compare_sessions(sources: Sequence[SessionSources], bundle: Bundle | None) -> Agreement:
    """Correlate the maps of each pair of sessions.

    Parameters
    ----------
    sources : sequence of SessionSources
    bundle : Bundle or None
        Its mean maps are subtracted; without them, plain maps are compared.

    Returns
    -------
    list of Measure
        Median over contrasts for each pair of sessions; empty for a single session.
    dict of str to dict of str to float
        r by contrast and pair.
    """
    if len(sources) < 2:
        return [], {}
    words: Mapping[str, Mapping[str, str]] = load_table("report/measures.json")["agreement"]
    means = _mean_volumes(bundle)
    note = words["minus_mean" if means else "plain"]["explanation"]
    maps = {item.name: dict(read_statmaps(item)) for item in sources}
    by_contrast: dict[str, dict[str, float]] = {}
    measures = []
    for first, second in combinations(maps, 2):
        pair = f"{first} and {second}"
        labels = [label for label in maps[first] if label in maps[second]]
        correlations = {
            label: _correlate(maps[first][label], maps[second][label], means.get(label)) for label in labels
        }
        for label, value in correlations.items():
            by_contrast.setdefault(label, {})[pair] = value
        values = [value for value in correlations.values() if np.isfinite(value)]
        explanation = f"{words['session_r']['explanation']} {note}"
        measures.append(Measure("session_r", pair, float(np.median(values)) if values else None, explanation))
    return measures, by_contrast


def _mean_volumes(bundle: Bundle | None) -> dict[str, Floats]:
    """Return the mean maps of a model on the grid of the maps, by contrast; empty without."""
    means = None if bundle is None else bundle.mean_statmaps()
    if bundle is None or means is None:
        return {}
    labels = [contrast.label for contrast in bundle.card.contrasts]
    return {
        label: model_to_output(unmask(values, bundle.output_mask))
        for label, values in zip(labels, means, strict=True)
    }


def _correlate(first: Floats, second: Floats, mean: Floats | None) -> float:
    """Correlate two maps where both have values."""
    voxels = (first != 0) & (second != 0)
    if not voxels.any():
        return float("nan")
    mean_rows = None if mean is None else mean[voxels][None]
    return float(pairwise_r(first[voxels][None], second[voxels][None], mean_rows)[0])
