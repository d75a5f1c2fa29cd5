"""Values of columns: one number or one category per participant."""

import logging
import math
import re
from collections.abc import Iterable, Sequence

import numpy as np

from bids_deeptaskgen.bids.column_names import SITE_COLUMNS, SUMMED_METRICS
from bids_deeptaskgen.biomarkers.cohort.columns import Column
from bids_deeptaskgen.biomarkers.problem import Floats, Integers
from bids_deeptaskgen.errors import InputError, abbreviate, quantity
from bids_deeptaskgen.io.text_table import is_number

logger = logging.getLogger("bids_deeptaskgen")

_INFINITE = re.compile(r"(?i)[+-]?inf(inity)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
# float64 holds larger whole numbers inexactly, so that two of them may be one number.
_MAX_EXACT = 2.0**53


def are_categories(column: Column, participants: Sequence[str], *, is_declared: bool) -> bool:
    """Return whether the values of a column are categories.

    Sites, text, columns that the user declares, and columns whose sidecar declares the codes of the values
    are categories. A sidecar that declares a few codes among many numbers, such as those of missing values,
    does not make a column categorical.

    Parameters
    ----------
    column : Column
    participants : sequence of str
        Participants whose values count.
    is_declared : bool
        Whether the user declares the column categorical.

    Returns
    -------
    bool

    Raises
    ------
    InputError
        If numbers and text are mixed, or a number is infinite.
    """
    if is_declared or column.source.lower() in SITE_COLUMNS:
        return True
    values = {normalise(cell) for _, cell in column.pairs(participants)}
    declared_codes = values & {normalise(code) for code in column.levels}
    if declared_codes and len(declared_codes) >= len(values - declared_codes):
        return True
    _refuse_infinite(column, participants)
    words = {(label, cell) for label, cell in column.pairs(participants) if not is_number(cell)}
    numbers = {(label, cell) for label, cell in column.pairs(participants) if is_number(cell)}
    if words and numbers:
        _refuse_mixture(column, sorted(words), sorted(numbers))
    if declared_codes:
        logger.warning(
            "%s: %s is declared as a category in the sidecar, but %d other values are numbers, so all values "
            "are read as numbers. Write n/a for missing values.",
            column, abbreviate(order_levels(declared_codes)), len(values - declared_codes),
        )  # fmt: skip
    return bool(words)


def normalise(cell: str) -> str:
    """Write equal numbers in one way, such as 1 for ``01`` and ``1.0``; text is not changed.

    Parameters
    ----------
    cell : str

    Returns
    -------
    str

    Examples
    --------
    >>> normalise("1.0"), normalise("01"), normalise("2.50"), normalise("F")
    ('1', '1', '2.5', 'F')
    """
    if not is_number(cell) or not abs(float(cell)) < _MAX_EXACT:
        return cell
    number = float(cell)
    return str(int(number)) if number.is_integer() else repr(number)


def order_levels(levels: Iterable[str]) -> list[str]:
    """Order categories: numbers by value, text by letters.

    Parameters
    ----------
    levels : iterable of str

    Returns
    -------
    list of str

    Examples
    --------
    >>> order_levels(["10", "2"]), order_levels(["b", "10", "2"])
    (['2', '10'], ['10', '2', 'b'])
    """
    levels = list(levels)
    if all(map(is_number, levels)):
        return sorted(levels, key=lambda level: (float(level), level))
    return sorted(levels)


def read_numbers(column: Column, participants: Sequence[str]) -> Floats:
    """Average the values of each participant over runs, then over sessions.

    Parameters
    ----------
    column : Column
        With numbers only, see `are_categories`; minutes of data are added instead.
    participants : sequence of str
        Participants with a value.

    Returns
    -------
    float64 array of shape (n_participants,)
    """
    reduce = np.sum if column.source in SUMMED_METRICS else np.mean
    numbers = np.array(
        [
            reduce([reduce([float(cell) for cell in session]) for session in column.cells[participant]])
            for participant in participants
        ],
        np.float64,
    )
    negative = set(numbers[numbers < 0].tolist())
    if len(negative) == 1 and len(numbers) > 1:
        n_negative = int((numbers < 0).sum())
        logger.warning(
            "%s: %d of %d participants have %g, and all others 0 or more. If this is the code of a missing "
            "value, write n/a.",
            column, n_negative, len(numbers), negative.pop(),
        )  # fmt: skip
    return numbers


def read_categories(column: Column, participants: Sequence[str]) -> tuple[Integers, tuple[str, ...]]:
    """Read the category of each participant.

    Parameters
    ----------
    column : Column
    participants : sequence of str
        Participants with a value.

    Returns
    -------
    codes : integer array of shape (n_participants,)
        Number of the category.
    levels : tuple of str
        Categories of these participants, in order.

    Raises
    ------
    InputError
        If categories differ between the rows of a participant, or in letter case only.
    """
    texts = []
    for participant in participants:
        values = {normalise(cell) for _, cell in column.pairs([participant])}
        if len(values) > 1:
            message = (
                f"{column} differs between the rows of sub-{participant}: "
                f"{abbreviate(order_levels(values))}.\nA category must be the same in all sessions: correct "
                "the rows, or select a session with `session_label`."
            )
            raise InputError(message)
        texts.append(values.pop())
    levels = order_levels(set(texts))
    _refuse_spellings(column, levels)
    numbers = {level: number for number, level in enumerate(levels)}
    return np.array([numbers[text] for text in texts], np.intp), tuple(levels)


def _refuse_infinite(column: Column, participants: Sequence[str]) -> None:
    infinite = [
        f"{cell!r} (sub-{label})"
        for label, cell in column.pairs(participants)
        if _INFINITE.fullmatch(cell) or (is_number(cell) and math.isinf(float(cell)))
    ]
    if infinite:
        n_cells = quantity(len(infinite), "cell")
        message = (
            f"{column} is infinite in {n_cells}: {abbreviate(infinite)}.\nCorrect them, or write n/a for a "
            "missing value."
        )
        raise InputError(message)


def _refuse_mixture(
    column: Column, words: Sequence[tuple[str, str]], numbers: Sequence[tuple[str, str]]
) -> None:
    """Refuse text among numbers; the rarer kind is listed."""
    n_values = len({label for label, _ in (*words, *numbers)})
    is_text = len(words) <= len(numbers)
    rare = words if is_text else numbers
    n_rare = len({label for label, _ in rare})
    examples = abbreviate([f"{cell!r} (sub-{label})" for label, cell in rare])
    problem = "has text where numbers are needed" if is_text else "has numbers among text"
    comma = any(_DECIMAL_COMMA.fullmatch(cell) for _, cell in rare)
    hint = " Write decimal points instead of commas." if comma else ""
    message = (
        f"{column} {problem}, for {n_rare} of {n_values} participants: {examples}.\nCorrect these cells, "
        f"write n/a for missing values, or name {column.name} in `categorical` if all values are "
        f"categories.{hint}"
    )
    raise InputError(message)


def _refuse_spellings(column: Column, levels: Sequence[str]) -> None:
    """Refuse categories that differ in letter case only."""
    spellings: dict[str, list[str]] = {}
    for level in levels:
        spellings.setdefault(level.casefold(), []).append(level)
    variants = next((group for group in spellings.values() if len(group) > 1), None)
    if variants:
        message = (
            f"{column} has {' and '.join(map(repr, variants))}, which differ in letter case only.\nWrite one "
            "category in one way."
        )
        raise InputError(message)
