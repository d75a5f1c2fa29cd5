"""Rows of participants: sessions and runs of a source, and their mean."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import same_label
from bids_deeptaskgen.bids.participant_ids import bare_label
from bids_deeptaskgen.errors import InputError, quantity
from bids_deeptaskgen.io.text_table import is_missing

# Rows of each session of a participant.
Sessions = tuple[tuple[int, ...], ...]


class RowLabels(NamedTuple):
    """Participant, session and run of a row, without ``sub-`` and ``ses-``; None for labels that it lacks."""

    participant: str
    session: str | None = None
    run: str | None = None


def parse_labels(participant: str, session: str | None, run: str | None) -> RowLabels:
    """Parse the labels of a row of a table.

    Parameters
    ----------
    participant : str
        With or without ``sub-``.
    session, run : str or None
        With or without ``ses-`` and ``run-``; None or a spelling of a missing value without such a label.

    Returns
    -------
    RowLabels

    Examples
    --------
    >>> parse_labels("sub-01", "ses-2", "n/a")
    RowLabels(participant='01', session='2', run=None)
    """

    def parse(cell: str | None, prefix: str) -> str | None:
        return None if cell is None or is_missing(cell) else cell.strip().removeprefix(prefix)

    return RowLabels(bare_label(participant), parse(session, "ses-"), parse(run, "run-"))


@dataclass(frozen=True)
class RowGroups:
    """Rows of each participant, grouped by session.

    Attributes
    ----------
    sessions : dict of str to tuple of tuple of int
        Numbers of the rows of each session (its runs), by participant.
    reasons : dict of str to str
        Why other participants have no rows.
    has_sessions : bool
        Whether any row has a session.
    """

    sessions: Mapping[str, Sessions]
    reasons: Mapping[str, str]
    has_sessions: bool

    @property
    def participants(self) -> tuple[str, ...]:
        """Return the labels of all participants, with and without rows."""
        return (*self.sessions, *self.reasons)

    def restrict(self, participants: Sequence[str]) -> "RowGroups":
        """Return the rows of some participants.

        Parameters
        ----------
        participants : sequence of str
            Labels in the order of the result.

        Returns
        -------
        RowGroups
        """
        sessions = {label: self.sessions[label] for label in participants if label in self.sessions}
        reasons = {label: self.reasons[label] for label in participants if label in self.reasons}
        return RowGroups(sessions, reasons, self.has_sessions)

    def notes(self, session: str | None) -> tuple[str, ...]:
        """Describe which rows are averaged, for the page.

        Parameters
        ----------
        session : str or None
            Session that was requested.

        Returns
        -------
        tuple of str
        """
        notes = []
        if session is not None and not self.has_sessions:
            notes.append("the source has no sessions, so it is used without regard to `session_label`")
        n_rows = [sum(map(len, rows)) for rows in self.sessions.values()]
        n_repeated = sum(n > 1 for n in n_rows)
        if n_repeated:
            verb = "has" if n_repeated == 1 else "have"
            notes.append(
                f"{quantity(n_repeated, 'participant')} of {len(n_rows):,} {verb} several sessions or runs "
                f"(up to {max(n_rows)}), of which the mean is used: over runs, then over sessions"
            )
        return tuple(notes)


def group_rows(labels: Sequence[RowLabels], session: str | None = None) -> RowGroups:
    """Group rows by participant and session.

    Parameters
    ----------
    labels : sequence of RowLabels
    session : str or None
        Session to use, if the rows have sessions; None for all.

    Returns
    -------
    RowGroups

    Examples
    --------
    >>> rows = [RowLabels("01", "1"), RowLabels("01", "2"), RowLabels("02", "1")]
    >>> group_rows(rows).sessions
    {'01': ((0,), (1,)), '02': ((2,),)}
    >>> group_rows(rows, "02").reasons
    {'02': 'no session 02'}
    """
    has_sessions = any(row.session is not None for row in labels)
    groups: dict[str, dict[str | None, list[int]]] = {row.participant: {} for row in labels}
    for number, row in enumerate(labels):
        is_selected = row.session is not None and session is not None and same_label(row.session, session)
        if session is None or not has_sessions or is_selected:
            groups[row.participant].setdefault(row.session, []).append(number)
    sessions = {
        participant: tuple(map(tuple, by_session.values()))
        for participant, by_session in groups.items()
        if by_session
    }
    reasons = {label: f"no session {session}" for label in groups if label not in sessions}
    return RowGroups(sessions, reasons, has_sessions)


def remove_repeats(
    groups: RowGroups, labels: Sequence[RowLabels], values: NDArray[np.floating], table: Path
) -> RowGroups:
    """Remove repeated rows, and refuse those that differ: their mean would hide a fault of the table.

    Parameters
    ----------
    groups : RowGroups
    labels : sequence of RowLabels
        Of all rows of the table.
    values : array of shape (n_rows, n_columns)
    table : Path
        For the message.

    Returns
    -------
    RowGroups
        One row for each participant, session and run.

    Raises
    ------
    InputError
        If rows of the same participant, session and run differ.
    """
    sessions = {}
    for participant, groups_of_rows in groups.sessions.items():
        by_labels: dict[RowLabels, list[int]] = {}
        for row in (row for rows in groups_of_rows for row in rows):
            by_labels.setdefault(labels[row], []).append(row)
        for row_labels, rows in by_labels.items():
            if any(not np.array_equal(values[rows[0]], values[row], equal_nan=True) for row in rows[1:]):
                place = "".join(
                    f" {prefix}-{label}"
                    for prefix, label in zip(("sub", "ses", "run"), row_labels, strict=True)
                    if label is not None
                )
                message = (
                    f"{table}:{place} has {len(rows)} rows with different values.\nKeep one row, or add a "
                    "column session_id or run with the session or the run of each."
                )
                raise InputError(message)
        unique = {rows[0] for rows in by_labels.values()}
        sessions[participant] = tuple(tuple(row for row in rows if row in unique) for rows in groups_of_rows)
    return RowGroups(sessions, groups.reasons, groups.has_sessions)


def select_rows(sessions: Sessions, is_usable: NDArray[np.bool_]) -> Sessions:
    """Select the usable rows of a participant.

    Parameters
    ----------
    sessions : tuple of tuple of int
    is_usable : boolean array of shape (n_rows,)

    Returns
    -------
    tuple of tuple of int
        Without empty sessions.
    """
    selection = (tuple(row for row in rows if is_usable[row]) for rows in sessions)
    return tuple(rows for rows in selection if rows)


def average_sessions(values: NDArray[np.floating], sessions: Sessions) -> NDArray[np.floating]:
    """Average the rows of a participant over runs, then over sessions.

    Parameters
    ----------
    values : array of shape (n_rows, n_columns)
        Rows of all sessions in order.
    sessions : tuple of tuple of int
        Of which only the numbers of rows are used.

    Returns
    -------
    array of shape (n_columns,)
        Means over the rows that have a value; NaN in columns in which none has.

    Examples
    --------
    >>> values = np.array([[1.0, 2.0], [3.0, np.nan], [8.0, np.nan]])
    >>> average_sessions(values, ((0, 1), (2,)))
    array([5., 2.])
    """
    if len(values) == 1:
        return np.asarray(values[0])
    ends = np.cumsum([len(rows) for rows in sessions])
    means = [_mean(values[end - len(rows) : end]) for end, rows in zip(ends, sessions, strict=True)]
    return means[0] if len(means) == 1 else _mean(np.stack(means))


def average_participants(values: NDArray[np.floating], groups: Iterable[Sessions]) -> NDArray[np.floating]:
    """Average the rows of several participants.

    Parameters
    ----------
    values : array of shape (n_rows, n_columns)
        Rows in the order of `groups`.
    groups : iterable of tuple of tuple of int
        Rows of each participant.

    Returns
    -------
    array of shape (n_participants, n_columns)
        See `average_sessions`; `values` itself if each participant has one row.
    """
    groups = list(groups)
    if len(groups) == len(values):
        return values
    means = np.empty((len(groups), values.shape[1]), values.dtype)
    start = 0
    for mean, sessions in zip(means, groups, strict=True):
        stop = start + sum(map(len, sessions))
        mean[:] = average_sessions(values[start:stop], sessions)
        start = stop
    return means


def _mean(values: NDArray[np.floating]) -> NDArray[np.floating]:
    if len(values) == 1:
        return np.asarray(values[0])
    is_valid = ~np.isnan(values)
    counts = is_valid.sum(axis=0)
    total = np.where(is_valid, values, 0).sum(axis=0)
    return np.where(counts, total / np.maximum(counts, 1), np.nan).astype(values.dtype)
