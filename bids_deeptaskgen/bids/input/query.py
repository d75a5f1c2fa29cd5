"""Query for BOLD series, and the file names that match it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bids_deeptaskgen.bids.filenames import BidsName, Entities, same_value
from bids_deeptaskgen.connectome.template_warp import WARPED_SPACE
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.nuisance_presets import PRESETS
from bids_deeptaskgen.settings.bids_filter_file import ANY_VALUE
from bids_deeptaskgen.settings.fill import default_of
from bids_deeptaskgen.settings.participant import ParticipantSettings

VOLUME = (".nii.gz", ".nii")


@dataclass(frozen=True)
class Query:
    """Criteria for BOLD series; labels have no ``sub-``, ``ses-``, ``task-`` or ``run-``.

    Attributes
    ----------
    tasks : tuple of str
        Tasks of the BOLD series.
    combine_tasks : bool
        Pool the runs of all tasks of a session; else each task has its own maps.
    other_tasks : tuple of str
        Further requested tasks, whose maps are separate.
    space : str
        Standard space of the BOLD series.
    desc : str
        ``desc-`` entity of the BOLD series.
    participants, sessions, runs : tuple of str
        Labels to use; all if empty. Runs are compared as numbers: ``1`` equals ``01``.
    excluded : tuple of str
        Labels of participants to leave out, even if `participants` has them.
    custom : Path or None
        Folder with custom regressors of each run.
    filters : tuple of (str, tuple of str or None)
        Values to use for keys of file names; None matches a name without that key, ``*`` any value.
    fallback : str
        Space to use in sessions that have no series in `space`; empty for none.
    combine_runs : bool
        Pool the runs of a session into one result.
    needs_confounds : bool
        Whether a run without confounds table is unusable.
    """

    tasks: tuple[str, ...] = default_of(ParticipantSettings, "task_id")
    combine_tasks: bool = default_of(ParticipantSettings, "combine_tasks")
    other_tasks: tuple[str, ...] = ()
    space: str = "MNI152NLin6Asym"
    desc: str = default_of(ParticipantSettings, "desc")
    participants: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    custom: Path | None = None
    filters: tuple[tuple[str, tuple[str | None, ...]], ...] = ()
    fallback: str = ""
    combine_runs: bool = default_of(ParticipantSettings, "combine_runs")
    needs_confounds: bool = False

    @property
    def task(self) -> str:
        """Return the task label of the maps; several combined tasks are joined with ``+``.

        Examples
        --------
        >>> Query(tasks=("rest2", "rest1"), combine_tasks=True).task
        'rest1+rest2'
        """
        return "+".join(sorted(self.tasks))

    def by_task(self) -> tuple["Query", ...]:
        """Return one query for each set of maps: of each task, or of all tasks if they are combined.

        Examples
        --------
        >>> [query.tasks for query in Query(tasks=("rest1", "rest2")).by_task()]
        [('rest1',), ('rest2',)]
        """
        return (self,) if self.combine_tasks else tuple(self.of_task(task) for task in self.tasks)

    def of_task(self, task: str) -> "Query":
        """Return the query for a single one of its tasks.

        Parameters
        ----------
        task : str
            One of `tasks`.

        Returns
        -------
        Query
        """
        siblings = tuple(label for label in self.tasks if label != task)
        return replace(self, tasks=(task,), combine_tasks=False, other_tasks=(*self.other_tasks, *siblings))

    def output_entities(self, entities: Entities) -> Entities:
        """Return the entities of a run with the task label of the maps to which it contributes.

        Parameters
        ----------
        entities : tuple of (str, str)
            Keys and values of a file name.

        Returns
        -------
        tuple of (str, str)

        Examples
        --------
        >>> Query(tasks=("rest1", "rest2"), combine_tasks=True).output_entities((("task", "rest1"),))
        (('task', 'rest1+rest2'),)
        """
        return tuple((key, self.task if key == "task" else value) for key, value in entities)

    def wants_run(self, run: str | None) -> bool:
        """Return whether the query selects a run; series without ``run-`` match only if `runs` is empty.

        Parameters
        ----------
        run : str or None
            Label of the run; None for a series without ``run-``.
        """
        return not self.runs or (
            run is not None and any(same_value("run", run, label) for label in self.runs)
        )

    def wants_session(self, session: str | None) -> bool:
        """Return whether `sessions` and `filters` select a session.

        Parameters
        ----------
        session : str or None
            Label of the session; None for a participant without sessions, which `sessions` never selects.
        """
        if self.sessions and session not in self.sessions:
            return False
        return all(_is_among(key, session, labels) for key, labels in self.filters if key == "ses")

    def allows(self, entities: Entities) -> bool:
        """Return whether entities of a name pass the filters; `wants_session` applies those of sessions.

        Parameters
        ----------
        entities : tuple of (str, str)
            Keys and values of a file name.
        """
        values = dict(entities)
        return all(_is_among(key, values.get(key), labels) for key, labels in self.filters if key != "ses")

    def resolve_space(self, names: Iterable[BidsName]) -> "Query":
        """Return the query with the space to use for a session with these file names.

        Parameters
        ----------
        names : iterable of BidsName
            File names of the session.

        Returns
        -------
        Query
            With `fallback` as its space if no name fits the query, else the query itself.
        """
        if self.fallback and not any(fits(name, self) for name in names):
            return replace(self, space=self.fallback, fallback="")
        return self


def _is_among(key: str, value: str | None, accepted_values: tuple[str | None, ...]) -> bool:
    if value is None:
        return None in accepted_values
    return any(
        pattern is not None and (pattern == ANY_VALUE or same_value(key, value, pattern))
        for pattern in accepted_values
    )


def is_series(name: BidsName) -> bool:
    """Return whether a name is that of a usable BOLD image: neither a single echo nor a phase image.

    Parameters
    ----------
    name : BidsName
    """
    table = load_table("queries.json")
    if name.suffix not in table["files"]["bold"]["suffix"] or name.extension not in VOLUME:
        return False
    # In the table, null excludes a key with any value.
    exclusions = ((name.get(key), values) for key, values in table["excluded"].items())
    return not any(value is not None and (values is None or value in values) for value, values in exclusions)


def fits(name: BidsName, query: Query) -> bool:
    """Return whether a name is that of a BOLD image that a query selects.

    Parameters
    ----------
    name : BidsName
    query : Query
        Its participants and sessions are ignored.

    Returns
    -------
    bool
    """
    return (
        is_series(name)
        and name.get("task") in query.tasks
        and (name.get("space"), name.get("desc")) == (query.space, query.desc)
        and query.wants_run(name.get("run"))
        and query.allows(name.entities)
    )


def is_misplaced(name: BidsName, subject: str, session: str | None, query: Query) -> bool:
    """Return whether a file of the task names another participant or session than its folder.

    Parameters
    ----------
    name : BidsName
    subject : str
        Label of the ``sub-*`` folder.
    session : str or None
        Label of the ``ses-*`` folder.
    query : Query
        Files of other tasks than the query's are ignored.

    Returns
    -------
    bool
    """
    return name.get("task") in query.tasks and (name.get("sub"), name.get("ses")) != (subject, session)


def describe_misplaced(file_names: Iterable[str], subject: str, session: str | None) -> str:
    """Describe the files that name another participant or session than their folder, and the remedy.

    Parameters
    ----------
    file_names : iterable of str
        Names of the misplaced files.
    subject : str
        Label of the ``sub-*`` folder.
    session : str or None
        Label of the ``ses-*`` folder.

    Returns
    -------
    str
    """
    names = sorted(file_names)
    examples = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    folder = f"sub-{subject}" + (f"/ses-{session}" if session else "")
    return (
        f"{examples}: named as another participant or session than the folder, {folder}; "
        "move each file to the folder of its participant and session, or correct its name"
    )


def query_of(settings: ParticipantSettings) -> Query:
    """Build the query that the settings describe.

    Parameters
    ----------
    settings : ParticipantSettings

    Returns
    -------
    Query
    """
    return Query(
        tasks=settings.task_id,
        combine_tasks=settings.combine_tasks,
        desc=settings.desc,
        participants=settings.participant_label,
        excluded=settings.exclude_participant_label,
        sessions=settings.session_label,
        runs=settings.run_id,
        custom=settings.custom_confounds,
        filters=settings.bids_filter_file.labels if settings.bids_filter_file else (),
        fallback=WARPED_SPACE if settings.allow_template_warp else "",
        combine_runs=settings.combine_runs,
        needs_confounds=settings.fd_threshold > 0
        or (settings.nuisance_regressors != "auto" and PRESETS[settings.nuisance_regressors].needs_table),
    )
