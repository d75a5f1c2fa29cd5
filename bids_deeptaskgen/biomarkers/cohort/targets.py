"""Targets: numbers or categories of the participants of an analysis."""

import logging
from collections.abc import Sequence

import numpy as np

from bids_deeptaskgen.biomarkers.cohort.columns import Column
from bids_deeptaskgen.biomarkers.cohort.values import (
    are_categories,
    normalise,
    order_levels,
    read_categories,
    read_numbers,
)
from bids_deeptaskgen.biomarkers.problem import Target
from bids_deeptaskgen.errors import InputError, abbreviate

logger = logging.getLogger("bids_deeptaskgen")

MAX_LEVELS = 10


def read_target(column: Column, participants: Sequence[str], *, is_declared: bool = False) -> Target:
    """Read a target.

    Numbers are continuous, unless they have two values, the user declares them categorical, or a JSON sidecar
    declares their codes. Text is categorical.

    Parameters
    ----------
    column : Column
    participants : sequence of str
        Participants of the analysis, all with a value.
    is_declared : bool
        Whether the user declares the column categorical.

    Returns
    -------
    Target

    Raises
    ------
    InputError
        If the target has one value or more than 10 categories, mixes numbers and text, is infinite, or has
        categories that differ in letter case only or between the sessions of a participant.
    """
    is_categorical = are_categories(column, participants, is_declared=is_declared)
    n_values = len({float(cell) for _, cell in column.pairs(participants)}) if not is_categorical else 0
    if is_categorical or n_values <= 2:
        codes, levels = read_categories(column, participants)
        _check_levels(column, levels, len(participants), is_declared=is_declared)
        return Target(column.name, "categorical", codes.astype(np.float64), levels)
    numbers = read_numbers(column, participants)
    if len(set(numbers.tolist())) == 1:
        _refuse_constant(column, f"{numbers[0]:g}", len(participants))
    _warn_of_codes(column, participants)
    return Target(column.name, "continuous", numbers)


def _warn_of_codes(column: Column, participants: Sequence[str]) -> None:
    """Warn of a few whole numbers, which may be codes of categories, such as diagnoses."""
    values = {normalise(cell) for _, cell in column.pairs(participants)}
    if len(values) <= MAX_LEVELS and all(float(value).is_integer() for value in values):
        logger.warning(
            "%s has %d different values (%s), which are taken as numbers. If they are codes, name it in "
            "`categorical`; if one of them is the code of a missing value, write n/a.",
            column, len(values), ", ".join(order_levels(values)),
        )  # fmt: skip


def _check_levels(column: Column, levels: Sequence[str], n_participants: int, *, is_declared: bool) -> None:
    """Refuse targets of one category and of many."""
    if len(levels) == 1:
        _refuse_constant(column, levels[0], n_participants)
    if len(levels) > MAX_LEVELS:
        advice = "Name another column in `target`, or merge categories in a new column."
        if is_declared:
            advice = (
                "Remove it from `categorical` if its values are numbers, or merge categories in a new column."
            )
        message = (
            f"{column} has {len(levels)} categories ({abbreviate(levels)}), and at most {MAX_LEVELS} are "
            f"possible.\n{advice}"
        )
        raise InputError(message)


def _refuse_constant(column: Column, value: str, n_participants: int) -> None:
    words = f" Cells with {column.missing_words[0]!r} are missing values." if column.missing_words else ""
    message = (
        f"{column} has one value, {value}, in all {n_participants} participants of the analysis, so there is "
        f"nothing to predict.{words}\nRemove it from `target`, or include participants with other values."
    )
    raise InputError(message)
