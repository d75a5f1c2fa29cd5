"""Preflight: the usable input of all participants, from folder and file names alone."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from bids_deeptaskgen.bids.filenames import Entities, parse_name, sort_entities
from bids_deeptaskgen.bids.input.diagnostics import (
    CONTINUATION,
    RERUN,
    explain_missing,
    format_values,
    is_deselected,
    suggest_fix,
)
from bids_deeptaskgen.bids.input.layout import (
    functional_folder,
    list_folders,
    list_sessions,
    series_entities,
)
from bids_deeptaskgen.bids.input.participant_folders import explain_no_label, scan_participants
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.runs import (
    SessionFiles,
    check_places,
    group_runs,
    list_session_files,
    match_run,
)
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError, system_refusal

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
    is_selected : bool
        False if the user's options exclude the session or all its runs, which is no failure.
    task : str
        Task label of the maps, if several tasks were requested; else empty.
    """

    subject: str
    session: str | None
    bold_names: tuple[str, ...] = ()
    reason: str = ""
    entities: tuple[Entities, ...] = ()
    is_selected: bool = True
    task: str = ""

    @property
    def wants_rerun(self) -> bool:
        """Return whether another fMRIPrep run in this folder would provide usable files."""
        return RERUN in self.reason and CONTINUATION not in self.reason

    @property
    def failed(self) -> bool:
        """Return whether input is missing, which the user did not exclude."""
        return bool(self.reason) and self.is_selected

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
        entity_lists = self.entities or (series_entities(parse_name(name)) for name in self.bold_names)
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


def preflight(root: Path, query: Query, extra_roots: Mapping[str, Path] | None = None) -> list[Preflight]:
    """List the usable input of all participants, by folder and file names.

    Parameters
    ----------
    root : Path
        fMRIPrep derivatives.
    query : Query
    extra_roots : dict of str to Path, optional
        Further derivatives; see `collect_sessions`.

    Returns
    -------
    list of Preflight
        One row for each participant and session, sorted, and for each task if several were requested.
        Requested participants without a folder have a row, too; without a request, so do folders that look
        like participants but are no BIDS labels. A session has a second row if some of its results are
        unusable.
    """
    folders = scan_participants(root)
    labels = {name.removeprefix("sub-") for name in folders.usable}
    rows: list[Preflight] = []
    n_absent = 0
    for subject in sorted(set(query.participants or labels)):
        if subject in labels:
            rows += _participant_rows(root, subject, query, extra_roots or {})
        elif f"sub-{subject}" in folders.unusable:
            rows.append(Preflight(subject, None, reason=folders.unusable[f"sub-{subject}"]))
        else:
            n_absent += 1
            reason = explain_absent(root, subject, labels, suggest_labels=n_absent <= MAX_SUGGESTIONS)
            rows.append(Preflight(subject, None, reason=reason))
    if not query.participants:
        rows += [
            Preflight(name.removeprefix("sub-"), None, reason=reason)
            for name, reason in folders.unusable.items()
        ]
    return sorted(rows, key=lambda row: (row.subject, row.session or ""))


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


def _participant_rows(
    root: Path, subject: str, query: Query, extra_roots: Mapping[str, Path]
) -> list[Preflight]:
    """List the rows of each requested session of a participant."""
    folder = root / f"sub-{subject}"
    try:
        names = list_folders(folder)
    except InputError as error:
        return [Preflight(subject, None, reason=_one_line(error))]
    sessions, invalid_names = list_sessions(names)
    invalid_rows = [
        Preflight(subject, name.removeprefix("ses-"), reason=explain_no_label(folder / name, "ses-"))
        for name in invalid_names
        if query.wants_session(name.removeprefix("ses-"))
    ]
    requested_sessions = [session for session in sessions if query.wants_session(session)]
    if not (requested_sessions or invalid_rows):
        reason = _explain_no_session(folder, query, sessions)
        return [Preflight(subject, None, reason=reason, is_selected=False)]
    rows = [
        row
        for session in requested_sessions
        for row in _session_rows(root, subject, session, query, extra_roots)
    ]
    return rows + invalid_rows


def _explain_no_session(folder: Path, query: Query, sessions: list[str | None]) -> str:
    labels = format_values(session or "" for session in sessions)
    if not query.sessions:
        return f"no session in {folder} passes `bids_filter_file` (sessions found: {labels})"
    requested_sessions = ", ".join(f"ses-{session}" for session in query.sessions)
    return (
        f"no {requested_sessions} in {folder} (sessions found: {labels}); correct or remove `session_label`"
    )


def _session_rows(
    root: Path, subject: str, session: str | None, query: Query, extra_roots: Mapping[str, Path]
) -> list[Preflight]:
    """List the rows of a session, of each task if several were requested."""
    try:
        files = list_session_files(root, subject, session, extra_roots)
        if files is None:
            return [Preflight(subject, session, reason=_explain_no_folder(root, subject, session))]
        check_places(files, subject, session, query)
    except (InputError, OSError) as error:
        return [Preflight(subject, session, reason=_one_line(error))]
    return [
        row
        for task_query in query.by_task()
        for row in _task_rows(
            subject, session, files, task_query, task=task_query.task if len(query.tasks) > 1 else ""
        )
    ]


def _task_rows(
    subject: str, session: str | None, files: SessionFiles, query: Query, *, task: str
) -> list[Preflight]:
    """List a row for the usable results of one query, and one for each unusable result."""
    names = [file.name for file in files.main]
    query = query.resolve_space(names)
    results = group_runs(files, query, combine_runs=query.combine_runs)
    tasks = {bolds[0].name.get("task") for runs in results.values() for bolds in runs}
    missing_task = next((label for label in query.tasks if label not in tasks), None)
    if missing_task is not None:
        single_query = query.of_task(missing_task)
        func = functional_folder(files.root, subject, session)
        reason = f"{explain_missing(names, single_query)} in {func}; {suggest_fix(names, single_query)}"
        is_selected = not is_deselected(names, single_query)
        return [Preflight(subject, session, reason=reason, is_selected=is_selected, task=task)]
    bold_names: list[str] = []
    faulty_rows: list[Preflight] = []
    for runs in results.values():
        try:
            for bolds in runs:
                match_run(bolds, files, query)
        except (InputError, OSError) as error:
            faulty_rows.append(Preflight(subject, session, reason=_one_line(error), task=task))
        else:
            bold_names += [file.path.name for bolds in runs for file in bolds]
    usable_rows = [Preflight(subject, session, tuple(sorted(bold_names)), task=task)] if bold_names else []
    return usable_rows + faulty_rows


def _explain_no_folder(root: Path, subject: str, session: str | None) -> str:
    func = functional_folder(root, subject, session)
    folder = func.parent
    try:
        is_empty = not any(folder.iterdir())
    except OSError:
        is_empty = False
    reason = f"no folder {func}: fMRIPrep wrote no functional data here; see its report"
    if not is_empty:
        return reason
    return f"{reason} ({folder.name} is empty: if it is a DataLad dataset, run datalad get -n {folder.name})"


def _one_line(error: InputError | OSError) -> str:
    refusal = system_refusal(error)
    text = refusal[1] if refusal else str(error)
    return "; ".join(line.strip().rstrip(".") for line in text.splitlines())
