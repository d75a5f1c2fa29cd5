"""Design matrix: columns of numbers from terms, and where each comes from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import UserError, abbreviate
from bids_deeptaskgen.group.design.formula import FormulaFactor, Term
from bids_deeptaskgen.group.design.table import TableColumn, level_order

Floats = NDArray[np.float64]
# Columns of a term as formulaic names them, for example c1[T.L2] or poly(r0, 2)[1].
_CODED = re.compile(r"(?P<factor>[^\[]+)(?:\[(?:T\.)?(?P<part>\w+)\])?")


@dataclass(frozen=True)
class ColumnPart:
    """Factor of a column of the design matrix.

    Attributes
    ----------
    factor : FormulaFactor
    level : str or None
        Category whose participants have 1; None for numbers.
    power : int
        Number of the polynomial, else 0.
    """

    factor: FormulaFactor
    level: str | None = None
    power: int = 0

    def __str__(self) -> str:
        """Format the part for the head of a column."""
        if self.level is not None:
            return f"{self.factor.column}[{self.level}]"
        return f"{self.factor}[{self.power}]" if self.power else str(self.factor)


@dataclass(frozen=True)
class CodedColumn:
    """Column of the design matrix.

    Attributes
    ----------
    term : tuple of FormulaFactor
        Empty for the intercept.
    parts : tuple of ColumnPart
    """

    term: Term
    parts: tuple[ColumnPart, ...]

    def __str__(self) -> str:
        """Format the head of the column."""
        return ":".join(map(str, self.parts)) or "intercept"


@dataclass(frozen=True)
class CodedMatrix:
    """Design matrix.

    Attributes
    ----------
    values : array of shape (n_participants, n_columns)
        The intercept is the first column. Numbers are centred unless they are changes between sessions.
    columns : tuple of CodedColumn
    levels : dict of str to tuple of str
        Categories by column; the first is the reference.
    """

    values: Floats
    columns: tuple[CodedColumn, ...]
    levels: Mapping[str, tuple[str, ...]]


def build_matrix(
    terms: Sequence[Term],
    table: Mapping[FormulaFactor, TableColumn],
    participants: Sequence[str],
    *,
    is_difference: bool,
) -> CodedMatrix:
    """Build the design matrix with formulaic.

    Parameters
    ----------
    terms : sequence of terms
    table : dict of FormulaFactor to TableColumn
        Column of each factor.
    participants : sequence of str
        Rows, without missing values.
    is_difference : bool
        Whether the intercept is tested, so that columns of differences between participants are centred.

    Returns
    -------
    CodedMatrix

    Raises
    ------
    UserError
        If a category has one participant, or a function cannot be computed.
    """
    from formulaic import model_matrix  # slow to import

    factors = list(dict.fromkeys(factor for term in terms for factor in term))
    names = {factor: _internal_name(factor, number) for number, factor in enumerate(factors)}
    levels = {
        table[factor].name: tuple(_checked_levels(table[factor], participants))
        for factor in factors
        if table[factor].is_categorical
    }
    data = {
        f"{kind}{number}": values
        for number, factor in enumerate(factors)
        for kind, values in _factor_data(factor, table[factor], participants, levels).items()
    }
    formula = " + ".join(["1", *(":".join(names[factor] for factor in term) for term in terms)])
    coded = model_matrix(formula, _frame(data, len(participants)), context={"log": np.log}, na_action="raise")
    by_name = {name: factor for factor, name in names.items()}
    columns = tuple(_parse_column(str(name), by_name, table, levels) for name in coded.columns)
    values = np.array(coded, np.float64)
    if is_difference:
        values = _centred_traits(values, columns, table)
    return CodedMatrix(values, columns, levels)


def _internal_name(factor: FormulaFactor, number: int) -> str:
    """Name a factor for formulaic: names of users may hold any character."""
    raw = f"r{number}"
    match factor.function:
        case "log":
            return f"center(log({raw}))"
        case "scale":
            return f"scale({raw})"
        case "poly":
            return f"poly({raw}, {factor.degree})"
    return f"c{number}"


def _factor_data(
    factor: FormulaFactor,
    column: TableColumn,
    participants: Sequence[str],
    levels: Mapping[str, tuple[str, ...]],
) -> dict[str, object]:
    """Return the values of a factor: ``c`` for categories or centred numbers, ``r`` for other numbers."""
    import pandas as pd

    cells = [column.values[name] for name in participants]
    if column.is_categorical:
        codes = {level: f"L{number}" for number, level in enumerate(levels[column.name])}
        coded = [codes[str(cell)] for cell in cells]
        return {"c": pd.Categorical(coded, categories=list(codes.values()))}
    numbers = np.array(cells, np.float64)
    if factor.function == "log" and (numbers <= 0).any():
        rows = [f"sub-{name}" for name, number in zip(participants, numbers, strict=True) if number <= 0]
        message = (
            f"`design` has log({column.name}), which needs positive numbers; these participants have 0 or "
            f"less: {abbreviate(rows)}."
        )
        raise UserError(message)
    if factor.function == "poly" and len(np.unique(numbers)) <= factor.degree:
        message = (
            f"`design` has {factor}, which needs more than {factor.degree} different values; {column.name} "
            f"has {len(np.unique(numbers))}."
        )
        raise UserError(message)
    return {"c": numbers if column.is_change else numbers - numbers.mean(), "r": numbers}


def _frame(data: Mapping[str, object], n_rows: int) -> object:
    import pandas as pd

    return pd.DataFrame(data, index=range(n_rows))


def _centred_traits(
    values: Floats, columns: Sequence[CodedColumn], table: Mapping[FormulaFactor, TableColumn]
) -> Floats:
    """Remove the mean of columns of what does not change between sessions."""
    centred = values.copy()
    for number, column in enumerate(columns):
        if column.parts and not any(table[part.factor].is_change for part in column.parts):
            centred[:, number] -= values[:, number].mean()
    return centred


def _checked_levels(column: TableColumn, participants: Sequence[str]) -> list[str]:
    """Return the categories that participants have; refuse one with a single participant."""
    cells = [column.values[name] for name in participants]
    levels = level_order(cells)
    rare = [level for level in levels if cells.count(level) == 1]
    if len(levels) > 1 and rare:
        message = (
            f"The column {column.name} has categories with one participant: {abbreviate(rare)}. The effect "
            "of such a category cannot be told from that participant. Exclude the participant, join the "
            f"category with another, or remove {column.name} from `design` or `covariates`; if it is a "
            "number, correct cells that are not numbers."
        )
        raise UserError(message)
    return levels


def _parse_column(
    name: str,
    by_name: Mapping[str, FormulaFactor],
    table: Mapping[FormulaFactor, TableColumn],
    levels: Mapping[str, tuple[str, ...]],
) -> CodedColumn:
    """Translate the name of a column of formulaic."""
    if name == "Intercept":
        return CodedColumn((), ())
    parts = []
    for words in name.split(":"):
        match = _CODED.fullmatch(words)
        if match is None:
            message = f"formulaic returned a column of unexpected name: {name}."
            raise ValueError(message)
        factor = by_name[match["factor"]]
        column = table[factor]
        if column.is_categorical:
            parts.append(ColumnPart(factor, levels[column.name][int(match["part"][1:])]))
        else:
            parts.append(ColumnPart(factor, power=int(match["part"] or 0)))
    return CodedColumn(tuple(part.factor for part in parts), tuple(parts))
