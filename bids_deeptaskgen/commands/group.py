"""Group level: statistics over the participants of an output dataset, and a list of missing maps."""

import logging
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.input.participant_folders import scan_participants
from bids_deeptaskgen.bids.output.group_connectomes import (
    GroupConnectome,
    average_connectomes,
    group_connectome_sidecar,
)
from bids_deeptaskgen.bids.output.group_maps import average_over_participants, contrast_of
from bids_deeptaskgen.bids.output.idp_table import idp_table
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.quality_tables import describe_columns, verdict_cells
from bids_deeptaskgen.bids.output.result_faults import join_missing, list_faults
from bids_deeptaskgen.bids.output.results import Result, ResultFault, read_dataset
from bids_deeptaskgen.bids.output.roi_connectome import write_roi_connectome
from bids_deeptaskgen.bids.output.sidecars import group_sidecar
from bids_deeptaskgen.bids.participant_ids import bare_label, match_labels, warn_unmatched
from bids_deeptaskgen.bids.participants_table import columns_of_session, read_rows
from bids_deeptaskgen.bids.selection import remaining_labels
from bids_deeptaskgen.connectome.data_checks.measurement import read_flag
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import join_columns, read_tsv, write_tsv
from bids_deeptaskgen.settings.group import GroupSettings

logger = logging.getLogger("bids_deeptaskgen")

# Contrasts per pass over the participants. This limits memory; and 4-D images, which can only be decompressed
# from the start, are not read 47 times.
N_CONTRASTS_PER_PASS = 8
_LOG_COLUMNS = {"participant_id", "session_id", "status", "reason"}


def run(settings: GroupSettings) -> int:
    """Write mean, SD and count maps, the quality table, and the list of participants without maps.

    Parameters
    ----------
    settings : GroupSettings

    Returns
    -------
    int
        1 if maps of a participant cannot be used: they are listed, and all others are averaged. 0 otherwise;
        participants without maps are listed and are not an error.

    Raises
    ------
    InputError
        If no participant has maps that can be used.
    UserError
        If the maps have different settings, or existing group files include other participants than those of
        ``--participant-label``.
    """
    output = settings.output_dir
    results, faults = read_dataset(output, settings.participant_label)
    labels_left = remaining_labels(
        {record.subject for record in (*results, *faults)}, settings.exclude_participant_label
    )
    results = [result for result in results if result.subject in labels_left]
    faults = [fault for fault in faults if fault.subject in labels_left]
    if not results:
        raise InputError(_explain_nothing(settings, faults))
    _refuse_mixture(output, results)
    if (settings.participant_label or settings.exclude_participant_label) and not settings.overwrite:
        _refuse_loss(output, results)
    by_series: dict[Entities, list[Result]] = {}
    for result in results:
        by_series.setdefault(result.series, []).append(result)
    # All tables first: one that cannot be read must not leave new maps beside old tables.
    connectomes = {series: average_connectomes(output, members) for series, members in by_series.items()}
    tables = {
        series: join_columns(_rows(output, members, connectomes[series]))
        for series, members in by_series.items()
    }
    missing_rows = [
        row
        for row in find_missing(output, results, settings.participant_label)
        if str(row["participant_id"]).removeprefix("sub-") not in settings.exclude_participant_label
    ]
    n_maps = 0
    for series, members in by_series.items():
        n_maps += _write_maps(output, series, members, faults)
        _write_tables(output, series, members, tables[series])
        _write_connectome(output, series, connectomes[series])
    if not n_maps:
        raise InputError(_explain_nothing(settings, faults))
    fault_rows = list_faults(faults)
    warn_of_equal_series(results)
    _report_missing(output, results, join_missing(missing_rows, fault_rows))
    return 1 if fault_rows else 0


def _explain_nothing(settings: GroupSettings, faults: Sequence[ResultFault]) -> str:
    """Explain why there is nothing to average."""
    labels = f" of {', '.join(settings.participant_label)}" if settings.participant_label else ""
    if not faults:
        return (
            f"{settings.output_dir}: no finished maps{labels} were found.\n"
            "Run the participant level with this OUTPUT_DIR first."
        )
    return (
        f"{settings.output_dir}: none of the maps{labels} can be used, in {len(faults)} sessions or images. "
        f"The first reason: {faults[0].reason}"
    )


def _report_missing(output: Path, results: Sequence[Result], rows: Sequence[dict[str, str | None]]) -> None:
    """Write and print the list of participants whose maps, or some of them, are not in the averages."""
    columns = {name: [row[name] for row in rows] for name in ("participant_id", "session_id", "reason")}
    write_tsv(output_path(output, "group_missing"), columns)
    n_participants = len({result.subject for result in results})
    sys.stdout.write(
        f"{n_participants} participants averaged in {output / 'group'}; {len(rows)} without maps, or with "
        "maps that cannot be used.\n"
    )
    for row in rows:
        name = " ".join(filter(None, (row["participant_id"], row["session_id"])))
        sys.stdout.write(f"  {name}: {' '.join((row['reason'] or '').split())}\n")


def _refuse_mixture(output: Path, results: Sequence[Result]) -> None:
    hashes = Counter(result.settings_hash for result in results)
    if len(hashes) > 1:
        counts = ", ".join(f"{n} sessions with {value[:8]}" for value, n in hashes.most_common())
        message = (
            f"{output}: contains maps of {len(hashes)} different settings or models ({counts}).\n"
            "Repeat the participant level with one of them and --overwrite."
        )
        raise UserError(message)


def _refuse_loss(output: Path, results: Sequence[Result]) -> None:
    """Refuse to replace group files that include participants other than the selected ones."""
    tables = output_path(output, "group_metrics", entities=[("task", "*")])
    participants = {
        row.get("participant_id", "") for path in tables.parent.glob(tables.name) for row in read_tsv(path)
    }
    foreign_labels = sorted(participants - {f"sub-{result.subject}" for result in results})
    if foreign_labels:
        labels = ", ".join(foreign_labels[:3]) + (", ..." if len(foreign_labels) > 3 else "")
        message = (
            f"{tables.parent}: the group files include {len(participants)} participants; "
            f"{len(foreign_labels)} of them are not selected now ({labels}).\n"
            "Move that folder to keep it, or replace its files with --overwrite."
        )
        raise UserError(message)


def _write_maps(output: Path, series: Entities, results: Sequence[Result], faults: list[ResultFault]) -> int:
    """Write the group maps of all contrasts, some at a time; return their number and add unusable maps."""
    labels = list(dict.fromkeys(label for result in results for label in result.maps.contrasts))
    task = dict(series).get("task", "rest")
    n_written = 0
    for start in range(0, len(labels), N_CONTRASTS_PER_PASS):
        batch = labels[start : start + N_CONTRASTS_PER_PASS]
        averages, batch_faults = average_over_participants(output, results, batch)
        faults += batch_faults
        for number, (label, group_average) in enumerate(averages.items(), start + 1):
            if not group_average.participants:
                logger.error("%s: no map of this contrast can be used, so no average is written.", label)
                continue
            n_written += 1
            contrast, units = contrast_of(output, results, label)
            n_participants = len(group_average.participants)
            for stat in ("mean", "sd", "count"):
                path = output_path(output, "group_statmap", entities=series, contrast=label, stat=stat)
                dtype = np.int32 if stat == "count" else np.float32
                save_nifti(path, getattr(group_average.statistics, stat), OUTPUT_GRID.matrix, dtype=dtype)
                write_json(sidecar_path(path), group_sidecar(contrast, stat, task, n_participants, units))
            logger.info(
                "%s: %d participants (%d of %d contrasts)", label, n_participants, number, len(labels)
            )
    return n_written


def _write_tables(
    output: Path, series: Entities, results: Sequence[Result], columns: dict[str, list[Any]]
) -> None:
    """Write the joined quality table and the table of imaging-derived phenotypes, with sidecars."""
    path = output_path(output, "group_metrics", entities=series)
    write_tsv(path, columns)
    write_json(sidecar_path(path), describe_columns(columns))
    phenotypes, sidecar = idp_table(results)
    path = output_path(output, "group_idps", entities=series)
    write_tsv(path, phenotypes)
    write_json(sidecar_path(path), sidecar)


def _write_connectome(output: Path, series: Entities, connectome: GroupConnectome | None) -> None:
    """Write the mean ROI x ROI connectome with its sidecar; remove those of an earlier run without one."""
    path = output_path(output, "group_connectome", entities=series)
    if connectome is None:
        for stale in (path, sidecar_path(path)):
            stale.unlink(missing_ok=True)
        return
    sidecar = group_connectome_sidecar(connectome, dict(series).get("task", "rest"))
    write_roi_connectome(path, connectome.matrix, sidecar)


def _rows(
    output: Path, results: Sequence[Result], connectome: GroupConnectome | None
) -> list[dict[str, Any]]:
    """Join quality metrics and columns of participants.tsv, one row per session."""
    by_participant = _participant_rows(output, results)
    typicality = connectome.typicality if connectome else {}
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


def _participant_rows(output: Path, results: Sequence[Result]) -> dict[str, list[dict[str, str]]]:
    """Read the rows of participants.tsv by participant; the log lists participants without a row."""
    table = output / "participants.tsv"
    if not os.path.lexists(table):
        return {}
    subjects = {result.subject for result in results}
    rows = read_rows(table).match(subjects)
    warn_unmatched(rows, subjects, table, "the group metrics lack its columns for them", may_be_all=True)
    return rows


def find_missing(
    output: Path, results: Sequence[Result], labels: Sequence[str]
) -> list[dict[str, str | None]]:
    """List participants and sessions without maps, either failed or never processed.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    results : sequence of Result
        Sessions with maps.
    labels : sequence of str
        Labels of the participants to list; empty for all.

    Returns
    -------
    list of dict
        ``participant_id``, ``session_id`` (None if unknown) and ``reason``, sorted.
    """
    with_maps = {
        (f"sub-{result.subject}", f"ses-{result.session}" if result.session else None) for result in results
    }
    participants = {name for name, _ in with_maps}
    failed = _failures_in_logs(output)
    reasons = {
        (name, session): reason
        for (name, session), reason in failed.items()
        if reason and (name, session) not in with_maps and (session or name not in participants)
    }
    table = output / "participants.tsv"
    expected_labels = list(labels) or (list(read_rows(table).rows) if os.path.lexists(table) else [])
    listed_labels = {bare_label(name) for name in participants | {name for name, _ in reasons}}
    matches = match_labels(listed_labels, expected_labels, table)
    folders = _folders_without_record(output)
    for label in set(expected_labels) - set(matches.values()):
        reasons[f"sub-{label}", None] = folders.get(f"sub-{label}", "never processed")
    if not labels:
        listed_names = participants | {name for name, _ in reasons}
        reasons |= {(name, None): reason for name, reason in folders.items() if name not in listed_names}
    ordered = sorted(reasons, key=lambda key: (key[0], key[1] or ""))
    return [
        {"participant_id": name, "session_id": session, "reason": reasons[name, session]}
        for name, session in ordered
        if not labels or matches.get(bare_label(name), bare_label(name)) in labels
    ]


def _failures_in_logs(output: Path) -> dict[tuple[str, str | None], str | None]:
    """Read the last outcome of each session from the logs: the reason of a failure, None for a success."""
    failed: dict[tuple[str, str | None], str | None] = {}
    # The logs' names start with their time, so the last entry of a session counts.
    for path in sorted((output / "logs").glob("*_participants.tsv")):
        for row in read_tsv(path):
            if not row.keys() >= _LOG_COLUMNS:
                logger.warning("%s: is not a table of participants, and is ignored.", path)
                break
            session = None if row["session_id"] == "n/a" else row["session_id"]
            reason = row["reason"] if row["status"] in ("failed", "crashed") else None
            failed[row["participant_id"], session] = reason
    return failed


def _folders_without_record(output: Path) -> dict[str, str]:
    """Explain why the folders of an output dataset may be in no average, by name of the folder."""
    folders = scan_participants(output)
    reason = "no record of finished maps (*_desc-qc_metrics.json) is in {}; re-run this participant"
    return {name: reason.format(output / name) for name in folders.usable} | folders.unusable
