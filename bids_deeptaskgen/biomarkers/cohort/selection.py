"""Cohort: participants that are selected, have all features, and have a row in a table."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bids_deeptaskgen.bids.participant_ids import align_labels, bare_label, match_labels
from bids_deeptaskgen.bids.participants_table import ParticipantRows
from bids_deeptaskgen.bids.selection import remaining_labels
from bids_deeptaskgen.biomarkers.cohort.columns import Column, Table, read_column, read_tables
from bids_deeptaskgen.biomarkers.cohort.exclusions import ALL_TARGETS, NOT_SELECTED, Exclusion, exclude
from bids_deeptaskgen.biomarkers.problem import Integers
from bids_deeptaskgen.errors import InputError, UserError, abbreviate
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings

logger = logging.getLogger("bids_deeptaskgen")

_Reasons = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Cohort:
    """Participants that may be analysed, and their tables.

    Attributes
    ----------
    participants : tuple of str
        Sorted labels without ``sub-``: selected participants with all features and a row in a table.
    tables : tuple of Table
        In order of precedence; rows of `participants` only.
    rows : dict of str to dict of str to int
        Row of each participant in the features, by name of the features.
    exclusions : tuple of Exclusion
        Participants that are excluded from all targets.
    session : str or None
        Label of the session whose rows are read.
    """

    participants: tuple[str, ...]
    tables: tuple[Table, ...]
    rows: Mapping[str, Mapping[str, int]]
    exclusions: tuple[Exclusion, ...] = ()
    session: str | None = None
    _columns: dict[tuple[str, str], Column] = field(default_factory=dict, repr=False, compare=False)

    def feature_rows(self, name: str, participants: Sequence[str]) -> Integers:
        """Return the rows of participants in the features of a name.

        Parameters
        ----------
        name : str
            Name of the features.
        participants : sequence of str
            Such as those of a problem.

        Returns
        -------
        integer array of shape (n_participants,)
            Positions in the labels that `gather_cohort` was given, whatever their spelling.
        """
        rows = self.rows[name]
        return np.array([rows[participant] for participant in participants], np.intp)

    def column(self, name: str, parameter: str, role: str) -> Column:
        """Read a column, see `columns.read_column`.

        Parameters
        ----------
        name : str
        parameter : str
            Setting that has the name.
        role : str
            Word for messages.

        Returns
        -------
        Column
            The same one at each call, so that its warnings occur once.
        """
        if (name, role) not in self._columns:
            self._columns[name, role] = read_column(name, self.tables, self.session, parameter, role)
        return self._columns[name, role]


def gather_cohort(
    settings: BiomarkersSettings,
    labels: Mapping[str, Sequence[str]],
    sources: Sequence[ParticipantRows] = (),
    reasons: _Reasons | None = None,
) -> Cohort:
    """Find the participants that may be analysed.

    Parameters
    ----------
    settings : BiomarkersSettings
    labels : dict of str to sequence of str
        Labels of the rows of each feature set (`Features.participants`), by name. Sources may spell a
        participant differently (``1``, ``01``, ``sub-01``); the first spelling is that of the cohort.
    sources : sequence of ParticipantRows
        Tables that belong to the sources of features; `phenotype` and `participants_tsv` take precedence.
    reasons : dict of str to dict of str to str, optional
        Why participants have no features, by name of the features and label.

    Returns
    -------
    Cohort

    Raises
    ------
    UserError
        If a table does not exist, or the selection has no participant.
    InputError
        If a table cannot be read, labels are ambiguous, or no participant has all features and a row.
    """
    rows: dict[str, dict[str, int]] = {}
    spellings: dict[str, None] = {}
    for name, rows_of_source in labels.items():
        aligned = _align(rows_of_source, spellings, f"features {name}")
        rows[name] = {aligned[label]: number for number, label in enumerate(rows_of_source)}
        if len(rows[name]) < len(rows_of_source):
            _refuse_repeats(name, [aligned[label] for label in rows_of_source])
    explained = {}
    for name, by_label in (reasons or {}).items():
        aligned = _align(by_label, spellings, f"features {name}")
        explained[name] = {aligned[label]: words for label, words in by_label.items()}
    with_row: set[str] = set()
    tables = []
    for source in read_tables(settings, sources):
        aligned = _align(source.rows, spellings, source.path)
        with_row |= set(aligned.values())
        tables.append((source, {aligned[label]: entries for label, entries in source.rows.items()}))
    selected = _select(settings, spellings)
    participants, exclusions = _exclude(sorted(spellings), selected, rows, explained, with_row)
    if not participants:
        _refuse_empty(rows, selected, [source for source, _ in tables])
    members = set(participants)
    joined_tables = [
        Table(source.path, source.columns, {key: value for key, value in by_label.items() if key in members})
        for source, by_label in tables
    ]
    return Cohort(participants, tuple(joined_tables), rows, exclusions, settings.session_label)


def _align(labels: Collection[str], spellings: dict[str, None], source: object) -> dict[str, str]:
    """Map labels to the spelling of the cohort, and add those without a match to it."""
    bare = {label: bare_label(label) for label in labels}
    aligned = align_labels(bare.values(), spellings, source)
    spellings |= dict.fromkeys(aligned.values())
    return {label: aligned[bare[label]] for label in labels}


def _refuse_repeats(name: str, labels: Sequence[str]) -> None:
    repeats = sorted(f"sub-{label}" for label, n in Counter(labels).items() if n > 1)
    message = f"Features {name}: several rows belong to {abbreviate(repeats)}. Keep one row per participant."
    raise InputError(message)


def _select(settings: BiomarkersSettings, spellings: Collection[str]) -> set[str]:
    """Apply `participant_label` and `exclude_participant_label`."""
    selected = set(spellings)
    if settings.participant_label:
        matches = match_labels(settings.participant_label, spellings, "`participant_label`")
        unmatched = [f"sub-{label}" for label in settings.participant_label if label not in matches]
        if not matches:
            message = (
                f"None of the participants of `participant_label` ({abbreviate(unmatched)}) has features or "
                f"a row in a table. Labels there: {abbreviate(sorted(spellings))}."
            )
            raise UserError(message)
        if unmatched:
            logger.warning(
                "`participant_label`: %d participants have neither features nor a row in a table: %s.",
                len(unmatched), abbreviate(unmatched),
            )  # fmt: skip
        selected = set(matches.values())
    excluded = settings.exclude_participant_label
    matches = match_labels(excluded, spellings, "`exclude_participant_label`")
    return remaining_labels(selected, [matches.get(label, label) for label in excluded])


def _exclude(
    candidates: Sequence[str],
    selected: Collection[str],
    rows: Mapping[str, Mapping[str, int]],
    reasons: _Reasons,
    with_row: Collection[str],
) -> tuple[tuple[str, ...], tuple[Exclusion, ...]]:
    """Exclude participants from all targets, with the first reason that applies."""
    # Words for the summary, reason, participants that remain, and the reasons of single participants.
    steps: list[tuple[str, str, Collection[str], Mapping[str, str]]] = [
        (NOT_SELECTED, "not selected", selected, {})
    ]
    if len(rows) > 1:
        steps.append(("without features", "no features", set().union(*rows.values()), {}))
    for name, of_source in rows.items():
        texts = {
            label: f"no features of {name}: {text}" for label, text in reasons.get(name, {}).items() if text
        }
        steps.append((f"without features of {name}", f"no features of {name}", of_source, texts))
    steps.append(("without a row in a table", "no row in a table of participants", with_row, {}))
    exclusions: list[Exclusion] = []
    remaining = tuple(candidates)
    for group, reason, members, words in steps:
        absent_labels = {label: words.get(label, reason) for label in remaining if label not in members}
        remaining, excluded = exclude(ALL_TARGETS, remaining, group, absent_labels.get)
        exclusions += excluded
    return remaining, tuple(sorted(exclusions, key=lambda entry: entry.participant))


def _refuse_empty(
    rows: Mapping[str, Mapping[str, int]], selected: Collection[str], tables: Sequence[ParticipantRows]
) -> None:
    """Explain why no participant remains."""
    counts = ", ".join(f"{len(set(labels) & set(selected))} with {name}" for name, labels in rows.items())
    n_common = len(set(selected).intersection(*rows.values()))
    if n_common:
        paths = " and ".join(str(table.path) for table in tables)
        message = (
            f"{paths}: has no row of any of the {n_common} participants with features.\nWrite the labels in "
            "its column participant_id as in the features."
        )
    else:
        message = (
            f"No selected participant has all features: {counts}, and none with all of them.\nCheck that the "
            "labels of `features` belong to the same participants."
        )
    raise InputError(message)
