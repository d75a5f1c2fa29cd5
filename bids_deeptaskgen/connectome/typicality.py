"""Typicality of a participant's ROI-by-ROI connectome among those of the training participants."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Floats = NDArray[np.float32]

# Fisher's z is infinite at |r| = 1, which rounding to six digits may produce.
MAX_R = 1 - 1e-6
# Shares of the training participants whose distances a model bundle states.
QUANTILES = {"q05": 0.05, "q50": 0.5, "q95": 0.95, "q99": 0.99}


@dataclass(frozen=True, eq=False)
class ConnectomeDistribution:
    """Distribution of the ROI-by-ROI connectomes of training participants.

    It is normal over Fisher-z transformed correlations x (upper triangle, row by row) with the mean
    `mean` and the covariance C = (1 - s) S + s m I: s is `shrinkage`, m is `isotropic_variance`, I is the
    identity. S has the eigenvectors `basis` with the eigenvalues `variances`. In all other directions its
    eigenvalue is the mean of the variance that remains, so that the trace of S and C is m times the number
    of pairs. Fisher's z is used because its sampling variance does not depend on the correlation, as the
    isotropic term requires.

    Attributes
    ----------
    mean : float32 array of shape (n_pairs,)
        Mean of Fisher's z.
    basis : float32 array of shape (n_components, n_pairs)
        Orthonormal directions of the largest variance.
    variances : array of shape (n_components,)
        Variance along each direction.
    shrinkage : float
        From 0 (variances as estimated) to 1 (the same variance in all directions).
    isotropic_variance : float
        Variance of Fisher's z, mean over pairs.
    n_participants : int
        Number of training participants.
    quantiles : dict of str to float or None
        Cross-validated distances of the training participants: `QUANTILES`, and ``max``. None if the
        quantile lies beyond the distances of so few participants.

    Examples
    --------
    In the direction of the basis, the variance is 0.5 * 3 + 0.5 * 1 = 2; in the others, it is 0.5.

    >>> basis = np.array([[1, 0, 0]], np.float32)
    >>> distribution = ConnectomeDistribution(np.zeros(3, np.float32), basis, np.array([3.0]), 0.5, 1.0, 20)
    >>> connectome = np.eye(3)
    >>> connectome[0, 1] = np.tanh(2)
    >>> round(distribution.mahalanobis_distance(connectome) ** 2 * 3, 3)
    2.0
    """

    mean: Floats
    basis: Floats
    variances: Numbers
    shrinkage: float
    isotropic_variance: float
    n_participants: int
    quantiles: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def n_pairs(self) -> int:
        """Return the number of pairs of ROIs."""
        return len(self.mean)

    @property
    def mean_roi_connectome(self) -> tuple[float, ...]:
        """Return the mean correlations, transformed back from Fisher's z, rounded to four digits."""
        return tuple(round(float(r), 4) for r in np.tanh(self.mean.astype(np.float64)))

    @property
    def reference(self) -> dict[str, float | int | None]:
        """Return the number of training participants and the quantiles of their distances, as JSON values."""
        values = {name: self.quantiles.get(name) for name in (*QUANTILES, "max")}
        return {"n_participants": self.n_participants} | {
            name: None if value is None else float(f"{value:.6g}") for name, value in values.items()
        }

    def correlation_with_mean(self, roi_connectome: Numbers) -> float | None:
        """Correlate a connectome with the mean of the training participants; see `typicality`.

        Parameters
        ----------
        roi_connectome : array of shape (n_rois, n_rois)
            Pearson r between ROI time series.

        Returns
        -------
        float or None
        """
        return typicality(roi_connectome, self.mean_roi_connectome)

    def mahalanobis_distance(self, roi_connectome: Numbers) -> float | None:
        """Compute the Mahalanobis distance of a connectome from the mean of the training participants.

        Parameters
        ----------
        roi_connectome : array of shape (n_rois, n_rois)
            Pearson r between ROI time series.

        Returns
        -------
        float or None
            sqrt((x - mean)' C^-1 (x - mean) / n_pairs). Its square is 1 on average if x is drawn from the
            distribution. None if a correlation is not finite.
        """
        correlations = upper_triangle(roi_connectome)
        if not np.isfinite(correlations).all():
            return None
        return float(f"{self.distances(fisher_z(correlations)[None])[0]:.6g}")

    def distances(self, values: Numbers) -> Numbers:
        """Compute the distances of several connectomes; see `mahalanobis_distance`.

        Parameters
        ----------
        values : array of shape (n_connectomes, n_pairs)
            Fisher's z, see `fisher_z`.

        Returns
        -------
        array of shape (n_connectomes,)
        """
        deviations = values - self.mean
        scores = deviations @ self.basis.T.astype(np.float64)
        basis_variances = (1 - self.shrinkage) * self.variances + self.shrinkage * self.isotropic_variance
        squares = (scores**2 / basis_variances).sum(axis=1)
        if len(self.basis) < self.n_pairs:
            residual = self.isotropic_variance * self.n_pairs - self.variances.sum()
            residual_variance = (1 - self.shrinkage) * max(residual, 0.0) / (self.n_pairs - len(self.basis))
            residual_variance += self.shrinkage * self.isotropic_variance
            remainder = np.maximum((deviations**2).sum(axis=1) - (scores**2).sum(axis=1), 0)
            squares += remainder / residual_variance
        return np.asarray(np.sqrt(squares / self.n_pairs))


def upper_triangle(roi_connectome: Numbers) -> Numbers:
    """Return the correlations of all pairs of ROIs.

    Parameters
    ----------
    roi_connectome : array of shape (n_rois, n_rois)

    Returns
    -------
    array of shape (n_rois * (n_rois - 1) / 2,)
        Values above the diagonal, row by row.

    Examples
    --------
    >>> upper_triangle(np.array([[1, 0.1, 0.2], [0.1, 1, 0.3], [0.2, 0.3, 1]]))
    array([0.1, 0.2, 0.3])
    """
    return np.asarray(roi_connectome[np.triu_indices_from(roi_connectome, k=1)], np.float64)


def fisher_z(correlations: Numbers) -> Numbers:
    """Transform correlations to Fisher's z, with |r| of at most `MAX_R`.

    Parameters
    ----------
    correlations : array of any shape

    Returns
    -------
    array of the same shape

    Examples
    --------
    >>> fisher_z(np.array([0.0, np.tanh(0.5), 1.0])).round(2)
    array([0.  , 0.5 , 7.25])
    """
    return np.asarray(np.arctanh(np.clip(correlations, -MAX_R, MAX_R)))


def typicality(roi_connectome: Numbers, mean_roi_connectome: tuple[float, ...] | None) -> float | None:
    """Correlate a participant's ROI-by-ROI correlations with the mean of the training participants.

    Parameters
    ----------
    roi_connectome : array of shape (n_rois, n_rois)
    mean_roi_connectome : tuple of float or None
        Upper triangle, row by row.

    Returns
    -------
    float or None
        Pearson r over the pairs of ROIs; None if the model has no mean or an ROI is flat.
    """
    if mean_roi_connectome is None:
        return None
    correlations = upper_triangle(roi_connectome)
    if not np.isfinite(correlations).all() or correlations.std() == 0:
        return None
    return float(f"{np.corrcoef(correlations, mean_roi_connectome)[0, 1]:.6g}")
