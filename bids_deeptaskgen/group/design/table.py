"""Columns of a design by participant, from the observations of their sessions."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bids_deeptaskgen.errors import UserError, abbreviate
from bids_deeptaskgen.group.design.formula import FormulaFactor
from bids_deeptaskgen.group.design.observations import (
    METRICS_BY_COVARIATE,
    SITE_COLUMNS,
    Cell,
    Observation,
    is_missing,
    parse_number,
)

_DIFFERENCE = re.compile(r"(?:ses-)?([A-Za-z0-9]+)-(?:ses-)?([A-Za-z0-9]+)")


@dataclass(frozen=True)
class TableColumn:
    """A column, one value per participant.

    Attributes
    ----------
    name : str
        As in the formula.
    source : str
        Name in the observations.
    values : dict of str to (str, float or None)
        By participant; text for categories, numbers otherwise, None for a missing value.
    is_categorical : bool
    is_change : bool
        Whether the values are differences of sessions.
    """

    name: str
    source: str
    values: Mapping[str, Cell]
    is_categorical: bool
    is_change: bool = False


def split_difference(session_difference: str) -> tuple[str, str]:
    """Split a difference of sessions into both labels.

    Parameters
    ----------
    session_difference : str
        Later and earlier session, for example ``post-pre``.

    Returns
    -------
    (str, str)

    Raises
    ------
    UserError
        If it is not a difference of two sessions.

    Examples
    --------
    >>> split_difference("ses-post-ses-pre")
    ('post', 'pre')
    """
    match = _DIFFERENCE.fullmatch(session_difference.strip())
    if not match or match[1] == match[2]:
        message = (
            f"`session_difference` {session_difference!r} does not name two different sessions. Write the "
            "later and the earlier label, for example post-pre."
        )
        raise UserError(message)
    return match[1], match[2]


def sessions_by_participant(
    observations: Sequence[Observation], difference: tuple[str, str] | None
) -> tuple[dict[str, tuple[Observation, ...]], dict[str, str]]:
    """Choose the sessions of each participant.

    Parameters
    ----------
    observations : sequence of Observation
    difference : (str, str) or None
        Later and earlier session of a difference; None for all sessions.

    Returns
    -------
    sessions_used : dict of str to tuple of Observation
        By participant, in order; the later session first for a difference.
    excluded : dict of str to str
        Reason by participant.

    Raises
    ------
    UserError
        If a session of the difference does not exist.
    """
    sessions: dict[str, list[Observation]] = {}
    for observation in observations:
        sessions.setdefault(observation.subject, []).append(observation)
    if difference is None:
        return {name: tuple(group) for name, group in sorted(sessions.items())}, {}
    labels = sorted({observation.session for observation in observations if observation.session})
    if lacking_sessions := [label for label in difference if label not in labels]:
        existing = f"Sessions with maps: {', '.join(labels)}" if labels else "The maps have no sessions"
        message = (
            f"`session_difference` names {' and '.join(lacking_sessions)}, which has no maps. {existing}."
        )
        raise UserError(message)
    sessions_used, excluded = {}, {}
    for name, group in sorted(sessions.items()):
        by_label = {observation.session: observation for observation in group}
        if lacking_sessions := [label for label in difference if label not in by_label]:
            excluded[name] = f"no maps of session {' and '.join(lacking_sessions)}"
        else:
            sessions_used[name] = tuple(by_label[label] for label in difference)
    return sessions_used, excluded


def find_column(name: str, names: Collection[str]) -> str | None:
    """Find the column that a name of a formula or covariate stands for.

    Parameters
    ----------
    name : str
    names : collection of str
        Columns that exist.

    Returns
    -------
    str or None

    Examples
    --------
    >>> find_column("mean_fd", ["fd_mean_mm"]), find_column("site", ["Site_ID"]), find_column("age", ["Age"])
    ('fd_mean_mm', 'Site_ID', None)
    """
    if METRICS_BY_COVARIATE.get(name) in names:
        return METRICS_BY_COVARIATE[name]
    if name in names:
        return name
    if name == "site":
        by_lower = {existing.lower(): existing for existing in sorted(names, reverse=True)}
        return next((by_lower[column] for column in SITE_COLUMNS if column in by_lower), None)
    return None


def require_column(name: str, names: Collection[str], parameter: str) -> str:
    """Find a column as `find_column` does, and refuse a name that does not exist.

    Parameters
    ----------
    name : str
    names : collection of str
        Columns that exist.
    parameter : str
        Parameter that names it, for the message.

    Returns
    -------
    str

    Raises
    ------
    UserError
        If there is no such column.
    """
    if column := find_column(name, names):
        return column
    aliases = [alias for alias in (*METRICS_BY_COVARIATE, "site") if find_column(alias, names)]
    existing = list(dict.fromkeys([*sorted(names), *aliases]))
    by_lower = {word.lower(): word for word in existing}
    close = [by_lower[word] for word in difflib.get_close_matches(name.lower(), by_lower)]
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    message = (
        f"`{parameter}` names the column {name}, which neither participants.tsv nor the quality metrics "
        f"have.{hint} Columns: {', '.join(existing) or 'none'}."
    )
    raise UserError(message)


class ColumnReader:
    """Reads columns of the observations by their names in formulas.

    Parameters
    ----------
    observations : sequence of Observation
        All sessions, whose columns exist.
    sessions : dict of str to sequence of Observation
        Sessions of each participant in the design; the later and the earlier one of a difference.
    levels : collection of str
        Columns that are categorical even if their cells are numbers.
    is_difference : bool
        Whether rows are differences of sessions.
    """

    def __init__(
        self,
        observations: Sequence[Observation],
        sessions: Mapping[str, Sequence[Observation]],
        levels: Collection[str],
        *,
        is_difference: bool,
    ) -> None:
        self.names = list(dict.fromkeys(name for row in observations for name in row.columns))
        self._sessions, self._levels, self._is_difference = sessions, levels, is_difference

    def read(self, name: str, parameter: str, *, is_categorical: bool = False) -> TableColumn:
        """Read a column, one value per participant.

        Parameters
        ----------
        name : str
            Name in the formula or among the covariates.
        parameter : str
            Parameter that has the name, for messages.
        is_categorical : bool
            Whether numbers are categories, too.

        Returns
        -------
        TableColumn

        Raises
        ------
        UserError
            If there is no such column; see also `table_column`.
        """
        source = require_column(name, self.names, parameter)
        return table_column(
            name,
            source,
            self._sessions,
            is_categorical=is_categorical or source in self._levels,
            is_difference=self._is_difference,
        )

    def read_factor(self, factor: FormulaFactor) -> TableColumn:
        """Read the column of a factor of the formula."""
        return self.read(factor.column, "design", is_categorical=factor.function == "C")


def table_column(
    name: str,
    source: str,
    sessions: Mapping[str, Sequence[Observation]],
    *,
    is_categorical: bool,
    is_difference: bool,
) -> TableColumn:
    """Reduce a column of sessions to one value per participant.

    Parameters
    ----------
    name, source : str
        Name for readers, and in the observations.
    sessions : dict of str to sequence of Observation
        Of each participant; the later and the earlier one of a difference.
    is_categorical : bool
        Whether numbers are categories, too.
    is_difference : bool
        Whether rows are differences of sessions: numbers that differ between the sessions of a participant
        become differences.

    Returns
    -------
    TableColumn

    Raises
    ------
    UserError
        If text differs between sessions, if numbers and text are mixed, or if categories differ in spelling.
    """
    cells = {
        participant: [session.columns.get(source) for session in group]
        for participant, group in sessions.items()
    }
    by_participant = {
        participant: [cell for cell in row if not is_missing(cell)] for participant, row in cells.items()
    }
    if is_categorical or not _are_numbers(name, by_participant):
        values = {
            participant: _common_text(name, participant, row) for participant, row in by_participant.items()
        }
        _check_spelling(name, values.values())
        return TableColumn(name, source, values, is_categorical=True)
    numbers = {participant: [parse_number(cell) for cell in row] for participant, row in cells.items()}
    if is_difference and _changes(name, numbers.values()):
        changes = {participant: _difference(row) for participant, row in numbers.items()}
        return TableColumn(name, source, changes, is_categorical=False, is_change=True)
    return TableColumn(
        name, source, {participant: _mean(row) for participant, row in numbers.items()}, is_categorical=False
    )


def level_order(values: Iterable[Cell]) -> list[str]:
    """Order the categories of a column: numbers by value, text by letters.

    Parameters
    ----------
    values : iterable of (str, float or None)

    Returns
    -------
    list of str

    Examples
    --------
    >>> level_order(["10", "2", None, "2"])
    ['2', '10']
    """
    levels = {str(value) for value in values if value is not None}
    numbers = {level: parse_number(level) for level in levels}
    if all(number is not None for number in numbers.values()):
        return sorted(levels, key=lambda level: (numbers[level], level))
    return sorted(levels)


def _are_numbers(name: str, by_participant: Mapping[str, Sequence[Cell]]) -> bool:
    """Return whether all cells are numbers; refuse numbers with a few words among them."""
    words = {
        participant: str(cell)
        for participant, row in by_participant.items()
        for cell in row
        if parse_number(cell) is None
    }
    n_cells = sum(map(len, by_participant.values()))
    n_numbers = sum(parse_number(cell) is not None for row in by_participant.values() for cell in row)
    if words and n_numbers > n_cells / 2:
        examples = abbreviate([f"{word!r} (sub-{participant})" for participant, word in words.items()])
        message = (
            f"The column {name} has numbers and text: {examples}. Correct these cells, write n/a for missing "
            f"values, or exclude these participants."
        )
        raise UserError(message)
    return not words


def _common_text(name: str, participant: str, row: Sequence[Cell]) -> str | None:
    """Return the category of a participant, which must not differ between sessions."""
    texts = {f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in row}
    if len(texts) > 1:
        message = (
            f"The column {name} differs between the sessions of sub-{participant}: "
            f"{', '.join(sorted(texts))}. Categories must be equal in all sessions: correct the column, or "
            "remove it from `design` and `covariates`."
        )
        raise UserError(message)
    return texts.pop() if texts else None


def _check_spelling(name: str, values: Iterable[Cell]) -> None:
    """Refuse categories that differ only in case or surrounding spaces."""
    spellings: dict[str, set[str]] = {}
    for value in values:
        if value is not None:
            spellings.setdefault(str(value).strip().lower(), set()).add(str(value))
    for variants in spellings.values():
        if len(variants) > 1:
            message = (
                f"The column {name} has categories that differ only in case or spaces: "
                f"{', '.join(map(repr, sorted(variants)))}. Write them in the same way."
            )
            raise UserError(message)


def _changes(name: str, rows: Iterable[Sequence[float | None]]) -> bool:
    """Return whether a number differs between the sessions of a participant; metrics always do."""
    return name in METRICS_BY_COVARIATE or any(
        None not in row and row[0] != row[1] for row in rows if len(row) > 1
    )


def _difference(row: Sequence[float | None]) -> float | None:
    later_value, earlier_value = row
    return None if later_value is None or earlier_value is None else later_value - earlier_value


def _mean(row: Sequence[float | None]) -> float | None:
    values = [value for value in row if value is not None]
    return sum(values) / len(values) if values else None
