"""Preflight and sessions of archives outside BIDS: Human Connectome Project and UK Biobank.

No file is copied, and folders are listed only when needed: a biobank has tens of thousands of them.
"""

import os
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from bids_deeptaskgen.bids.filenames import Entities, parse_name
from bids_deeptaskgen.bids.input.archives.base import Archive, list_names
from bids_deeptaskgen.bids.input.archives.hcp import HCP
from bids_deeptaskgen.bids.input.archives.ukb import UKB
from bids_deeptaskgen.bids.input.custom_confounds import find_custom
from bids_deeptaskgen.bids.input.layout import File, require_target
from bids_deeptaskgen.bids.input.preflight import Preflight, explain_absent, series_of
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import SessionFault
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.errors import InputError

REST: Entities = (("task", "rest"),)
# Number of entries of a folder that are read to detect an archive.
N_PEEKED = 200
ARCHIVES = {"hcp": HCP, "ukb": UKB}


def detect_archive(folder: Path) -> str | None:
    """Detect the archive that a folder holds from its first subfolders; None if it holds none.

    Parameters
    ----------
    folder : Path
        Folder with one subfolder for each participant.

    Returns
    -------
    str or None
        A key of `ARCHIVES`.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in islice(entries, N_PEEKED))
    except OSError:
        return None
    for key, archive in ARCHIVES.items():
        if any(
            archive.participant.fullmatch(name) and (folder / name / archive.marker).is_dir()
            for name in names
        ):
            return key
    return None


def refuse_wrong_folder(folder: Path, kind: str | None = None) -> None:
    """Refuse one participant's folder instead of the archive's, and an archive without participants.

    Parameters
    ----------
    folder : Path
    kind : str, optional
        Key of the archive that the folder should hold.

    Raises
    ------
    InputError
        If the folder is that of a participant, or has no participants' folders of archive `kind`.
    """
    for archive in ARCHIVES.values():
        if archive.participant.fullmatch(folder.name) and (folder / archive.marker).is_dir():
            message = (
                f"{folder}: is the folder of one participant of the {archive.title}.\nName its parent "
                f"folder, {folder.parent}, and select participants with `participant_label`."
            )
            raise InputError(message)
    if kind is None or any(ARCHIVES[kind].participant.fullmatch(name) for name in list_names(folder)):
        return
    names = list_names(folder)
    examples = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") or "nothing"
    message = (
        f"{folder}: `input_type` {kind} expects folders named like {ARCHIVES[kind].example}, and there is "
        f"none (found: {examples}).\nName the folder that contains them, or remove `input_type`."
    )
    raise InputError(message)


# Folders by visit; None in an archive without visits.
Visits = dict[str | None, list[Path]]


def _participants(archive: Archive, root: Path) -> dict[str, Visits]:
    """List folders by participant and visit."""
    try:
        return _list_participants(archive, root, root.stat().st_mtime_ns)
    except OSError:
        return {}


# Each participant of a run needs the list.
@lru_cache(maxsize=4)
def _list_participants(archive: Archive, root: Path, _modified: int) -> dict[str, Visits]:
    participants: dict[str, Visits] = {}
    for name in list_names(root):
        if match := archive.participant.fullmatch(name):
            visits = participants.setdefault(match["sub"], {})
            visits.setdefault(match.groupdict().get("ses"), []).append(root / name)
    return participants


def preflight_dataset(archive: Archive, root: Path, query: Query) -> list[Preflight]:
    """List the usable input of all participants, by folder and file names.

    Parameters
    ----------
    archive : Archive
    root : Path
        Folder with the participants' folders.
    query : Query
        Participants, sessions and runs to use.

    Returns
    -------
    list of Preflight
        One row for each participant and session, sorted.
    """
    participants = _participants(archive, root)
    labels = set(participants)
    rows = [
        Preflight(subject, None, reason=explain_absent(root, subject, labels))
        for subject in sorted(set(query.participants) - labels)
    ]
    selected = set(query.participants) or labels
    rows += [
        _row(archive, root, (subject, session), folders, query)
        for subject in sorted(selected & labels)
        for session, folders in participants[subject].items()
        if query.wants_session(session)
    ]
    with_rows = {row.subject for row in rows}
    for subject in sorted(selected & labels - with_rows):
        visits = ", ".join(sorted(f"ses-{session}" for session in participants[subject] if session)) or "none"
        requested_sessions = ", ".join(f"ses-{session}" for session in query.sessions) or "requested visit"
        option = "`session_label`" if query.sessions else "`bids_filter_file`"
        reason = f"no {requested_sessions} (visits found: {visits}); correct {option}"
        rows.append(Preflight(subject, None, reason=reason, is_selected=False))
    return sorted(rows, key=lambda row: (row.subject, row.session or ""))


def _row(
    archive: Archive, root: Path, participant: tuple[str, str | None], folders: Sequence[Path], query: Query
) -> Preflight:
    try:
        runs = _find_runs(archive, folders)
        matches = [run for run in runs if _selects(query, run[1])]
        for path, _ in matches:
            if query.custom:
                find_custom(query.custom, _as_file(path), root, ())
    except InputError as error:
        return Preflight(*participant, reason="; ".join(str(error).splitlines()))
    if matches:
        names = tuple(path.name for path, _ in matches)
        return Preflight(*participant, names, entities=tuple((*REST, *entities) for _, entities in matches))
    paths = " and ".join(str(folder) for folder in folders)
    if runs:
        labels = ", ".join(sorted({dict(entities).get("run") or "none" for _, entities in runs}))
        reason = f"no requested run in {paths} (runs found: {labels})"
        reason = f"{reason}; correct `run_id` or `bids_filter_file`"
        return Preflight(*participant, reason=reason, is_selected=False)
    alternative = next(filter(None, map(archive.describe_alternative, folders)), "")
    details = f" ({alternative})" if alternative else ""
    reason = f"no {archive.pattern} in {paths}{details}; fetch that part of the archive for this participant"
    return Preflight(*participant, reason=reason)


def _find_runs(archive: Archive, folders: Sequence[Path]) -> list[tuple[Path, Entities]]:
    """Find the runs of one participant and visit, which must be in one folder."""
    runs_by_folder = {folder: runs for folder in folders if (runs := archive.find(folder))}
    if len(runs_by_folder) > 1:
        _refuse_several(list(runs_by_folder))
    return next(iter(runs_by_folder.values()), [])


def _selects(query: Query, entities: Entities) -> bool:
    return query.wants_run(dict(entities).get("run")) and query.allows((*REST, *entities))


def find_sessions(
    archive: Archive, root: Path, subject: str, query: Query, *, combine_runs: bool = True
) -> list[SessionInputs | SessionFault]:
    """Find the runs of one participant.

    Parameters
    ----------
    archive : Archive
    root : Path
        Folder with the participants' folders.
    subject : str
        Label as in the folder name.
    query : Query
        Sessions and runs to use.
    combine_runs : bool
        Pool the runs of a session with the same ``acq-`` in one record; else return one record for each run.

    Returns
    -------
    list of SessionInputs or SessionFault
        A session is at fault if two folders hold its runs, or a run is not in standard space and cannot be
        warped to it.
    """
    sessions: list[SessionInputs | SessionFault] = []
    for session, folders in _participants(archive, root).get(subject, {}).items():
        if not query.wants_session(session):
            continue
        try:
            runs = [
                _add_custom(archive.read(path, entities), root, query)
                for path, entities in _find_runs(archive, folders)
                if _selects(query, entities)
            ]
        except InputError as error:
            sessions.append(SessionFault(subject, session, (), error))
            continue
        pools: dict[Entities, list[RunInputs]] = {}
        for run in runs:
            pools.setdefault(series_of((*REST, *run.entities), combine_runs=combine_runs), []).append(run)
        sessions += [SessionInputs(subject, session, tuple(pool), key) for key, pool in pools.items()]
    return sessions


def _refuse_several(folders: Sequence[Path]) -> None:
    paths = "\n".join(f"  {folder}" for folder in folders)
    message = f"These folders hold runs of the same participant and visit:\n{paths}\nKeep one of them."
    raise InputError(message)


def _add_custom(run: RunInputs, root: Path, query: Query) -> RunInputs:
    if query.custom is None:
        return run
    return run.with_fields(custom=require_target(find_custom(query.custom, _as_file(run.bold), root, ())))


def _as_file(path: Path) -> File:
    return File(path, parse_name(path.name), None)
