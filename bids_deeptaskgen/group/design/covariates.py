"""Nuisance columns of a design: which are used, and which are dropped and why."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bids_deeptaskgen.bids.column_names import SITE_COLUMNS, find_column
from bids_deeptaskgen.errors import UserError, abbreviate
from bids_deeptaskgen.group.design.columns import ColumnReader
from bids_deeptaskgen.group.design.observations import Cell, DesignRequest
from bids_deeptaskgen.group.design.table import TableColumn

# Name of the category of sites that have one participant each.
_RARE_SITES = "pooled"


@dataclass(frozen=True)
class CovariateChoice:
    """Covariates of a design.

    Attributes
    ----------
    columns : tuple of TableColumn
    notes : tuple of str
        What was dropped, and why.
    """

    columns: tuple[TableColumn, ...]
    notes: tuple[str, ...]


def choose_covariates(
    request: DesignRequest,
    reader: ColumnReader,
    tested: Collection[str],
    participants: Sequence[str],
) -> CovariateChoice:
    """Choose the covariates that have values and vary.

    Parameters
    ----------
    request : DesignRequest
    reader : ColumnReader
    tested : collection of str
        Columns of the observations that are tested, which are no covariates.
    participants : sequence of str
        Participants with a value of all tested columns.

    Returns
    -------
    CovariateChoice

    Raises
    ------
    UserError
        If a covariate that the user named is absent, empty or constant.
    """
    columns, notes = [], []
    for name in request.covariates:
        if request.covariates_are_default and find_column(name, reader.names) is None:
            notes.append(f"The covariate {name} was dropped: there is no such column.")
            continue
        if find_column(name, reader.names) in tested:
            continue
        column = reader.read(name, "covariates")
        problem = _problem(column, participants)
        n_missing = _n_missing(column.values, participants)
        if problem and not request.covariates_are_default:
            message = f"The covariate {name} {problem}. Remove it from `covariates`."
            raise UserError(message)
        if problem:
            notes.append(f"The covariate {name} was dropped: it {problem}.")
        elif n_missing and request.missing_covariates == "drop":
            notes.append(
                f"The covariate {name} was dropped for all participants: {n_missing} of {len(participants)} "
                "have no value."
            )
        else:
            columns.append(column)
    if not request.covariates:
        notes.append(
            "Covariates were switched off: effects may be due to motion, amount of data, image quality or "
            "site."
        )
    return CovariateChoice(tuple(columns), tuple(notes))


def drop_constant_covariates(
    choice: CovariateChoice, participants: Sequence[str], *, are_default: bool
) -> CovariateChoice:
    """Drop covariates that are constant in the participants that remain.

    Parameters
    ----------
    choice : CovariateChoice
    participants : sequence of str
        Participants of the design.
    are_default : bool
        Whether covariates may be dropped; otherwise a constant one is refused.

    Returns
    -------
    CovariateChoice

    Raises
    ------
    UserError
        If a covariate that the user named is constant.
    """
    columns, notes = [], list(choice.notes)
    for column in choice.columns:
        problem = _problem(column, participants)
        if problem and not are_default:
            message = f"The covariate {column.name} {problem}. Remove it from `covariates`."
            raise UserError(message)
        if problem:
            notes.append(f"The covariate {column.name} was dropped: it {problem}.")
        else:
            columns.append(column)
    return CovariateChoice(tuple(columns), tuple(notes))


def pool_rare_sites(
    choice: CovariateChoice, participants: Sequence[str]
) -> tuple[CovariateChoice, dict[str, str]]:
    """Pool the sites with one participant; a single such site costs its participant.

    The indicator of a site with one participant fits that participant's map exactly, so that the participant
    does not contribute to any test.

    Parameters
    ----------
    choice : CovariateChoice
        Default covariates.
    participants : sequence of str
        Participants of the design.

    Returns
    -------
    choice : CovariateChoice
        Sites with one participant are one category if there are several.
    excluded : dict of str to str
        The participant of a single site with one participant, with the reason.
    """
    columns, notes, excluded = list(choice.columns), list(choice.notes), {}
    for number, column in enumerate(columns):
        if not column.is_categorical or column.source.lower() not in SITE_COLUMNS:
            continue
        counts = Counter(str(column.values[name]) for name in participants)
        rare = sorted(site for site, n in counts.items() if n == 1)
        members = [name for name in participants if str(column.values[name]) in rare]
        if len(rare) == 1 and len(counts) > 1:
            notes.append(
                f"sub-{members[0]} is excluded: no other participant has the {column.name} {rare[0]}, so "
                "that the effect of this site cannot be told from that of this participant."
            )
            excluded[members[0]] = f"no other participant has the {column.name} {rare[0]}"
        elif len(rare) > 1:
            notes.append(
                f"{len(rare)} values of {column.name} with one participant each are one category, "
                f"{_RARE_SITES}: {abbreviate(rare)}."
            )
            columns[number] = replace(column, values={**column.values, **dict.fromkeys(members, _RARE_SITES)})
    return CovariateChoice(tuple(columns), tuple(notes)), excluded


def _problem(column: TableColumn, participants: Sequence[str]) -> str:
    """Describe why a column cannot be a covariate; empty if it can."""
    values = {column.values[name] for name in participants} - {None}
    kind = "change between sessions" if column.is_change else "value"
    if not values:
        return f"has no {kind} of any participant"
    if len(values) == 1:
        value = next(iter(values))
        words = f"{value:g}" if isinstance(value, float) else str(value)
        return f"has the same {kind} ({words}) in all participants"
    return ""


def _n_missing(values: Mapping[str, Cell], participants: Sequence[str]) -> int:
    return sum(values[name] is None for name in participants)
