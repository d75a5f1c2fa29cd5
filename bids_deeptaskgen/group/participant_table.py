"""Joined table of the sessions of a group: quality metrics, verdicts and columns of participants.tsv."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.bids.column_names import SUMMED_METRICS
from bids_deeptaskgen.bids.output.quality_tables import verdict_cells
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.bids.participant_ids import warn_unmatched
from bids_deeptaskgen.bids.participants_table import columns_of_session, read_rows
from bids_deeptaskgen.connectome.data_checks.measurement import read_flag
from bids_deeptaskgen.connectome.qc_verdicts import single_value

logger = logging.getLogger("bids_deeptaskgen")

FD = "fd_mean_mm"


def read_participant_rows(output: Path, subjects: set[str]) -> dict[str, list[dict[str, str]]]:
    """Read the rows of participants.tsv of an output dataset.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    subjects : set of str
        Labels without ``sub-``.

    Returns
    -------
    dict of str to list of dict
        Rows by participant; the log lists participants without a row. Empty without a table.

    Raises
    ------
    InputError
        If the table cannot be read, or its labels are ambiguous.
    """
    table = output / "participants.tsv"
    if not os.path.lexists(table):
        return {}
    rows = read_rows(table).match(subjects)
    warn_unmatched(rows, subjects, table, "they lack its columns in the tables", may_be_all=True)
    return rows


def join_session_rows(
    results: Sequence[Result],
    by_participant: Mapping[str, list[dict[str, str]]],
    typicality: Mapping[str, float | None],
) -> list[dict[str, Any]]:
    """Join quality metrics and columns of participants.tsv, one row per session or run.

    Parameters
    ----------
    results : sequence of Result
        Sessions of one set.
    by_participant : dict
        From `read_participant_rows`.
    typicality : dict of str to float or None
        Typicality in the cohort by participant.

    Returns
    -------
    list of dict
        In the order of `results`. Columns of participants.tsv with the name of a metric get the prefix
        ``participants_``.
    """
    rows: list[dict[str, Any]] = []
    for result in results:
        name = f"sub-{result.subject}"
        entities = {key: value for key, value in result.entities if key in ("run", "dir")}
        labels = {"participant_id": name, "session_id": f"ses-{result.session}" if result.session else None}
        columns = columns_of_session(by_participant.get(result.subject, []), result.session, name)
        verdict: dict[str, Any] = {"cohort_typicality": typicality.get(result.subject)}
        verdict |= verdict_cells(result.metrics, result.flags)
        reserved_names = {"session_id", "run", "dir", *verdict, *result.metrics}
        # Otherwise, the metrics would replace columns of the same name.
        columns = {
            f"participants_{key}" if key in reserved_names else key: value for key, value in columns.items()
        }
        rows.append(labels | entities | columns | result.metrics | verdict)
    return rows


def average_metric(results: Sequence[Result], name: str) -> dict[str, float]:
    """Average a quality metric over the runs of each session, then over the sessions of each participant.

    Parameters
    ----------
    results : sequence of Result
    name : str
        Name of the metric.

    Returns
    -------
    dict of str to float
        By label of the participant; NaN if it is unavailable in all sessions.
    """
    sessions: dict[str, dict[str | None, list[float]]] = {}
    for result in results:
        value = single_value(result.metrics.get(name))
        values = sessions.setdefault(result.subject, {}).setdefault(result.session, [])
        if value is not None and np.isfinite(value):
            values.append(value)
    averages = {}
    for subject, by_session in sessions.items():
        means = [float(np.mean(values)) for values in by_session.values() if values]
        averages[subject] = float(np.mean(means)) if means else float("nan")
    return averages


def combine_metric(results: Sequence[Result], name: str) -> dict[str, float]:
    """Combine a quality metric over the runs and sessions behind the mean map of each participant.

    Parameters
    ----------
    results : sequence of Result
    name : str
        Name of the metric. Those of ``SUMMED_METRICS`` are added, others averaged as in `average_metric`.

    Returns
    -------
    dict of str to float
        By label of the participant; NaN if it is unavailable in all sessions, and for a sum in any.
    """
    if name not in SUMMED_METRICS:
        return average_metric(results, name)
    sums: dict[str, float] = {}
    for result in results:
        value = single_value(result.metrics.get(name))
        sums[result.subject] = sums.get(result.subject, 0.0) + (float("nan") if value is None else value)
    return sums


def warn_of_equal_series(results: Sequence[Result]) -> list[list[str]]:
    """Warn of sessions that contain the same data, in one participant or in several.

    Parameters
    ----------
    results : sequence of Result

    Returns
    -------
    list of list of str
        Names of the sessions that share a series, sorted.
    """
    sessions: dict[str, set[str]] = {}
    for result in results:
        name = f"sub-{result.subject}" + (f" ses-{result.session}" if result.session else "")
        runs = [f"{key}-{value}" for key, value in result.entities if key in ("run", "dir")]
        for series_hash in result.series_hashes:
            sessions.setdefault(series_hash, set()).add(" ".join([name, *runs]))
    equal = sorted({tuple(sorted(names)) for names in sessions.values() if len(names) > 1})
    flag = read_flag("equal_series")
    for names in equal:
        logger.warning("%s %s", flag.message.format(detail=" and ".join(names)), flag.action)
    return [list(names) for names in equal]
