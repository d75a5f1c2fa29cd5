"""Agreement of the sets of maps of a participant: of sessions, runs or tasks that were kept apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.grid import model_to_output, unmask
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.report.page_limits import N_MAPS_IN_MEMORY
from bids_deeptaskgen.report.participant_content import Measure, plural
from bids_deeptaskgen.report.reading.sources import result_name
from bids_deeptaskgen.stats.map_agreement import Reference, pairwise_r

Floats = NDArray[np.float32]
Pair = tuple[str, str]

# Entities that number the runs of a session.
_RUN_KEYS = {"run", "dir"}


@dataclass(frozen=True)
class SetAgreement:
    """Agreement of all pairs of a participant's sets of maps.

    Attributes
    ----------
    kind : {"session", "run", "task", "set of maps"}
        What the sets differ in.
    pairs : tuple of (str, str)
        Names of all pairs of sets.
    by_contrast : dict of str to dict of (str, str) to float
        Pearson r by contrast and pair, where both sets have the contrast.
    minus_mean_maps : bool
        Whether the mean maps of the model were subtracted.
    """

    kind: str
    pairs: tuple[Pair, ...]
    by_contrast: Mapping[str, Mapping[Pair, float]]
    minus_mean_maps: bool


def set_kind(results: Sequence[Result]) -> str:
    """Return in what sets of maps differ.

    Parameters
    ----------
    results : sequence of Result

    Returns
    -------
    {"session", "run", "task", "set of maps"}
        ``session`` for a single set.
    """
    names = [{"ses": result.session or "", **dict(result.entities)} for result in results]
    keys = {key for name in names for key in name if len({item.get(key) for item in names}) > 1}
    if keys <= {"ses"}:
        return "session"
    if keys <= _RUN_KEYS:
        return "run"
    return "task" if keys == {"task"} else "set of maps"


def compare_results(
    output_dir: Path, results: Sequence[Result], bundle: Bundle | None
) -> SetAgreement | None:
    """Correlate the maps of each pair of sets; each map is read once.

    Parameters
    ----------
    output_dir : Path
        Root of the output dataset.
    results : sequence of Result
        All sets of maps of a participant.
    bundle : Bundle or None
        Its mean maps are subtracted; without them, plain maps are compared.

    Returns
    -------
    SetAgreement or None
        None for a single set.

    Raises
    ------
    InputError
        If a map cannot be read.
    """
    if len(results) < 2:
        return None
    names = [result_name(result) for result in results]
    labels = list(dict.fromkeys(label for result in results for label in result.maps.contrasts))
    size = max(1, N_MAPS_IN_MEMORY // len(results))
    by_contrast: dict[str, dict[Pair, float]] = {}
    for start in range(0, len(labels), size):
        for label, maps in _read_batch(output_dir, results, labels[start : start + size]):
            members = [names[number] for number in maps]
            correlations = _correlate(list(maps.values()), _mean_volume(bundle, label))
            pairs = combinations(range(len(members)), 2)
            values = {(members[i], members[j]): float(correlations[i, j]) for i, j in pairs}
            if values:
                by_contrast[label] = values
    has_means = bundle is not None and bundle.mean_statmaps() is not None
    return SetAgreement(set_kind(results), tuple(combinations(names, 2)), by_contrast, has_means)


def _read_batch(
    output_dir: Path, results: Sequence[Result], labels: Sequence[str]
) -> Iterator[tuple[str, dict[int, Floats]]]:
    """Yield each contrast with its maps, by the number of the set."""
    maps: dict[str, dict[int, Floats]] = {label: {} for label in labels}
    for number, result in enumerate(results):
        members = [label for label in labels if label in result.maps.contrasts]
        if members:
            for label, values in zip(members, result.read(output_dir, members), strict=True):
                maps[label][number] = values
    yield from maps.items()


def _mean_volume(bundle: Bundle | None, label: str) -> Floats | None:
    """Return the mean map of a model on the grid of the maps; None without."""
    means = None if bundle is None else bundle.mean_statmaps()
    if bundle is None or means is None:
        return None
    labels = [contrast.label for contrast in bundle.card.contrasts]
    if label not in labels:
        return None
    return model_to_output(unmask(means[labels.index(label)], bundle.output_mask))


def _correlate(maps: Sequence[Floats], mean: Floats | None) -> NDArray[np.float64]:
    """Correlate maps where both of a pair have values: (n_maps, n_maps), diagonal not defined."""
    has_value = [values != 0 for values in maps]
    correlations = np.full((len(maps), len(maps)), np.nan)
    if maps and has_value[0].any() and all(np.array_equal(has_value[0], voxels) for voxels in has_value):
        rows = np.stack([values[has_value[0]] for values in maps])
        means = None if mean is None else np.broadcast_to(mean[has_value[0]], rows.shape)
        units = np.stack(list(Reference(means).unit_maps(rows)))
        correlations[:] = units @ units.T
        return correlations
    for i, j in combinations(range(len(maps)), 2):
        voxels = has_value[i] & has_value[j]
        if voxels.any():
            means = None if mean is None else mean[voxels][None]
            correlations[i, j] = pairwise_r(maps[i][voxels][None], maps[j][voxels][None], means)[0]
    return correlations


def describe_agreement(
    agreement: SetAgreement | None, names: Sequence[str]
) -> tuple[list[Measure], dict[str, dict[str, float]]]:
    """Describe the agreement of sets for a page that shows some of them.

    Parameters
    ----------
    agreement : SetAgreement or None
    names : sequence of str
        Sets of the page: pairs without any of them are only in the median over all pairs.

    Returns
    -------
    list of Measure
        Median over contrasts of each pair; first the one over all pairs if there are several.
    dict of str to dict of str to float
        r by contrast and pair.
    """
    if agreement is None:
        return [], {}
    words: Mapping[str, Mapping[str, str]] = load_table("report/measures.json")["agreement"]
    note = words["minus_mean" if agreement.minus_mean_maps else "plain"]["explanation"]
    kinds = plural(agreement.kind)
    text = f"{words['session_r']['explanation'].format(kinds=kinds)} {note}"
    medians = {
        pair: _median([values[pair] for values in agreement.by_contrast.values() if pair in values])
        for pair in agreement.pairs
    }
    measures = []
    if len(medians) > 1:
        all_text = words["all_pairs_r"]["explanation"].format(kinds=kinds)
        overall = _median([value for value in medians.values() if value is not None])
        measures.append(Measure("all_pairs_r", f"All {len(medians)} pairs of {kinds}", overall, all_text))
    shown_pairs = [pair for pair in agreement.pairs if set(pair) & set(names)]
    measures += [Measure("session_r", _words(pair), medians[pair], text) for pair in shown_pairs]
    by_contrast = {
        label: {_words(pair): values[pair] for pair in shown_pairs if pair in values}
        for label, values in agreement.by_contrast.items()
    }
    return measures, {label: values for label, values in by_contrast.items() if values}


def _words(pair: Pair) -> str:
    return " and ".join(pair)


def _median(values: Sequence[float]) -> float | None:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.median(finite)) if finite else None
