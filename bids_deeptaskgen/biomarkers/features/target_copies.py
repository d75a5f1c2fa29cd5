"""Columns of tables that are the target under another name."""

from collections.abc import Iterator

import numpy as np

from bids_deeptaskgen.biomarkers.problem import Floats, Problem, TableFeatures
from bids_deeptaskgen.errors import InputError, abbreviate, quantity

# A column with a larger absolute correlation is the target, in other units or rounded.
MAX_R = 0.999
# A column with more different values may have one category for each of them by chance.
MAX_CODES = 10
_BLOCK = 512


def refuse_target_copies(problem: Problem, features: TableFeatures) -> None:
    """Refuse a table with a column that determines the target.

    Parameters
    ----------
    problem : Problem
    features : TableFeatures
        Of the participants of the problem.

    Raises
    ------
    InputError
        If the absolute correlation of a column with a continuous target, or with the indicator of a category,
        is above 0.999, or if a column has at most 10 values, each of which occurs in one category only.
    """
    target = problem.target
    codes = target.values if target.levels else None
    copies = [
        name
        for start in range(0, features.n_features, _BLOCK)
        for name, is_copy in zip(
            features.columns[start : start + _BLOCK],
            _are_copies(features.values[:, start : start + _BLOCK], target.columns, codes),
            strict=True,
        )
        if is_copy
    ]
    if copies:
        words = "the column" if len(copies) == 1 else f"{len(copies)} columns"
        verb = "determines" if len(copies) == 1 else "determine"
        message = (
            f"`features` {features.name}: {words} {abbreviate(copies)} {verb} the target {target.name} in "
            f"{quantity(problem.n_participants, 'participant')}: the target under another name.\nRemove "
            f"{'it' if len(copies) == 1 else 'them'} from the table, or {target.name} from `target`."
        )
        raise InputError(message)


def _are_copies(values: np.ndarray, targets: Floats, codes: Floats | None) -> Iterator[bool]:
    """Yield whether columns determine the target."""
    deviations = values - values.mean(axis=0, dtype=np.float64)
    references = targets - targets.mean(axis=0)
    lengths = np.linalg.norm(deviations, axis=0)[:, None] * np.linalg.norm(references, axis=0)
    is_correlated = (np.abs(deviations.T @ references) > MAX_R * lengths).any(axis=1)
    for column, is_copy in zip(values.T, is_correlated.tolist(), strict=True):
        yield is_copy or (codes is not None and _has_codes(column, codes))


def _has_codes(column: np.ndarray, codes: Floats) -> bool:
    """Return whether a column has few values, and one category for each."""
    n_values = len(np.unique(column))
    return n_values <= MAX_CODES and len(np.unique(np.column_stack([column, codes]), axis=0)) == n_values
