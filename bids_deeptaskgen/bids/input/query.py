"""Which data are wanted, and whether a file name is theirs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bids_deeptaskgen.bids.filenames import BidsName, Entities, same_label
from bids_deeptaskgen.connectome.template_warp import WARPED_SPACE
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.settings.bids_filter_file import ANY
from bids_deeptaskgen.settings.fill import default_of
from bids_deeptaskgen.settings.participant import ParticipantSettings

VOLUME = (".nii.gz", ".nii")


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

    task: str = default_of(ParticipantSettings, "task_id")
    space: str = "MNI152NLin6Asym"
    desc: str = default_of(ParticipantSettings, "desc")
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


def describe_misplaced(file_names: Iterable[str], subject: str, session: str | None) -> str:
    """Say which files lie in a folder of somebody else, and what to do."""
    names = sorted(file_names)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    place = f"sub-{subject}" + (f"/ses-{session}" if session else "")
    return (
        f"{shown}: named as another person's or session's than that of the folder, {place}; "
        "move each file to its own folder, or mend its name"
    )


def query_of(settings: ParticipantSettings) -> Query:
    """Which data the settings ask for."""
    return Query(
        task=settings.task_id,
        desc=settings.desc,
        participants=settings.participant_label,
        sessions=settings.session_label,
        runs=settings.run_id,
        custom=settings.custom_confounds,
        allowed=settings.bids_filter_file.allowed if settings.bids_filter_file else (),
        fallback=WARPED_SPACE if settings.allow_template_warp else "",
    )
