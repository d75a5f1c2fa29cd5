"""Columns of a design by participant, from the observations of their sessions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bids_deeptaskgen.bids.column_names import METRICS_BY_COVARIATE, SUMMED_METRICS
from bids_deeptaskgen.errors import UserError, abbreviate
from bids_deeptaskgen.group.design.observations import (
    Cell,
    Observation,
    is_missing,
    parse_number,
)


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


def table_column(
    name: str,
    source: str,
    sessions: Mapping[str, Sequence[Observation]],
    *,
    is_categorical: bool,
    is_difference: bool,
) -> TableColumn:
    """Reduce a column of sessions to one value per participant: minutes are summed, other numbers averaged.

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
    if is_difference and _changes(source, numbers.values()):
        changes = {participant: _difference(row) for participant, row in numbers.items()}
        return TableColumn(name, source, changes, is_categorical=False, is_change=True)
    reduce = _sum if source in SUMMED_METRICS else _mean
    return TableColumn(
        name, source, {participant: reduce(row) for participant, row in numbers.items()}, is_categorical=False
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
            f"values, exclude these participants, or write C({name}) in `design` if all cells are codes."
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


def _changes(source: str, rows: Iterable[Sequence[float | None]]) -> bool:
    """Return whether a number differs between the sessions of a participant; metrics always do."""
    return source in METRICS_BY_COVARIATE.values() or any(
        None not in row and row[0] != row[1] for row in rows if len(row) > 1
    )


def _difference(row: Sequence[float | None]) -> float | None:
    later_value, earlier_value = row
    return None if later_value is None or earlier_value is None else later_value - earlier_value


def _sum(row: Sequence[float | None]) -> float | None:
    values = [value for value in row if value is not None]
    # The sum over some of the sessions would be too small.
    return sum(values) if values and len(values) == len(row) else None


def _mean(row: Sequence[float | None]) -> float | None:
    values = [value for value in row if value is not None]
    return sum(values) / len(values) if values else None
