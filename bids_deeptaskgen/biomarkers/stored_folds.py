"""Reader of stored fold numbers."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bids_deeptaskgen.bids.participants_table import read_rows
from bids_deeptaskgen.biomarkers.problem import Integers
from bids_deeptaskgen.errors import InputError, abbreviate, quantity
from bids_deeptaskgen.io.text_table import is_missing, is_number

logger = logging.getLogger("bids_deeptaskgen")

_FOLD_COLUMN = re.compile(r"(?i)(repeat|fold|split)[_-]?(\d*)")


def read_fold_numbers(path: Path, participants: Sequence[str]) -> dict[str, Integers]:
    """Read the fold numbers of participants from a table.

    Parameters
    ----------
    path : Path
        TSV with a column ``participant_id`` and one or more columns ``repeat1`` ..., ``fold`` or ``split``;
        other columns are ignored.
    participants : sequence of str
        Labels without ``sub-``, in any spelling; the log counts other participants of the table.

    Returns
    -------
    dict of str to integer array of shape (n_participants,)
        Numbers as in the table, by column.

    Raises
    ------
    InputError
        If the table cannot be read, has no such column or fewer than two folds, its columns have different
        numbers of folds, a participant has no fold or several, or a fold is not a whole number.
    """
    table = read_rows(path)
    columns = _fold_columns(path, table.columns)
    rows = table.match(participants)
    absent_labels = [f"sub-{label}" for label in participants if label not in rows]
    if absent_labels:
        message = (
            f"{path}: {len(absent_labels)} of the {len(participants)} participants have no row: "
            f"{abbreviate(absent_labels)}.\nAdd their folds, or exclude them (`exclude_participant_label`)."
        )
        raise InputError(message)
    n_others = len(table.rows) - len(rows)
    if n_others:
        logger.info("%s: %d participants are not analysed, and are ignored.", path, n_others)
    folds = {
        column: np.array([_number(path, column, label, rows[label]) for label in participants], np.intp)
        for column in columns
    }
    _check_counts(path, {column: len(np.unique(numbers)) for column, numbers in folds.items()})
    return folds


def _fold_columns(path: Path, names: Sequence[str]) -> list[str]:
    matches = [match for name in names if (match := _FOLD_COLUMN.fullmatch(name.strip()))]
    if not matches:
        message = (
            f"{path}: has no column of folds (columns: {abbreviate(list(names)) or 'none'}).\n"
            "Name the columns repeat1, repeat2 ..., or fold."
        )
        raise InputError(message)
    return [match.string for match in sorted(matches, key=lambda match: int(match[2] or 0))]


def _number(path: Path, column: str, label: str, rows: Sequence[dict[str, str]]) -> int:
    cells = list(dict.fromkeys(row[column] for row in rows))
    if len(cells) > 1:
        message = (
            f"{path}: sub-{label} is in several folds of the column {column} ({abbreviate(cells)}).\n"
            "Keep one row per participant."
        )
        raise InputError(message)
    if is_missing(cells[0]):
        message = (
            f"{path}: sub-{label} has no fold in the column {column}.\nAdd the number of the fold, or "
            "exclude the participant (`exclude_participant_label`)."
        )
        raise InputError(message)
    # Spreadsheets and pandas write whole numbers as 1.0.
    if not is_number(cells[0]) or not float(cells[0]).is_integer():
        message = (
            f"{path}: the fold of sub-{label} in the column {column} is {cells[0]!r}, not a whole number.\n"
            "Number the folds 1, 2, ..."
        )
        raise InputError(message)
    return int(float(cells[0]))


def _check_counts(path: Path, counts: dict[str, int]) -> None:
    column, count = min(counts.items(), key=lambda item: item[1])
    if count < 2:
        message = (
            f"{path}: the column {column} has one fold for the participants of the analysis.\nGive each of "
            "at least two folds a number."
        )
        raise InputError(message)
    if len(set(counts.values())) > 1:
        numbers = ", ".join(f"{name} {quantity(count, 'fold')}" for name, count in counts.items())
        message = f"{path}: repeats have different numbers of folds: {numbers}.\nUse the same number in each."
        raise InputError(message)
