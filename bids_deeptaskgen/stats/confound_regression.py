"""Ordinary least squares on confounds that may depend on each other among the training participants."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Smaller lengths and singular values, relative to the largest, are rounding.
_TOLERANCE = 1e-6


def compute_basis(design: Floats) -> Floats:
    """Compute the combinations of confounds that vary independently.

    They come from the singular value decomposition of the confounds, each minus its mean and divided by its
    length. Regression on them is that of smallest norm (Golub and Van Loan 2013, Matrix Computations, section
    5.5): a constant confound has no effect, and the effect of dependent ones is divided among them. If, for
    example, a site has no training participants and each site has its indicator, then the prediction for
    that site is a mean over the sites.

    Parameters
    ----------
    design : array of shape (n_participants, n_columns)
        The first column is ones.

    Returns
    -------
    array of shape (n_columns, rank)
        Such that the columns of ``design @ basis`` are orthonormal; the first of them is constant.

    Examples
    --------
    The second column is constant.

    >>> design = np.array([[1.0, 5, 0], [1, 5, 1], [1, 5, 2]])
    >>> basis = compute_basis(design)
    >>> basis.shape
    (3, 2)
    >>> np.abs(basis[1])
    array([0., 0.])
    """
    confounds = design[:, 1:]
    means = confounds.mean(axis=0)
    deviations = confounds - means
    lengths = np.linalg.norm(deviations, axis=0)
    varies = lengths > _TOLERANCE * np.linalg.norm(confounds, axis=0)
    scales = np.divide(1, lengths, out=np.zeros_like(lengths), where=varies)
    _, values, vectors = np.linalg.svd(deviations * scales, full_matrices=False)
    is_independent = values > _TOLERANCE * values.max(initial=0)
    # The participants' mean takes a degree of freedom.
    is_independent[max(len(design) - 1, 0) :] = False
    basis = np.zeros((design.shape[1], 1 + is_independent.sum()))
    basis[0, 0] = len(design) ** -0.5
    basis[1:, 1:] = scales[:, None] * vectors[is_independent].T / values[is_independent]
    basis[0, 1:] = -means @ basis[1:, 1:]
    return basis


def regress(design: Floats, values: Floats) -> Floats:
    """Compute coefficients of an ordinary least squares regression.

    Parameters
    ----------
    design : array of shape (n_participants, n_columns)
        The first column is ones.
    values : array of shape (n_participants, n_values)

    Returns
    -------
    array of shape (n_columns, n_values)
        See `compute_basis` for confounds that depend on each other.

    Examples
    --------
    >>> design = np.array([[1.0, 0], [1, 1], [1, 2]])
    >>> regress(design, np.array([[1.0], [3], [5]])).round(9)
    array([[1.],
           [2.]])
    """
    basis = compute_basis(design)
    coefficients: Floats = basis @ ((design @ basis).T @ values)
    return coefficients
