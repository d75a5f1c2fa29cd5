"""Principal components of maps from the matrix of their correlations, without the maps."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scores = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Coordinates whose magnitudes differ by less than this share are equal when a sign is chosen.
_TIE = 1e-6
# Eigenvalues below this share of the largest magnitude in the matrix are rounding.
_ROUNDING = 1e-10


def principal_coordinates(gram: ArrayLike, n_axes: int) -> tuple[Scores, Scores]:
    """Compute principal components of rows from their products (classical scaling, Gower 1966).

    For a matrix of correlations, the axes are the scores of a principal component analysis of the z-scored
    rows, divided by the square root of the number of voxels. The mean row is subtracted by double centring.

    Parameters
    ----------
    gram : array of shape (n_rows, n_rows)
        Symmetric matrix of correlations or covariances of rows. Rows whose value with themselves is NaN, and
        of the others those with most NaN until none is left, are excluded.
    n_axes : int
        Number of axes.

    Returns
    -------
    axes : array of shape (n_rows, n_axes)
        NaN for excluded rows; 0 for axes without variance. The sign is that in which the first coordinate of
        largest magnitude is positive.
    explained : array of shape (n_axes,)
        Share of the variance of each axis; NaN without variance.

    Examples
    --------
    >>> axes, explained = principal_coordinates([[1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]], 2)
    >>> axes.round(3)[:, 0], explained.round(3)
    (array([-0.667, -0.667,  1.333]), array([1., 0.]))
    """
    matrix = np.asarray(gram, np.float64)
    axes, explained = np.full((len(matrix), n_axes), np.nan), np.full(n_axes, np.nan)
    is_valid = _complete_rows(matrix)
    matrix = matrix[np.ix_(is_valid, is_valid)]
    if not len(matrix):
        return axes, explained
    axes[is_valid] = 0
    means = matrix.mean(axis=0)
    centred = matrix - means - means[:, None] + means.mean()
    values, vectors = np.linalg.eigh((centred + centred.T) / 2)
    values = np.where(values > _ROUNDING * np.abs(matrix).max(), values, 0)
    if values.any():
        n = min(n_axes, len(values))
        values, vectors = values[::-1], vectors[:, ::-1]
        axes[is_valid, :n] = vectors[:, :n] * np.sqrt(values[:n]) * _signs(vectors[:, :n])
        explained[:] = 0
        # Correlations over different voxels may have negative eigenvalues, which are no variance.
        explained[:n] = values[:n] / values.sum()
    return axes, explained


def _complete_rows(matrix: Scores) -> Flags:
    """Return the rows that remain if rows with NaN are excluded, those with most NaN first."""
    is_valid = np.isfinite(np.diagonal(matrix))
    is_nan = ~np.isfinite(matrix)
    while (counts := (is_nan & is_valid).sum(axis=1) * is_valid).any():
        is_valid[counts.argmax()] = False
    return is_valid


def _signs(vectors: Scores) -> Scores:
    """Return the sign of the first element of largest magnitude of each column."""
    magnitude = np.abs(vectors)
    rows = (magnitude >= (1 - _TIE) * magnitude.max(axis=0)).argmax(axis=0)
    signs: Scores = np.sign(vectors[rows, np.arange(vectors.shape[1])])
    return signs
