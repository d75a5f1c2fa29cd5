"""Preflight: the usable input of all participants, from folder and file names alone."""

import os
from collections.abc import Set
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from bids_deeptaskgen.bids.filenames import Entities, parse_name, sort_entities
from bids_deeptaskgen.bids.input.derivatives import list_participant_folders
from bids_deeptaskgen.bids.input.diagnostics import RERUN, explain_missing, format_values, suggest_fix
from bids_deeptaskgen.bids.input.query import Query, describe_misplaced, fits, is_misplaced
from bids_deeptaskgen.data import load_table

# Number of absent labels for which similar ones are searched, since the search takes hours for thousands.
MAX_SUGGESTIONS = 20


@dataclass(frozen=True)
class Preflight:
    """Input of one participant and session, as the file names tell.

    Attributes
    ----------
    subject : str
    session : str or None
        None in a dataset without sessions, or if the participant has none of the requested sessions.
    bold_names : tuple of str
        Files that match the query; several for a run that has several resolutions.
    reason : str
        Why no file is usable, and the remedy; empty if there is a usable file.
    entities : tuple of tuple of (str, str)
        Of each file, in datasets outside BIDS; empty if file names tell the entities.
    task : str
        Task label of the maps, if several tasks were requested; else empty.
    """

    subject: str
    session: str | None
    bold_names: tuple[str, ...] = ()
    reason: str = ""
    entities: tuple[Entities, ...] = ()
    task: str = ""

    @property
    def wants_rerun(self) -> bool:
        """Return whether another fMRIPrep run would provide usable files."""
        return RERUN in self.reason

    @property
    def name(self) -> str:
        """Return a short name for messages, e.g. ``sub-01 ses-1``."""
        name = f"sub-{self.subject}" + (f" ses-{self.session}" if self.session else "")
        return name + (f" task-{self.task}" if self.task else "")

    def series(self, *, combine_runs: bool) -> set[Entities]:
        """Return the entities of the results to write, as in `SessionInputs`: pooled, or one for each run.

        Parameters
        ----------
        combine_runs : bool
            Whether the runs of a session are pooled into one result.

        Returns
        -------
        set of tuple of (str, str)
            Keys and values of the entities of each result.
        """
        dropped_keys = ("sub", "ses", "desc", *load_table("queries.json")["grid"])
        entity_lists = self.entities or (
            parse_name(name).entities_without(dropped_keys) for name in self.bold_names
        )
        if self.task:
            entity_lists = (
                tuple((key, self.task if key == "task" else value) for key, value in entities)
                for entities in entity_lists
            )
        return {series_of(entities, combine_runs=combine_runs) for entities in entity_lists}


def series_of(entities: Entities, *, combine_runs: bool) -> Entities:
    """Return the entities of the result that a run contributes to, in the order of BIDS.

    Parameters
    ----------
    entities : tuple of (str, str)
        Entities of the run.
    combine_runs : bool
        Drop the entities across which runs are pooled.

    Returns
    -------
    tuple of (str, str)
        As in `SessionInputs`.
    """
    pooled_keys = load_table("queries.json")["pooled"] if combine_runs else ()
    return sort_entities(pair for pair in entities if pair[0] not in pooled_keys)


def preflight(root: Path, query: Query) -> list[Preflight]:
    """List the usable input of all participants, by folder and file names.

    Parameters
    ----------
    root : Path
        fMRIPrep derivatives.
    query : Query

    Returns
    -------
    list of Preflight
        One row for each participant and session, sorted, and for each task if several were requested.
        Requested participants without a folder have a row, too.
    """
    labels = {name.removeprefix("sub-") for name in list_participant_folders(root)}
    rows: list[Preflight] = []
    n_absent = 0
    for subject in sorted(set(query.participants or labels)):
        if subject in labels:
            rows += _participant_rows(root, subject, query)
        else:
            n_absent += 1
            reason = explain_absent(root, subject, labels, suggest_labels=n_absent <= MAX_SUGGESTIONS)
            rows.append(Preflight(subject, None, reason=reason))
    return rows


def explain_absent(root: Path, subject: str, labels: Set[str], *, suggest_labels: bool = True) -> str:
    """Explain that a requested participant has no folder, and suggest similar labels.

    Parameters
    ----------
    root : Path
        Folder with the participants' folders.
    subject : str
        Label without ``sub-``.
    labels : set of str
        Labels of the participants in `root`.
    suggest_labels : bool
        Search for similar labels, which is slow.

    Returns
    -------
    str
    """
    matches = get_close_matches(subject, sorted(labels), n=3, cutoff=0.5) if suggest_labels else []
    summary = f"{len(labels)} participants found" + (f"; nearest: {', '.join(matches)}" if matches else "")
    return f"no folder sub-{subject} in {root} ({summary}); correct `participant_label`"


def _participant_rows(root: Path, subject: str, query: Query) -> list[Preflight]:
    """List the rows of the requested sessions of a participant."""
    folder = root / f"sub-{subject}"
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
        sessions: list[str | None] = [
            name.removeprefix("ses-") for name in sorted(names) if name.startswith("ses-")
        ]
        if "func" in names or not sessions:
            sessions.insert(0, None)
        requested_sessions = [session for session in sessions if query.wants_session(session)]
        if not requested_sessions:
            return [Preflight(subject, None, reason=_explain_no_session(folder, query, sessions))]
        return [
            row for session in requested_sessions for row in _session_rows(folder, subject, session, query)
        ]
    except PermissionError as error:
        reason = f"{error.filename or folder} cannot be read ({error.strerror}); check its permissions"
        return [Preflight(subject, None, reason=reason)]


def _explain_no_session(folder: Path, query: Query, sessions: list[str | None]) -> str:
    requested_sessions = ", ".join(f"ses-{session}" for session in query.sessions)
    labels = format_values(session or "" for session in sessions)
    return (
        f"no {requested_sessions} in {folder} (sessions found: {labels}); correct or remove `session_label`"
    )


def _session_rows(folder: Path, subject: str, session: str | None, query: Query) -> list[Preflight]:
    """List a row for each set of maps of a session, or a single one if the session is unusable."""
    func = (folder / f"ses-{session}" if session else folder) / "func"
    try:
        with os.scandir(func) as entries:
            files = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        reason = f"no folder {func}: fMRIPrep wrote no functional data here; see its report"
        return [Preflight(subject, session, reason=reason)]
    names = [parse_name(file) for file in files]
    misplaced_files = [
        file for file, name in zip(files, names, strict=True) if is_misplaced(name, subject, session, query)
    ]
    if misplaced_files:
        # One file of another participant makes the origin of all other files in the folder doubtful.
        reason = f"{func}: {describe_misplaced(misplaced_files, subject, session)}"
        return [Preflight(subject, session, reason=reason)]
    rows = []
    for task_query in query.by_task():
        resolved_query = task_query.resolve_space(names)
        named_files = [
            (file, name) for file, name in zip(files, names, strict=True) if fits(name, resolved_query)
        ]
        tasks = {name.get("task") for _, name in named_files}
        missing_task = next((task for task in task_query.tasks if task not in tasks), None)
        reason = ""
        if missing_task is not None:
            single_query = resolved_query.of_task(missing_task)
            reason = f"{explain_missing(names, single_query)} in {func}; {suggest_fix(names, single_query)}"
        bold_names = () if reason else tuple(file for file, _ in named_files)
        task = task_query.task if len(query.tasks) > 1 else ""
        rows.append(Preflight(subject, session, bold_names, reason, task=task))
    return rows
