"""Columns of the tables of participants: targets, confounds, families and sites by their names."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from bids_deeptaskgen.bids.column_names import column_levels, find_column, suggest_columns
from bids_deeptaskgen.bids.participants_table import ParticipantRows, read_rows
from bids_deeptaskgen.errors import InputError, UserError, abbreviate
from bids_deeptaskgen.io.text_table import is_missing
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings
from bids_deeptaskgen.settings.evaluation import FAMILY_COLUMN
from bids_deeptaskgen.settings.value_types import plain_label

logger = logging.getLogger("bids_deeptaskgen")

# Columns that distinguish the runs of a session, whose values are averaged.
_RUN_COLUMNS = frozenset({"run", "dir"})
_Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Table:
    """Table whose rows are joined to the participants of the cohort.

    Attributes
    ----------
    path : Path
    columns : tuple of str
    rows : dict of str to list of dict
        By participant, in the spelling of the cohort.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Mapping[str, _Rows]


AnyTable = TypeVar("AnyTable", Table, ParticipantRows)


@dataclass(frozen=True)
class Column:
    """Column of a table, not reduced to one value per participant yet.

    Attributes
    ----------
    name : str
        As in the settings.
    role : str
        Word for messages: ``target``, ``confound``, ``column of families`` ...
    source : str
        Name in the table.
    path : Path
        Table.
    cells : dict of str to tuple of tuple of str
        By participant with a value: cells of each session, of each run, without missing values.
    rows : frozenset of str
        Participants with a row.
    levels : tuple of str
        Codes of the categories that a JSON sidecar declares; empty without.
    missing_words : tuple of str
        Spellings of missing values that might be a category, such as ``none``.
    """

    name: str
    role: str
    source: str
    path: Path
    cells: Mapping[str, tuple[tuple[str, ...], ...]]
    rows: frozenset[str] = frozenset()
    levels: tuple[str, ...] = ()
    missing_words: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Format table, role and name for the begin of a message."""
        alias = f" (column {self.source})" if self.source != self.name else ""
        return f"{self.path}: the {self.role} {self.name}{alias}"

    def pairs(self, participants: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield participant and cell of all cells.

        Parameters
        ----------
        participants : sequence of str

        Yields
        ------
        (str, str)
        """
        for participant in participants:
            for session in self.cells.get(participant, ()):
                for cell in session:
                    yield participant, cell

    def absence(self, participant: str) -> str:
        """Return why a participant has no value.

        Parameters
        ----------
        participant : str

        Returns
        -------
        str
        """
        detail = "" if participant in self.rows else f" (no row in {self.path.name})"
        return f"no value of {self.name}{detail}"


def read_tables(settings: BiomarkersSettings, sources: Sequence[ParticipantRows]) -> list[ParticipantRows]:
    """Read the tables of participants in order of precedence.

    Parameters
    ----------
    settings : BiomarkersSettings
    sources : sequence of ParticipantRows
        Tables that belong to the sources of features, or tables that were read before.

    Returns
    -------
    list of ParticipantRows
        Those of `phenotype`, `participants_tsv`, then `sources`.

    Raises
    ------
    UserError
        If a table does not exist, or there is none.
    InputError
        If a table cannot be read.
    """
    paths = [("phenotype", path) for path in settings.phenotype]
    if settings.participants_tsv:
        paths.append(("participants_tsv", settings.participants_tsv))
    for parameter, path in paths:
        if not path.is_file():
            problem = "is a folder" if path.is_dir() else "no such file"
            message = f"`{parameter}` {path}: {problem}. Correct the path or remove the option."
            raise UserError(message)
    known_tables = {source.path.absolute(): source for source in sources}
    tables = {path.absolute(): known_tables.get(path.absolute()) or read_rows(path) for _, path in paths}
    for source in sources:
        tables.setdefault(source.path.absolute(), source)
    if not tables:
        message = (
            "No table of participants was found beside the features. Name the table with the targets in "
            "`participants_tsv` or `phenotype`."
        )
        raise UserError(message)
    return list(tables.values())


def check_columns(settings: BiomarkersSettings, tables: Sequence[ParticipantRows]) -> None:
    """Check that all columns of the settings exist, before maps are read for minutes.

    Parameters
    ----------
    settings : BiomarkersSettings
    tables : sequence of ParticipantRows
        In order of precedence.

    Raises
    ------
    UserError
        If no table has a column.
    """
    columns = [("target", name) for name in settings.target]
    columns += [("confounds", name) for name in settings.confounds]
    for parameter in ("leave_one_site_out", "combat"):
        columns += [(parameter, name) for name in (getattr(settings, parameter),) if name]
    for parameter, name in columns:
        if find_table(name, tables) is None:
            _refuse_unknown(name, parameter, tables)
    family = settings.family_column
    existing = {column.lower() for table in tables for column in table.columns}
    if family != FAMILY_COLUMN and family.lower() not in existing:
        _refuse_unknown(family, "family_column", tables)
    declared_categories(settings, tables)


def declared_categories(
    settings: BiomarkersSettings, tables: Sequence[AnyTable]
) -> frozenset[tuple[Path, str]]:
    """Find the columns that `categorical` declares, under any of their names.

    Parameters
    ----------
    settings : BiomarkersSettings
    tables : sequence of Table or of ParticipantRows
        In order of precedence.

    Returns
    -------
    frozenset of (Path, str)
        Path of the table, and name of the column there.

    Raises
    ------
    UserError
        If a name is neither a target nor a confound nor a column of sites.
    """
    names = [*settings.target, *settings.confounds]
    names += [name for name in (settings.leave_one_site_out, settings.combat) if name]
    matches = {name: match for name in names if (match := find_table(name, tables))}
    columns = {(table.path, column) for table, column in matches.values()}
    categories: set[tuple[Path, str]] = set()
    for name in settings.categorical:
        match = matches.get(name) or find_table(name, tables)
        key = (match[0].path, match[1]) if match else None
        if key is None or key not in columns:
            message = (
                f"`categorical` names {name}, which is neither a target nor a confound ({', '.join(names)})."
                "\nCorrect the name, or remove it."
            )
            raise UserError(message)
        categories.add(key)
    return frozenset(categories)


def find_table(name: str, tables: Sequence[AnyTable]) -> tuple[AnyTable, str] | None:
    """Find the first table that has a column.

    Parameters
    ----------
    name : str
        Name of the column, or a short name such as ``mean_fd`` or ``site``, see `column_names.find_column`.
    tables : sequence of Table or of ParticipantRows
        In order of precedence.

    Returns
    -------
    (Table or ParticipantRows, str) or None
        Table, and name of the column there.
    """
    for table in tables:
        if column := find_column(name, table.columns):
            return table, column
    return None


def read_column(
    name: str, tables: Sequence[Table], session: str | None, parameter: str, role: str = ""
) -> Column:
    """Read a column from the first table that has it.

    Parameters
    ----------
    name : str
        See `find_table`.
    tables : sequence of Table
        In order of precedence.
    session : str or None
        Label of the session without ``ses-``; None for all sessions.
    parameter : str
        Setting that has the name, for messages.
    role : str
        Word for messages; `parameter` without it.

    Returns
    -------
    Column

    Raises
    ------
    UserError
        If no table has the column.
    InputError
        If the table has no row of any participant, or several rows of a participant that differ.
    """
    match = find_table(name, tables)
    if match is None:
        _refuse_unknown(name, parameter, tables)
    table, source = match
    if not table.rows:
        message = (
            f"{table.path}: has the column {source}, but no row of any participant with features.\n"
            "Write the labels in its column participant_id as in the features."
        )
        raise InputError(message)
    cells, substitutes, words = {}, [], set()
    for participant, rows in table.rows.items():
        words |= {row[source].strip() for row in rows if is_missing(row[source])}
        candidates, is_substitute = _rows_of_session(rows, session)
        cells[participant] = _cells(table.path, candidates, source, participant)
        if is_substitute and cells[participant]:
            substitutes.append(f"sub-{participant}")
    if substitutes:
        logger.warning(
            "%s: %d participants have no row of ses-%s; %s of their other sessions is used: %s.",
            table.path, len(substitutes), session, source, abbreviate(sorted(substitutes)),
        )  # fmt: skip
    return Column(
        name,
        role or parameter,
        source,
        table.path,
        {participant: entry for participant, entry in cells.items() if entry},
        frozenset(table.rows),
        column_levels(table.path).get(source, ()),
        tuple(sorted(word for word in words if word.lower() == "none")),
    )


def _refuse_unknown(name: str, parameter: str, tables: Sequence[AnyTable]) -> NoReturn:
    names = list(dict.fromkeys(column for table in tables for column in table.columns))
    paths = " and ".join(str(table.path) for table in tables)
    message = f"`{parameter}` names the column {name}, which does not exist in {paths}."
    raise UserError(message + suggest_columns(name, names))


def _session_of(row: Mapping[str, str]) -> str:
    label = row.get("session_id", "")
    return "" if is_missing(label) else plain_label(label.removeprefix("ses-"))


def _rows_of_session(rows: _Rows, session: str | None) -> tuple[_Rows, bool]:
    """Return the rows of a session, of no session or of all, and whether they stand in for the session."""
    if session is None:
        return rows, False
    of_session = [row for row in rows if _session_of(row) == plain_label(session)]
    of_all = [row for row in rows if not _session_of(row)]
    return of_session or of_all or rows, not (of_session or of_all)


def _cells(path: Path, rows: _Rows, source: str, participant: str) -> tuple[tuple[str, ...], ...]:
    """Return the values of each session; rows without a session count if no other row has a value."""
    sessions: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        if not is_missing(row[source]):
            sessions.setdefault(_session_of(row), []).append(row)
    if len(sessions) > 1:
        sessions.pop("", None)
    for session, group in sessions.items():
        values = list(dict.fromkeys(row[source].strip() for row in group))
        if len(values) > 1 and _RUN_COLUMNS.isdisjoint(group[0]):
            place = f"sub-{participant}" + (f" ses-{session}" if session else "")
            message = (
                f"{path}: {place} has {len(group)} rows with different values of {source} "
                f"({abbreviate(values)}).\nKeep one row, or add a column session_id with the session of each."
            )
            raise InputError(message)
        if _RUN_COLUMNS.isdisjoint(group[0]):
            sessions[session] = group[:1]
    return tuple(tuple(row[source].strip() for row in group) for group in sessions.values())
