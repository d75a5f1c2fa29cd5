"""Who has usable input: all people looked up by folders and file names alone, before anything is computed."""

import os
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from bids_deeptaskgen.bids.locate import subject_folders
from bids_deeptaskgen.bids.names import (
    BidsName,
    Entities,
    load_table,
    parse_name,
    same_label,
    sort_entities,
)
from bids_deeptaskgen.filter_file import ANY

VOLUME = (".nii.gz", ".nii")
# No space- entity, or the person's own anatomy: fMRIPrep was asked for no template.
_NATIVE = (None, "T1w", "func", "boldref")
# To look for near names is slow: that of so many people is shown, or thousands who are absent took hours.
N_NEAREST = 20


@dataclass(frozen=True)
class Query:
    """Which data are wanted; labels are without ``sub-``, ``ses-``, ``task-``, ``run-``.

    Attributes
    ----------
    task : str
        Task of the BOLD series.
    space : str
        Its standard space.
    desc : str
        Its ``desc-`` entity.
    participants, sessions, runs : tuple of str
        Only these; all where empty. Runs are compared as numbers: ``1`` is ``01``.
    custom : Path or None
        Folder with the user's own regressors of each run.
    allowed : tuple of (str, tuple of str or None)
        For keys of file names, the values to use; None stands for a name without that key, ``*`` for any.
    fallback : str
        Space of series to use where there are none in `space`; empty for none.
    """

    task: str = "rest"
    space: str = "MNI152NLin6Asym"
    desc: str = "preproc"
    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    custom: Path | None = None
    allowed: tuple[tuple[str, tuple[str | None, ...]], ...] = ()
    fallback: str = ""

    def wants_run(self, run: str | None) -> bool:
        """Whether a run is asked for; a series without ``run-`` only when no run is named."""
        return not self.runs or (run is not None and any(same_label(run, wanted) for wanted in self.runs))

    def wants_session(self, session: str | None) -> bool:
        """Whether a session is asked for; data outside of ``ses-*`` only when no session is named."""
        return not self.sessions or session in self.sessions

    def allows(self, entities: Entities) -> bool:
        """Whether the filters let a name with these entities pass."""
        values = dict(entities)
        return all(_is_among(values.get(key), allowed) for key, allowed in self.allowed)

    def in_space(self, names: Iterable[BidsName]) -> "Query":
        """Give the query with the space that it comes down to, among a session's files."""
        if self.fallback and not any(fits(name, self) for name in names):
            return replace(self, space=self.fallback, fallback="")
        return self


def _is_among(value: str | None, allowed: tuple[str | None, ...]) -> bool:
    if value is None:
        return None in allowed
    return any(one is not None and (one == ANY or same_label(value, one)) for one in allowed)


@dataclass(frozen=True)
class Preflight:
    """One person and session, as seen from the file names.

    Attributes
    ----------
    subject : str
    session : str or None
        None in a dataset without sessions, or where the person has none that is asked for.
    bold_names : tuple of str
        Files that fit the query; several of one run where it was written at several resolutions.
    reason : str
        Why nothing is usable and what to do; empty where something is.
    """

    subject: str
    session: str | None
    bold_names: tuple[str, ...] = ()
    reason: str = ""

    @property
    def name(self) -> str:
        """Short name for messages, e.g. ``sub-01 ses-1``."""
        return f"sub-{self.subject}" + (f" ses-{self.session}" if self.session else "")

    def series(self, *, combine_runs: bool) -> set[Entities]:
        """Entities of the results to be written, as in `SessionInputs`: one for each run, or pooled."""
        table = load_table("queries.json")
        dropped = ("sub", "ses", "desc", *table["grid"], *(table["pooled"] if combine_runs else ()))
        return {sort_entities(parse_name(name).without(dropped)) for name in self.bold_names}


def preflight(root: Path, query: Query) -> list[Preflight]:
    """Look up what everyone has, by folders and file names.

    Parameters
    ----------
    root : Path
        fMRIPrep derivatives.
    query : Query

    Returns
    -------
    list of Preflight
        One row for each person and session, sorted; people that were asked for and are not there have one,
        too.
    """
    present = {name.removeprefix("sub-") for name in subject_folders(root)}
    rows: list[Preflight] = []
    n_absent = 0
    for subject in sorted(set(query.participants or present)):
        if subject in present:
            rows += _look_up(root, subject, query)
        else:
            n_absent += 1
            reason = absent(root, subject, present, nearest=n_absent <= N_NEAREST)
            rows.append(Preflight(subject, None, reason=reason))
    return rows


def is_series(name: BidsName) -> bool:
    """Whether a name is that of a BOLD image whose volumes can be used (not one echo, not the phase)."""
    table = load_table("queries.json")
    if name.suffix != table["files"]["bold"]["suffix"] or name.extension not in VOLUME:
        return False
    return not any(
        value is not None and (refused is None or value in refused)
        for value, refused in ((name.get(key), refused) for key, refused in table["excluded"].items())
    )


def fits(name: BidsName, query: Query) -> bool:
    """Whether a name is that of a BOLD image that a query asks for."""
    return (
        is_series(name)
        and (name.get("task"), name.get("space"), name.get("desc")) == (query.task, query.space, query.desc)
        and query.wants_run(name.get("run"))
        and query.allows(name.entities)
    )


def misplaced(name: BidsName, subject: str, session: str | None, query: Query) -> bool:
    """Whether a file of the task says that it is of another person or session than its folder."""
    return name.get("task") == query.task and (name.get("sub"), name.get("ses")) != (subject, session)


def misplaced_words(file_names: Iterable[str], subject: str, session: str | None) -> str:
    """Say which files lie in a folder of somebody else, and what to do."""
    names = sorted(file_names)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    place = f"sub-{subject}" + (f"/ses-{session}" if session else "")
    return (
        f"{shown}: named as another person's or session's than that of the folder, {place}; "
        "move each file to its own folder, or mend its name"
    )


def absent(root: Path, subject: str, present: Set[str], *, nearest: bool = True) -> str:
    """Say that somebody who was asked for is not there, and who has nearly that name."""
    near = get_close_matches(subject, sorted(present), n=3, cutoff=0.5) if nearest else []
    found = f"{len(present)} participants found" + (f"; nearest: {', '.join(near)}" if near else "")
    return f"no folder sub-{subject} in {root} ({found}); mend --participant-label"


def _look_up(root: Path, subject: str, query: Query) -> list[Preflight]:
    """One row for each session of a person that is asked for."""
    folder = root / f"sub-{subject}"
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
        sessions: list[str | None] = [
            name.removeprefix("ses-") for name in sorted(names) if name.startswith("ses-")
        ]
        if "func" in names or not sessions:
            sessions.insert(0, None)
        wanted = [session for session in sessions if query.wants_session(session)]
        if not wanted:
            return [Preflight(subject, None, reason=_no_session(folder, query, sessions))]
        return [_look_into(folder, subject, session, query) for session in wanted]
    except PermissionError as error:
        return [
            Preflight(subject, None, reason=f"{error.filename or folder} may not be read ({error.strerror})")
        ]


def _no_session(folder: Path, query: Query, sessions: list[str | None]) -> str:
    asked = ", ".join(f"ses-{session}" for session in query.sessions)
    found = _listed(session or "" for session in sessions)
    return f"no {asked} in {folder} (sessions found: {found}); mend --session-label or leave it out"


def _look_into(folder: Path, subject: str, session: str | None, query: Query) -> Preflight:
    func = (folder / f"ses-{session}" if session else folder) / "func"
    try:
        with os.scandir(func) as entries:
            files = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        reason = f"no folder {func}: fMRIPrep wrote no functional data here, its report may say why"
        return Preflight(subject, session, reason=reason)
    names = [parse_name(file) for file in files]
    strange = [
        file for file, name in zip(files, names, strict=True) if misplaced(name, subject, session, query)
    ]
    if strange:
        # One file of somebody else means that nobody knows whose the others are.
        return Preflight(subject, session, reason=f"{func}: {misplaced_words(strange, subject, session)}")
    query = query.in_space(names)
    usable = tuple(file for file, name in zip(files, names, strict=True) if fits(name, query))
    reason = "" if usable else f"{_why_not(names, query)} in {func}{_advice(names, query)}"
    return Preflight(subject, session, usable, reason)


def _why_not(names: list[BidsName], query: Query) -> str:
    """Say what is missing: the first of task, run, volumes, space, desc that the files do not offer."""
    of_task = [name for name in names if name.get("task") == query.task]
    if not of_task:
        return f"no task-{query.task} (tasks found: {_listed(name.get('task') for name in names)})"
    of_run = [name for name in of_task if query.wants_run(name.get("run"))]
    if not of_run:
        asked = ", ".join(f"run-{run}" for run in query.runs)
        return f"no {asked} of task-{query.task} (runs found: {_listed(n.get('run') for n in of_task)})"
    allowed = [name for name in of_run if query.allows(name.entities)]
    if not allowed:
        return f"nothing of task-{query.task} passes --bids-filter-file"
    return _why_no_volumes(allowed, query)


def _why_no_volumes(names: list[BidsName], query: Query) -> str:
    wanted = f"no desc-{query.desc} BOLD of task-{query.task} in space-{query.space}"
    series = [name for name in names if is_series(name)]
    spaces = [name.get("space") for name in series if name.get("desc") == query.desc]
    descs = [name.get("desc") for name in series if name.get("space") == query.space]
    if any(space not in _NATIVE for space in spaces):
        return f"{wanted} (spaces found: {_listed(space or 'native' for space in spaces)})"
    if any(spaces):
        return f"{wanted} (only native space found: {_listed(space or 'native' for space in spaces)})"
    if spaces:
        return f"{wanted} (only native space found)"
    if descs:
        return f"{wanted} (desc found in that space: {_listed(descs)})"
    if series:
        return f"{wanted} (desc found in other spaces: {_listed(name.get('desc') for name in series)})"
    extensions = [name.extension for name in names if name.suffix == "bold"]
    if any(extension in VOLUME for extension in extensions):
        return f"{wanted} (only single echoes or phase images found)"
    if any(extension.endswith((".gii", ".dtseries.nii")) for extension in extensions):
        return f"{wanted} (only surface or CIFTI series found)"
    return f"{wanted} (no series at all, only what fMRIPrep's --level minimal writes)"


def _advice(names: list[BidsName], query: Query) -> str:
    """Say what to do: another fMRIPrep run helps only where the task is there and its series is not."""
    table = load_table("queries.json")
    if not any(name.get("task") for name in names):
        return "; fMRIPrep's report of this person may say why"
    of_task = [name for name in names if name.get("task") == query.task]
    if not of_task:
        return "; name the resting state's task with --task-id"
    if not any(query.wants_run(name.get("run")) for name in of_task):
        return "; mend --run-id or leave it out"
    if not any(query.allows(name.entities) for name in of_task):
        return "; mend it or leave it out"
    if query.desc != table["desc"]:
        return "; choose another --desc, or re-run what made these derivatives"
    return f"; re-run fMRIPrep with --output-spaces {table['output_spaces']}"


def _listed(values: Iterable[str | None]) -> str:
    return ", ".join(sorted({value for value in values if value})) or "none"
