"""Failures of the sessions of a participant, recorded in the output dataset until they are processed.

A completion record states what is finished; ``logs/failed-sub-01.json`` states by name of the session why it
failed in the most recent run. Pages that are made later show both.
"""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from bids_deeptaskgen.errors import UserError, system_refusal
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.io.lock import file_lock

logger = logging.getLogger("bids_deeptaskgen")


def failures_path(output_dir: Path, subject: str) -> Path:
    """Return the path of the failures of a participant.

    Parameters
    ----------
    output_dir : Path
        Root of the output dataset.
    subject : str
        Label without ``sub-``.

    Returns
    -------
    Path
        Exists only if a session has failed.
    """
    return output_dir / "logs" / f"failed-sub-{subject}.json"


def read_failures(output_dir: Path, subject: str) -> dict[str, str]:
    """Read the recorded failures of a participant.

    Parameters
    ----------
    output_dir : Path
        Root of the output dataset.
    subject : str
        Label without ``sub-``.

    Returns
    -------
    dict of str to str
        Reason by name of the session, e.g. ``sub-01 ses-1 task-rest``; ``sub-01`` for all sessions. Empty if
        the file is missing or damaged.
    """
    path = failures_path(output_dir, subject)
    if not path.is_file():
        return {}
    try:
        content = read_json(path)
    except UserError as error:
        logger.warning("%s", error)
        return {}
    return {str(name): str(reason) for name, reason in content.items()}


def failed_participants(output_dir: Path, participants: Iterable[str] = ()) -> set[str]:
    """List the participants with a recorded failure.

    Parameters
    ----------
    output_dir : Path
        Root of the output dataset.
    participants : iterable of str
        Labels of the participants to use; all if empty.

    Returns
    -------
    set of str
        Labels without ``sub-``.
    """
    labels = {path.stem.removeprefix("failed-sub-") for path in output_dir.glob("logs/failed-sub-*.json")}
    selected = set(participants)
    return labels & selected if selected else labels


def covers(failure: str, session: str) -> bool:
    """Return whether a failure concerns a session: the session itself, or all with fewer entities.

    Parameters
    ----------
    failure, session : str
        Names of sessions.

    Returns
    -------
    bool

    Examples
    --------
    >>> covers("sub-01", "sub-01 ses-1 task-rest"), covers("sub-01 ses-2", "sub-01 ses-1 task-rest")
    (True, False)
    """
    return set(failure.split()) <= set(session.split())


def update_failures(
    output_dir: Path, subject: str, failures: Mapping[str, str], processed: Iterable[str]
) -> dict[str, str]:
    """Record the failures of a run, and remove those of sessions that it processed.

    Several processes may do so at the same time. An error of the file system is logged.

    Parameters
    ----------
    output_dir : Path
        Root of the output dataset.
    subject : str
        Label without ``sub-``.
    failures : dict of str to str
        Reason by name of each session that failed in this run.
    processed : iterable of str
        Names of all sessions of this run.

    Returns
    -------
    dict of str to str
        All failures, sorted by name.
    """
    path, names = failures_path(output_dir, subject), list(processed)
    if not names or (not failures and not path.is_file()):
        return read_failures(output_dir, subject)
    merged: dict[str, str] = dict(failures)
    try:
        with file_lock(path):
            content = read_failures(output_dir, subject)
            other_failures = {
                name: reason
                for name, reason in content.items()
                if not any(covers(name, session) for session in names)
            }
            merged = dict(sorted((other_failures | dict(failures)).items()))
            if not merged:
                path.unlink(missing_ok=True)
            elif merged != content:
                write_json(path, merged)
    except (OSError, ValueError, UserError) as error:
        refusal = system_refusal(error)
        reason = refusal[1].rstrip(".") if refusal else str(error)
        logger.warning("%s: the failures cannot be recorded (%s).", path, reason)
    return merged
