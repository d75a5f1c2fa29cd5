"""Nuisance columns of a design: which are used, and which are dropped and why."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.group.design.columns import ColumnReader, find_column
from bids_deeptaskgen.group.design.observations import Cell, DesignRequest
from bids_deeptaskgen.group.design.table import TableColumn


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
