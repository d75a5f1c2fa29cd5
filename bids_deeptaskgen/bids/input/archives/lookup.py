"""Archives that are not BIDS: folders of the Human Connectome Project and of UK Biobank.

Nothing is copied and nothing is listed before it is asked for: a biobank has tens of thousands of folders.
"""

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.input.archives.base import Archive, names_in
from bids_deeptaskgen.bids.input.archives.hcp import HCP
from bids_deeptaskgen.bids.input.archives.ukb import UKB
from bids_deeptaskgen.bids.input.custom_confounds import find_custom
from bids_deeptaskgen.bids.input.preflight import Preflight, absent, series_of
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import SessionFault
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.errors import InputError

REST: Entities = (("task", "rest"),)
# So many entries of a folder are looked at to tell what it is.
N_PEEKED = 200
ARCHIVES = {"hcp": HCP, "ukb": UKB}


def detect_archive(folder: Path) -> str | None:
    """Tell which archive a folder is, by the first of its folders; None for none."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in islice(entries, N_PEEKED))
    except OSError:
        return None
    for name, archive in ARCHIVES.items():
        if any(
            archive.participant.fullmatch(one) and (folder / one / archive.marker).is_dir() for one in names
        ):
            return name
    return None


def refuse_wrong_folder(folder: Path, kind: str | None = None) -> None:
    """Refuse one person's folder in the place of the archive's, and an archive without people.

    Parameters
    ----------
    folder : Path
    kind : str, optional
        Key of the archive that it is said to be.

    Raises
    ------
    InputError
    """
    for archive in ARCHIVES.values():
        if archive.participant.fullmatch(folder.name) and (folder / archive.marker).is_dir():
            message = (
                f"{folder}: is the folder of one person of the {archive.title}.\nGive the folder above it, "
                f"{folder.parent}; --participant-label chooses people."
            )
            raise InputError(message)
    if kind is None or any(ARCHIVES[kind].participant.fullmatch(name) for name in names_in(folder)):
        return
    names = names_in(folder)
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") or "nothing"
    message = (
        f"{folder}: --input-type {kind} wants folders called as {ARCHIVES[kind].example}, and there is none "
        f"(found: {shown}).\nGive the folder that has them, or leave --input-type out."
    )
    raise InputError(message)


Participant = tuple[str, str | None]


def _participants(archive: Archive, root: Path) -> dict[Participant, list[Path]]:
    """List folders by person and visit."""
    found: dict[Participant, list[Path]] = {}
    for name in names_in(root):
        if parts := archive.participant.fullmatch(name):
            found.setdefault((parts["sub"], parts.groupdict().get("ses")), []).append(root / name)
    return found


def preflight_dataset(archive: Archive, root: Path, query: Query) -> list[Preflight]:
    """Look up what everyone has, by folders and file names.

    Parameters
    ----------
    archive : Archive
    root : Path
        Folder with people's folders.
    query : Query
        Participants, sessions and runs that are wanted.

    Returns
    -------
    list of Preflight
    """
    participants = _participants(archive, root)
    labels = {subject for subject, _ in participants}
    rows = [
        Preflight(subject, None, reason=absent(root, subject, labels))
        for subject in sorted(set(query.participants) - labels)
    ]
    for (subject, session), folders in participants.items():
        if query.participants and subject not in query.participants:
            continue
        if query.wants_session(session):
            rows.append(_row(archive, (subject, session), folders, query))
    with_rows = {row.subject for row in rows}
    for subject in sorted((set(query.participants) or labels) & labels - with_rows):
        visits = (
            ", ".join(sorted(f"ses-{ses}" for sub, ses in participants if sub == subject and ses)) or "none"
        )
        asked = ", ".join(f"ses-{session}" for session in query.sessions)
        rows.append(
            Preflight(subject, None, reason=f"no {asked} (visits found: {visits}); mend --session-label")
        )
    return sorted(rows, key=lambda row: (row.subject, row.session or ""))


def _row(archive: Archive, participant: Participant, folders: Sequence[Path], query: Query) -> Preflight:
    runs = [run for folder in folders for run in archive.find(folder)]
    wanted = [run for run in runs if _wants(query, run[1])]
    if wanted:
        names = tuple(path.name for path, _ in wanted)
        return Preflight(*participant, names, entities=tuple((*REST, *entities) for _, entities in wanted))
    shown = " and ".join(str(folder) for folder in folders)
    if runs:
        found = ", ".join(sorted({dict(entities).get("run") or "none" for _, entities in runs}))
        words = f"no run that is asked for in {shown} (runs found: {found})"
        return Preflight(*participant, reason=f"{words}; mend --run-id or --bids-filter-file")
    instead = next(filter(None, map(archive.instead, folders)), "")
    found = f" ({instead})" if instead else ""
    words = f"no {archive.wanted} in {shown}{found}; fetch that part of the archive for this person"
    return Preflight(*participant, reason=words)


def _wants(query: Query, entities: Entities) -> bool:
    return query.wants_run(dict(entities).get("run")) and query.allows((*REST, *entities))


def find_sessions(
    archive: Archive, root: Path, subject: str, query: Query, *, combine_runs: bool = True
) -> list[SessionInputs | SessionFault]:
    """Find the runs of one person.

    Parameters
    ----------
    archive : Archive
    root : Path
        Folder with people's folders.
    subject : str
    query : Query
        Sessions and runs that are wanted.
    combine_runs : bool
        Put the runs of a session into one record, but not those of another ``acq-``; else one record a run.

    Returns
    -------
    list of SessionInputs or SessionFault
        A session is at fault if two folders hold its runs, or a run is not in standard space and cannot be
        brought there.
    """
    found: list[SessionInputs | SessionFault] = []
    for (label, session), folders in _participants(archive, root).items():
        if label != subject or not query.wants_session(session):
            continue
        filled = {folder: runs for folder in folders if (runs := archive.find(folder))}
        try:
            if len(filled) > 1:
                _refuse_several(list(filled))
            runs = [
                _with_custom(archive.read(path, entities), root, query)
                for path, entities in next(iter(filled.values()), [])
                if _wants(query, entities)
            ]
        except InputError as error:
            found.append(SessionFault(subject, session, (), error))
            continue
        pools: dict[Entities, list[RunInputs]] = {}
        for run in runs:
            pools.setdefault(series_of((*REST, *run.entities), combine_runs=combine_runs), []).append(run)
        found += [SessionInputs(subject, session, tuple(pool), key) for key, pool in pools.items()]
    return found


def _refuse_several(folders: Sequence[Path]) -> None:
    listed = "\n".join(f"  {folder}" for folder in folders)
    message = f"These folders hold runs of the same person and visit:\n{listed}\nKeep one of them."
    raise InputError(message)


def _with_custom(run: RunInputs, root: Path, query: Query) -> RunInputs:
    if query.custom is None:
        return run
    return run.now(custom=find_custom(query.custom, run.bold, root, ()))
