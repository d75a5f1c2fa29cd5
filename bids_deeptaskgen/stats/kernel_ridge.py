"""Kernel ridge regression with unpenalised confounds, for many sets of training participants at once."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.linalg.lapack import dpotrf, dpotri

from bids_deeptaskgen.stats.confound_regression import compute_basis

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

_BLOCK = 1024


class KernelRidge:
    """Residuals of participants that are excluded from the fit, for one penalty.

    The model is y = Z b + f + e, where Z is the design of confounds, and f has the kernel K and the penalty
    alpha. With unpenalised b it equals ridge regression of the residual target on residual features, both
    after ordinary least squares on Z (theorem of Frisch and Waugh 1933, Econometrica 1:387, and Lovell 1963,
    JASA 58:993).

    Let S = (K + alpha I)^-1 and P = S - S Z (Z'SZ)^-1 Z'S, over all participants. If the participants H are
    excluded from the fit, their residuals are (P_HH)^-1 (P y)_H. For a single participant this is the
    leave-one-out formula of smoothing splines (Craven and Wahba 1979, Numerische Mathematik 31:377); for
    several, it follows from the inverse of the partitioned matrix. So one inverse serves all folds. If most
    participants are excluded, the system of the training participants is smaller and is solved instead; it
    is always solved if there are too few folds for an inverse to be worth its time, see `is_inverse_faster`.

    Parameters
    ----------
    kernel : float array of shape (n_participants, n_participants)
        Symmetric and positive semidefinite; adding a constant to a row and its column has no effect.
    design : float64 array of shape (n_participants, n_columns)
        Confounds; the first column is ones. See `compute_basis` for confounds that are constant or depend on
        each other among the training participants.
    targets : float64 array of shape (n_participants, n_targets)
    penalty : float
        Positive.
    use_inverse : bool
        Compute the inverse of all participants when it is first useful.
    """

    def __init__(
        self,
        kernel: NDArray[np.floating],
        design: Floats,
        targets: Floats,
        penalty: float,
        *,
        use_inverse: bool = True,
    ) -> None:
        self._kernel = kernel
        self._design = design
        self._targets = targets
        self._penalty = penalty
        self._use_inverse = use_inverse

    def compute_residuals(self, train: Integers, test: Integers) -> Floats:
        """Compute target minus prediction of participants, by a model of others.

        Parameters
        ----------
        train : integer array
            Numbers of the training participants.
        test : integer array
            Numbers of participants that are not among `train`.

        Returns
        -------
        float64 array of shape (n_test, n_targets)
            Residuals of the prediction from confounds and kernel.

        Raises
        ------
        ValueError
            If the kernel is not positive semidefinite.
        """
        is_excluded = np.ones(len(self._design), np.bool_)
        is_excluded[train] = False
        excluded = np.flatnonzero(is_excluded)
        basis = compute_basis(self._design[train])
        if self._use_inverse and len(excluded) <= len(train):
            residuals = self._from_inverse(excluded, basis)
            return residuals[np.searchsorted(excluded, test)]
        return self._from_training(train, test, basis)

    def _from_inverse(self, excluded: Integers, basis: Floats) -> Floats:
        """Compute residuals of all excluded participants by the formula of the class."""
        products = self._products
        design = self._design @ basis
        by_design = products.design @ basis
        gram = cho_factor(design.T @ by_design, lower=True)
        # Solve by halves, which keeps the block symmetric.
        half = solve_triangular(gram[0], by_design[excluded].T, lower=True)
        block = products.inverse[np.ix_(excluded, excluded)]
        block -= half.T @ half
        effects = cho_solve(gram, design.T @ products.targets)
        right = products.targets[excluded] - by_design[excluded] @ effects
        return _solve(block, right)

    def _from_training(self, train: Integers, test: Integers, basis: Floats) -> Floats:
        """Compute residuals of test participants by the system of the training participants."""
        system = self._block(train, train)
        system[np.diag_indices(len(train))] += self._penalty
        design, targets = self._design[train] @ basis, self._targets[train]
        solutions = _solve(system, np.hstack([design, targets]))
        by_design, by_targets = np.hsplit(solutions, [design.shape[1]])
        effects = np.linalg.solve(design.T @ by_design, design.T @ by_targets)
        by_targets -= by_design @ effects
        predictions = self._design[test] @ basis @ effects + self._block(test, train) @ by_targets
        residuals: Floats = self._targets[test] - predictions
        return residuals

    def _block(self, rows: Integers, columns: Integers) -> Floats:
        """Return a part of the centred kernel."""
        block = self._kernel[np.ix_(rows, columns)].astype(np.float64)
        block -= self._offsets[rows, None]
        block -= self._offsets[columns]
        return block

    @cached_property
    def _offsets(self) -> Floats:
        """Return the part of rows and columns that centring subtracts, which improves the condition."""
        means = self._kernel.mean(axis=1, dtype=np.float64)
        offsets: Floats = means - means.mean() / 2
        return offsets

    @cached_property
    def _products(self) -> "_Products":
        """Return the inverse and its products with design and targets."""
        # LAPACK works in place on columns; the transpose of a symmetric matrix in rows is one in columns.
        system = np.array(self._kernel.T, np.float64, order="F")
        system -= self._offsets[:, None]
        system -= self._offsets
        system[np.diag_indices(len(system))] += self._penalty
        inverse = _invert_in_place(system)
        return _Products(inverse, inverse @ self._design, inverse @ self._targets)


def is_inverse_faster(n_participants: int, n_train: Sequence[int]) -> bool:
    """Return whether one inverse of all participants is faster than systems of the training participants.

    Parameters
    ----------
    n_participants : int
    n_train : sequence of int
        Number of training participants of each fit.

    Returns
    -------
    bool
        By the number of operations: n^3 for an inverse, n^3 / 3 for a Cholesky decomposition.

    Examples
    --------
    >>> is_inverse_faster(100, [80] * 5), is_inverse_faster(100, [80] * 25)
    (False, True)
    """
    systems = sum(n**3 for n in n_train) / 3
    blocks = sum(min(n, n_participants - n) ** 3 for n in n_train) / 3
    return n_participants**3 + blocks < systems


class _Products(NamedTuple):
    """Inverse S of the penalised kernel, S Z and S Y."""

    inverse: Floats
    design: Floats
    targets: Floats


def _solve(system: Floats, right: Floats) -> Floats:
    """Compute the solution of a positive definite system, which is overwritten."""
    try:
        factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError as error:
        raise _indefinite() from error
    solution: Floats = cho_solve(factor, right, overwrite_b=True, check_finite=False)
    return solution


def _invert_in_place(system: Floats) -> Floats:
    """Invert a positive definite matrix in column order in its memory."""
    factor, info = dpotrf(system, lower=1, clean=0, overwrite_a=1)
    if info:
        raise _indefinite()
    inverse, info = dpotri(factor, lower=1, overwrite_c=1)
    if info:
        raise _indefinite()
    # LAPACK fills the lower triangle. Transposed, the rows are contiguous.
    rows = inverse.T
    for start in range(0, len(rows), _BLOCK):
        stop = start + _BLOCK
        block = np.triu(rows[start:stop, start:stop])
        rows[start:stop, start:stop] = block + np.triu(block, 1).T
        rows[stop:, start:stop] = rows[start:stop, stop:].T
    result: Floats = rows
    return result


def _indefinite() -> ValueError:
    return ValueError(
        "`kernel` plus penalty is not positive definite. Check that the kernel is symmetric, without missing "
        "values and positive semidefinite, or increase the penalty."
    )
