"""Typicality and agreement of a session, in words for its page."""

from collections.abc import Mapping
from typing import Any

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.report.participant_content import Measure
from bids_deeptaskgen.report.reading.sources import SessionSources
from bids_deeptaskgen.report.reading.words import number

# Columns of the table of agreement that are no correlation of maps.
_NO_CORRELATIONS = {"bootstrap_relative_sd"}
# Columns of the table of agreement, and the metric that summarises each.
AGREEMENT = {
    "window_r": "window_agreement",
    "split_half_reliability": "split_half_reliability",
    "run_r": "run_agreement",
    "bootstrap_r": "bootstrap_agreement",
    "bootstrap_relative_sd": "bootstrap_relative_sd",
}


def typicality_measures(sources: SessionSources) -> list[Measure]:
    """Describe how typical the connectome is of those that the model was trained on.

    Parameters
    ----------
    sources : SessionSources

    Returns
    -------
    list of Measure
    """
    words: Mapping[str, Mapping[str, str]] = load_table("report/measures.json")["typicality"]
    reference: Mapping[str, Any] = sources.record.get("TypicalityReference") or {}
    return [
        Measure(name, entry["title"], _value(sources.record.get(name)), _explain(entry, reference))
        for name, entry in words.items()
    ]


def _explain(entry: Mapping[str, str], reference: Mapping[str, Any]) -> str:
    if not reference:
        return entry["explanation"]
    values = {name: number(value) for name, value in reference.items()}
    return f"{entry['explanation']} {entry.get('reference', '').format_map(values)}".strip()


def agreement_measures(sources: SessionSources) -> list[Measure]:
    """Describe how well the maps from parts of the data agree.

    Parameters
    ----------
    sources : SessionSources

    Returns
    -------
    list of Measure
        Those that exist for this session.
    """
    words: Mapping[str, Mapping[str, str]] = load_table("report/measures.json")["agreement"]
    path = sidecar_path(sources.path("agreement"))
    is_relative = bool(read_json(path).get("MeanMapsSubtracted")) if path.is_file() else False
    note = words["minus_mean" if is_relative else "plain"]["explanation"]
    return [
        Measure(
            column,
            words[column]["title"],
            value,
            words[column]["explanation"] + ("" if column in _NO_CORRELATIONS else f" {note}"),
        )
        for column, metric in AGREEMENT.items()
        if (value := _value(sources.record.get(metric))) is not None
    ]


def _value(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
