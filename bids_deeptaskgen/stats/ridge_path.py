"""Ridge regression for many penalties and many targets by one eigendecomposition."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class RidgePath:
    """Ridge regression without intercept for any penalty.

    The eigendecomposition is that of the smaller of X'X and XX' (Hastie and Tibshirani 2004, Biostatistics
    5:329, for more columns than rows).

    Parameters
    ----------
    features : float64 array of shape (n_participants, n_features)
        X, centred if the model is to have an intercept.
    targets : float64 array of shape (n_participants, n_targets)
        Centred likewise.

    Attributes
    ----------
    mean_diagonal : float
        Mean over participants of their sum of squared features, the unit of penalties; 1 if it is 0.

    Examples
    --------
    >>> path = RidgePath(np.array([[-1.0], [1.0]]), np.array([[-1.0], [1.0]]))
    >>> path.predict(np.array([[1.0]]), 2.0)
    array([[0.5]])
    """

    def __init__(self, features: Floats, targets: Floats) -> None:
        n_participants, n_features = features.shape
        self._features = None if n_features <= n_participants else features
        gram = features.T @ features if self._features is None else features @ features.T
        self.mean_diagonal = float(np.trace(gram)) / n_participants or 1.0
        values, self._vectors = np.linalg.eigh(gram)
        self._values = np.maximum(values, 0)
        products = features.T @ targets if self._features is None else targets
        self._products = self._vectors.T @ products

    def project(self, features: Floats) -> Floats:
        """Project features of participants on the eigenvectors, once for all penalties.

        Parameters
        ----------
        features : float64 array of shape (n_participants, n_features)

        Returns
        -------
        float64 array of shape (n_participants, n_eigenvectors)
        """
        products = features if self._features is None else features @ self._features.T
        projections: Floats = products @ self._vectors
        return projections

    def predict(self, features: Floats, penalty: float) -> Floats:
        """Predict targets.

        Parameters
        ----------
        features : float64 array of shape (n_participants, n_features)
        penalty : float
            Positive.

        Returns
        -------
        float64 array of shape (n_participants, n_targets)
        """
        return self.predict_projected(self.project(features), penalty)

    def predict_projected(self, projections: Floats, penalty: float) -> Floats:
        """Predict targets from projected features.

        Parameters
        ----------
        projections : float64 array of shape (n_participants, n_eigenvectors)
            Result of `project`.
        penalty : float
            Positive.

        Returns
        -------
        float64 array of shape (n_participants, n_targets)
        """
        predictions: Floats = projections / (self._values + penalty) @ self._products
        return predictions
