"""Design of the confounds: ones, standardised numbers, and indicators of all categories.

The indicators of a confound add up to one. Regression of smallest norm (`stats.confound_regression`) does not
depend on which of them are there, except for a category that no training participant has, such as a site that
is left out. Without the indicator of the first category, this site would be predicted as if it were the first
by name; with all indicators, it is predicted as a mean over sites.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from bids_deeptaskgen.biomarkers.cohort.columns import Column
from bids_deeptaskgen.biomarkers.cohort.values import are_categories, read_categories, read_numbers
from bids_deeptaskgen.biomarkers.problem import Floats, Target
from bids_deeptaskgen.errors import InputError, abbreviate

logger = logging.getLogger("bids_deeptaskgen")

MAX_LEVELS = 50
# So few whole numbers may be codes of categories; two are the same as an indicator.
_CODES = range(3, 11)
# Indicators of smaller groups, and more columns, fit the training participants by chance.
MIN_PARTICIPANTS_PER_LEVEL = 5
MIN_PARTICIPANTS_PER_COLUMN = 4
# A target whose share of variance on the confounds is larger is a confound under another name.
MAX_R2 = 0.999
# Columns of unit length that add up to less are dependent up to rounding: half of the digits of float64.
_ROUNDING = float(np.sqrt(np.finfo(np.float64).eps))


@dataclass(frozen=True)
class Design:
    """Design of the confounds.

    Attributes
    ----------
    values : float64 array of shape (n_participants, 1 + n_confound_columns)
        Ones, then numbers with mean 0 and SD 1, and an indicator of each category.
    columns : tuple of str
        Names of the columns, such as ``intercept``, ``age``, ``site[B]``.
    """

    values: Floats
    columns: tuple[str, ...]


def build_design(
    confounds: Sequence[Column],
    participants: Sequence[str],
    target: Target,
    categorical: Collection[str] = (),
) -> Design:
    """Build the design of confounds.

    Parameters
    ----------
    confounds : sequence of Column
    participants : sequence of str
        Participants of the analysis, all with a value of each confound.
    target : Target
        Of these participants.
    categorical : collection of str
        Confounds that the user declares categorical, and columns of sites.

    Returns
    -------
    Design
        Dependent columns are logged; they are dropped where the design is used.

    Raises
    ------
    InputError
        If a confound is constant, mixes numbers and text, has too many categories or determines the target,
        or if there are too many columns.
    """
    n_participants = len(participants)
    parts, names = [np.ones((n_participants, 1))], ["intercept"]
    # The first indicator of each confound depends on the others by construction.
    is_redundant = [False]
    for column in confounds:
        values, columns = _columns(column, participants, is_declared=column.name in categorical)
        _refuse_target(column, values, target)
        parts.append(values)
        names += columns
        is_redundant += [len(columns) > 1, *[False] * (len(columns) - 1)]
    n_columns = len(names) - 1 - sum(is_redundant)
    if n_columns > n_participants / MIN_PARTICIPANTS_PER_COLUMN:
        message = (
            f"The confounds have {n_columns} columns ({abbreviate(names[1:])}) for the {n_participants} "
            f"participants with the target {target.name}, and at most "
            f"{n_participants // MIN_PARTICIPANTS_PER_COLUMN} are possible.\nRemove some from `confounds`, "
            "or add participants."
        )
        raise InputError(message)
    design = Design(np.hstack(parts), tuple(names))
    _refuse_target(confounds, design.values, target)
    is_required = ~np.array(is_redundant)
    required = Design(design.values[:, is_required], tuple(np.array(names)[is_required].tolist()))
    if dependent := dependent_columns(required):
        logger.warning(
            "Target %s: columns of the confounds are combinations of others, and are dropped: %s.",
            target.name, abbreviate(dependent),
        )  # fmt: skip
    return design


def dependent_columns(design: Design) -> list[str]:
    """List the columns that are linear combinations of the columns before them.

    Parameters
    ----------
    design : Design

    Returns
    -------
    list of str

    Examples
    --------
    >>> x = np.array([[1, 0, 0], [1, 1, 2], [1, 2, 4.0]])
    >>> dependent_columns(Design(x, ("intercept", "years", "double")))
    ['double']
    """
    lengths = np.linalg.norm(design.values, axis=0)
    diagonal = np.abs(np.diag(np.linalg.qr(design.values / lengths, mode="r")))
    return [name for name, size in zip(design.columns, diagonal, strict=False) if size <= _ROUNDING]


def _columns(column: Column, participants: Sequence[str], *, is_declared: bool) -> tuple[Floats, list[str]]:
    """Convert a confound to standardised numbers or indicators."""
    if not are_categories(column, participants, is_declared=is_declared):
        numbers = read_numbers(column, participants)
        scale = numbers.std()
        if scale <= _ROUNDING * np.abs(numbers).max():
            _refuse_constant(column, f"{numbers[0]:g}", len(participants))
        values = sorted(set(numbers.tolist()))
        if len(values) in _CODES and all(value.is_integer() for value in values):
            logger.warning(
                "%s has the values %s, and is used as a number with a linear effect. If they are codes, name "
                "it in `categorical`.",
                column, abbreviate([f"{value:g}" for value in values]),
            )  # fmt: skip
        return ((numbers - numbers.mean()) / scale)[:, None], [column.name]
    codes, levels = read_categories(column, participants)
    if len(levels) == 1:
        _refuse_constant(column, levels[0], len(participants))
    limit = min(MAX_LEVELS, len(participants) // MIN_PARTICIPANTS_PER_LEVEL)
    if len(levels) > limit:
        message = (
            f"{column} has {len(levels)} categories ({abbreviate(levels)}), and at most {limit} are possible "
            f"for {len(participants)} participants.\nRemove it from `confounds`, or merge categories in "
            "a new column."
        )
        raise InputError(message)
    counts = np.bincount(codes)
    if rare := [level for level, count in zip(levels, counts, strict=True) if count == 1]:
        logger.warning(
            "%s: categories of one participant cannot be separated from the participant: %s.",
            column, abbreviate(rare),
        )  # fmt: skip
    indicators = (codes[:, None] == np.arange(len(levels))).astype(np.float64)
    return indicators, [f"{column.name}[{level}]" for level in levels]


def _refuse_constant(column: Column, value: str, n_participants: int) -> None:
    message = (
        f"{column} is constant: all {n_participants} participants of the analysis have {value}.\nRemove it "
        "from `confounds`, or include participants with other values."
    )
    raise InputError(message)


def _refuse_target(source: Column | Sequence[Column], values: Floats, target: Target) -> None:
    """Refuse confounds that determine the target."""
    y = target.columns - target.columns.mean(axis=0)
    x = values - values.mean(axis=0)
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    r2 = float(np.min(1 - (residual**2).sum(axis=0) / (y**2).sum(axis=0)))
    if r2 <= MAX_R2:
        return
    if isinstance(source, Column):
        subject, names = f"{source} determines", source.name
    else:
        names = ", ".join(column.name for column in source)
        subject = f"The confounds {names} together determine"
    message = (
        f"{subject} the target {target.name} (R2 = {r2:.4f}), so nothing remains to predict: it is the "
        f"target under another name.\nRemove {names} from `confounds`, or {target.name} from `target`."
    )
    raise InputError(message)
