"""Who has usable input: all people looked up by folders and file names alone, before anything is computed."""

import os
from collections.abc import Set
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from bids_deeptaskgen.bids.filenames import Entities, parse_name, sort_entities
from bids_deeptaskgen.bids.input.derivatives import subject_folders
from bids_deeptaskgen.bids.input.diagnostics import RERUN, explain_missing, listed, suggest_fix
from bids_deeptaskgen.bids.input.query import Query, describe_misplaced, fits, misplaced
from bids_deeptaskgen.data import load_table

# To look for near names is slow: that of so many people is shown, or thousands who are absent took hours.
N_NEAREST = 20


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
    entities : tuple of tuple of (str, str)
        Of each file, where its name does not tell them: outside of BIDS.
    """

    subject: str
    session: str | None
    bold_names: tuple[str, ...] = ()
    reason: str = ""
    entities: tuple[Entities, ...] = ()

    @property
    def wants_rerun(self) -> bool:
        """Whether another fMRIPrep run would make it usable."""
        return RERUN in self.reason

    @property
    def name(self) -> str:
        """Short name for messages, e.g. ``sub-01 ses-1``."""
        return f"sub-{self.subject}" + (f" ses-{self.session}" if self.session else "")

    def series(self, *, combine_runs: bool) -> set[Entities]:
        """Entities of the results to be written, as in `SessionInputs`: one for each run, or pooled."""
        dropped = ("sub", "ses", "desc", *load_table("queries.json")["grid"])
        entities = self.entities or (parse_name(name).without(dropped) for name in self.bold_names)
        return {series_of(one, combine_runs=combine_runs) for one in entities}


def series_of(entities: Entities, *, combine_runs: bool) -> Entities:
    """Give the entities of the result that a run goes into, in order; see `SessionInputs`."""
    pooled = load_table("queries.json")["pooled"] if combine_runs else ()
    return sort_entities(pair for pair in entities if pair[0] not in pooled)


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
    found = listed(session or "" for session in sessions)
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
        return Preflight(subject, session, reason=f"{func}: {describe_misplaced(strange, subject, session)}")
    query = query.in_space(names)
    usable = tuple(file for file, name in zip(files, names, strict=True) if fits(name, query))
    reason = "" if usable else f"{explain_missing(names, query)} in {func}; {suggest_fix(names, query)}"
    return Preflight(subject, session, usable, reason)
