"""Checks of a design matrix: constant and collinear columns, participants per column."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import UserError

Floats = NDArray[np.float64]

# Below two participants per column, coefficients and their standard errors are inaccurate (Austin and
# Steyerberg 2015, J Clin Epidemiol 68:627).
MIN_PARTICIPANTS_PER_COLUMN = 2
# The variance of Student's t is finite from 3 degrees of freedom on: df / (df - 2).
MIN_DOF = 3
# Marquardt 1970, Technometrics 12:591. A reason to look at a design, not to change it (O'Brien 2007, Qual
# Quant 41:673), so larger values are a note.
LARGE_VIF = 10.0
# Columns of unit length that add up to less are dependent up to rounding: half of the digits of float64.
_ROUNDING = float(np.sqrt(np.finfo(np.float64).eps))


def check_matrix(matrix: Floats, columns: Sequence[str], hint: str = "") -> None:
    """Refuse a design matrix that cannot be estimated.

    Parameters
    ----------
    matrix : array of shape (n_participants, n_columns)
        The first column is the intercept.
    columns : sequence of str
        Names of the columns.
    hint : str
        Further advice if participants are too few.

    Raises
    ------
    UserError
        If participants are too few, or columns are constant or collinear.
    """
    n_rows, n_columns = matrix.shape
    n_required = max(MIN_PARTICIPANTS_PER_COLUMN * n_columns, n_columns + MIN_DOF)
    if n_rows < n_required:
        message = (
            f"The design has {n_rows} participants for {n_columns} columns ({', '.join(columns)}); it needs "
            f"{n_required}: at least {MIN_PARTICIPANTS_PER_COLUMN} per column, and {MIN_DOF} more than "
            "columns. "
            f"Remove terms from `design` or `covariates`, or add participants.{hint}"
        )
        raise UserError(message)
    constant = [
        name for name, values in zip(columns[1:], matrix[:, 1:].T, strict=True) if is_constant(values)
    ]
    if constant:
        message = (
            f"The design has constant columns: {', '.join(constant)}. Remove them from `design` or "
            "`covariates`."
        )
        raise UserError(message)
    if dependent := dependent_columns(matrix, columns):
        message = (
            f"Columns of the design are collinear, so their effects cannot be separated: "
            f"{', '.join(dependent)}. Remove one of them from `design` or `covariates`."
        )
        raise UserError(message)


def is_constant(values: Floats) -> bool:
    """Return whether a column does not vary beyond rounding.

    Examples
    --------
    >>> is_constant(np.full(3, 0.1) * 3), is_constant(np.array([0, 1e-3, 0]))
    (True, False)
    """
    return bool(np.ptp(values) <= _ROUNDING * np.abs(values).max())


def dependent_columns(matrix: Floats, columns: Sequence[str]) -> list[str]:
    """Name the columns of a linear dependency.

    Parameters
    ----------
    matrix : array of shape (n_participants, n_columns)
    columns : sequence of str
        Names of the columns.

    Returns
    -------
    list of str
        Empty if the columns are independent.

    Examples
    --------
    >>> x = np.array([[1, 0, 0, 1], [1, 1, 2, 0], [1, 2, 4, 0], [1, 3, 6, 0.0]])
    >>> dependent_columns(x, ["intercept", "years", "double", "other"])
    ['years', 'double']
    """
    _, sizes, directions = np.linalg.svd(matrix / np.linalg.norm(matrix, axis=0), full_matrices=True)
    sizes = np.pad(sizes, (0, matrix.shape[1] - len(sizes)))
    null = directions[sizes <= _ROUNDING * sizes.max()]
    is_part = (np.abs(null) > _ROUNDING).any(axis=0)
    return [name for name, part in zip(columns, is_part, strict=True) if part]


def variance_inflation(matrix: Floats) -> Floats:
    """Compute the variance inflation factor of each column but the intercept.

    Parameters
    ----------
    matrix : array of shape (n_participants, n_columns)
        Independent columns; the first is the intercept.

    Returns
    -------
    array of shape (n_columns - 1,)
        1 / (1 - R^2) of the regression on the other columns: the diagonal of the inverse correlation matrix.

    Examples
    --------
    >>> variance_inflation(np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [1, -1, -1.0]]))
    array([1., 1.])
    """
    n_columns = matrix.shape[1] - 1
    if n_columns < 2:
        return np.ones(n_columns)
    return np.asarray(np.diag(np.linalg.inv(np.corrcoef(matrix[:, 1:], rowvar=False))))


def count_rearrangements(matrix: Floats, *, is_sign_flip: bool) -> int:
    """Count the results that permutations can have.

    Parameters
    ----------
    matrix : array of shape (n_participants, n_columns)
    is_sign_flip : bool
        Whether signs are flipped, of which pairs of opposite signs give the same magnitude of t.

    Returns
    -------
    int
        For permutations, the orders of the rows that differ.

    Examples
    --------
    Of two groups of three participants, 6! / (3! 3!) orders differ.

    >>> groups = np.array([[1, 0]] * 3 + [[1, 1]] * 3)
    >>> count_rearrangements(groups, is_sign_flip=False), count_rearrangements(groups, is_sign_flip=True)
    (20, 32)
    """
    if is_sign_flip:
        return int(2 ** (len(matrix) - 1))
    equal_rows = Counter(map(tuple, matrix.tolist())).values()
    return math.factorial(len(matrix)) // math.prod(map(math.factorial, equal_rows))


def check_rearrangements(matrix: Floats, *, is_difference: bool) -> None:
    """Refuse permutations of so few participants that none can reach p < 0.05.

    Parameters
    ----------
    matrix : array of shape (n_participants, n_columns)
    is_difference : bool
        Whether the intercept is tested by sign flips.

    Raises
    ------
    UserError
        If 20 or fewer results are possible.
    """
    n_results = count_rearrangements(matrix, is_sign_flip=is_difference)
    if n_results <= 1 / 0.05:
        message = (
            f"Permutations of {len(matrix)} participants have {n_results} different results, so that no "
            "effect can reach p < 0.05. Add participants, or set `n_permutations` to 0."
        )
        raise UserError(message)
