"""List of the participants and sessions that are in no average, and why."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.bids.input.participant_folders import scan_participants
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.bids.participant_ids import bare_label, match_labels
from bids_deeptaskgen.bids.participants_table import read_rows
from bids_deeptaskgen.io.tsv import read_tsv

logger = logging.getLogger("bids_deeptaskgen")

_LOG_COLUMNS = {"participant_id", "session_id", "status", "reason"}


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
