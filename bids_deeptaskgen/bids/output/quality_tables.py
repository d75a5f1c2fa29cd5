"""Quality tables of a session and of a group: rows, and sidecars that describe every column."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bids_deeptaskgen.connectome.qc_verdicts import (
    FAIL,
    WARN,
    MetricSpec,
    judge_metrics,
    metric_specs,
    overall_verdict,
    single_value,
)
from bids_deeptaskgen.connectome.series_preview import RunPreview

_NO_EXCLUSION = "No session is excluded by it."
_COLUMNS = {
    "verdict": {
        "Description": f"Verdict of the worst metric; at least warn with a flag. {_NO_EXCLUSION}",
        "Levels": {
            "pass": "no threshold exceeded",
            "warn": "look at the page",
            "fail": "do not trust the maps",
        },
    },
    "warnings": {"Description": "Names of the metrics beyond their threshold of a warning."},
    "failures": {"Description": "Names of the metrics beyond their threshold of a failure."},
    "flags": {"Description": "Names of the flags of the data; docs/reference/qc_metrics.md describes them."},
    "cohort_typicality": {
        "LongName": "Correlation with the mean connectome of the other participants",
        "Description": "Pearson r over all pairs of ROIs between the ROI x ROI connectome of the participant "
        "(mean over sessions, by Fisher's z) and the mean of the other participants in this table. It has "
        "no threshold. n/a under three participants, or without a connectome.",
        "Units": "Pearson r",
    },
    "participant_id": {"Description": "Label of the participant."},
    "session_id": {"Description": "Label of the session."},
    "run": {"Description": "Number of the run, where runs have their own maps."},
    "dir": {"Description": "Phase-encoding direction of the run, where runs have their own maps."},
}


def quality_row(metrics: Mapping[str, Any], flags: Sequence[str]) -> dict[str, Any]:
    """Build the row of a session in its quality table.

    Parameters
    ----------
    metrics : dict
        As in the quality file.
    flags : sequence of str
        Names of the flags of the session.

    Returns
    -------
    dict
        All metrics of ``data/qc_metrics.json`` (None where unavailable), then ``verdict``, ``warnings``,
        ``failures`` and ``flags``.
    """
    return {name: single_value(metrics.get(name)) for name in metric_specs()} | verdict_cells(metrics, flags)


def verdict_cells(metrics: Mapping[str, Any], flags: Sequence[str]) -> dict[str, str | None]:
    """Format the verdicts on a session as cells of a table.

    Parameters
    ----------
    metrics : dict
        As in the quality file.
    flags : sequence of str

    Returns
    -------
    dict
        ``verdict``, ``warnings``, ``failures`` and ``flags``; names are separated by commas.
    """
    verdicts = judge_metrics(metrics)
    names = {
        level: ",".join(verdict.name for verdict in verdicts if verdict.verdict == level) or None
        for level in (WARN, FAIL)
    }
    return {
        "verdict": overall_verdict(verdicts, flags),
        "warnings": names[WARN],
        "failures": names[FAIL],
        "flags": ",".join(dict.fromkeys(flags)) or None,
    }


def describe_columns(names: Iterable[str], prefix: str = "") -> dict[str, Any]:
    """Describe the columns of a quality table for its sidecar.

    Parameters
    ----------
    names : iterable of str
        Columns; those of other tables, such as ``participants.tsv``, are named as such.
    prefix : str
        Start of the names of the metrics' columns.

    Returns
    -------
    dict
        Description by column.
    """
    specs = metric_specs()
    content: dict[str, Any] = {}
    for name in names:
        if (metric := name.removeprefix(prefix)) in specs:
            content[name] = describe_metric(specs[metric])
        else:
            content[name] = _COLUMNS.get(name, {"Description": "Column of participants.tsv."})
    return content


def describe_metric(spec: MetricSpec) -> dict[str, Any]:
    """Describe a metric for a sidecar.

    Parameters
    ----------
    spec : MetricSpec

    Returns
    -------
    dict
        Description, units, and thresholds with their source.
    """
    thresholds = {"Warn": dict(spec.warn), "Fail": dict(spec.fail)}
    return {
        "LongName": spec.title,
        "Description": spec.description,
        **({"Units": spec.unit} if spec.unit else {}),
        **({"Thresholds": {key: value for key, value in thresholds.items() if value}} if spec.limits else {}),
        **({"ThresholdSource": spec.source} if spec.source else {}),
        **({"Flag": spec.flag} if spec.flag else {}),
    }


def describe_rois(peaks_mm: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Describe the columns of the table of ROIs.

    Parameters
    ----------
    peaks_mm : sequence of (float, float, float)
        Position of the largest weight of each ROI.

    Returns
    -------
    dict
        Description by column.
    """
    points = ("(" + ", ".join(f"{value:.0f}" for value in peak) + ") mm" for peak in peaks_mm)
    return {
        "roi": {
            "Description": "Number of the ROI in the model's image of ROI maps, from 1.",
            "Levels": {str(number): f"largest weight at {point}" for number, point in enumerate(points, 1)},
        },
        "coverage": {
            "Description": "Share of the weight of the ROI map on voxels with signal, from 0 to 1.",
            "Units": "1",
        },
    }


def volume_columns(runs: Sequence[RunPreview]) -> dict[str, list[object]]:
    """Build the table of the volumes of a session.

    Parameters
    ----------
    runs : sequence of RunPreview

    Returns
    -------
    dict of str to list
        One row per volume of each run, in order; None where undefined.
    """
    columns: dict[str, list[object]] = {name: [] for name in describe_volumes()}
    for run in runs:
        n_volumes = len(run.is_kept)
        undefined = np.full(n_volumes, np.nan)
        columns["run"] += [run.name] * n_volumes
        columns["volume"] += range(n_volumes)
        columns["framewise_displacement"] += (undefined if run.fd_mm is None else run.fd_mm).tolist()
        columns["dvars"] += (undefined if run.dvars is None else run.dvars).tolist()
        columns["global_signal"] += run.global_signal.tolist()
        columns["is_kept"] += run.is_kept.astype(int).tolist()
        columns["is_dummy"] += run.is_dummy.astype(int).tolist()
    return columns


def describe_volumes() -> dict[str, Any]:
    """Describe the columns of the table of volumes.

    Returns
    -------
    dict
        Description by column.
    """
    yes_or_no = {"1": "yes", "0": "no"}
    return {
        "run": {"Description": "Run, named by its entities; run-1 without any."},
        "volume": {"Description": "Number of the volume in the run, from 0."},
        "framewise_displacement": {
            "Description": "Framewise displacement (Power et al. 2012, NeuroImage 59:2142).",
            "Units": "mm",
        },
        "dvars": {
            "Description": "Root mean square of the change since the volume before, over about 8,000 voxels "
            "of the brain mask, in percent of their mean.",
            "Units": "percent",
        },
        "global_signal": {
            "Description": "Mean over about 8,000 voxels of the brain mask.",
            "Units": "arbitrary",
        },
        "is_kept": {
            "Description": "Whether the volume enters the connectome: it is no dummy scan and not censored.",
            "Levels": yes_or_no,
        },
        "is_dummy": {"Description": "Whether the volume is a dummy scan.", "Levels": yes_or_no},
    }
