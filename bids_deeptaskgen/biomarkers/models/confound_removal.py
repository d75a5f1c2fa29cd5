"""Removal of linear effects of confounds from the columns of a table, as a scikit-learn transformer."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from bids_deeptaskgen.biomarkers.problem import Floats
from bids_deeptaskgen.stats.confound_regression import regress

# Residuals that are smaller than this, relative to the feature, count as rounding of float32 values.
_ROUNDING = 1e-7


class ConfoundRemoval(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Remove what confounds explain in the participants of `fit`, by ordinary least squares.

    In a pipeline that is cross-validated, the coefficients come from the training participants alone
    (Snoek et al. 2019, NeuroImage 184:741).

    Parameters
    ----------
    n_confounds : int
        Number of columns with confounds, which precede the features. With 0, columns are centred.

    Attributes
    ----------
    coefficients_ : array of shape (1 + n_confounds, n_features)
        Intercept and effects of the confounds.
    is_explained_ : boolean array of shape (n_features,)
        Features that confounds explain completely, which become 0.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> age, features = np.arange(4.0), np.array([[1.0], [3], [2], [4]])
    >>> model = make_pipeline(ConfoundRemoval(n_confounds=1), StandardScaler(), Ridge())
    >>> model.fit(np.column_stack([age, features]), features[:, 0]).n_features_in_
    2
    """

    def __init__(self, n_confounds: int = 0) -> None:
        self.n_confounds = n_confounds

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Estimate the effects of the confounds.

        Parameters
        ----------
        X : array of shape (n_participants, n_confounds + n_features)
            Confounds, then features.
        y : object
            Ignored.

        Returns
        -------
        ConfoundRemoval
        """
        values = check_array(X, dtype=np.float64, ensure_min_features=self.n_confounds + 1)
        self.n_features_in_ = values.shape[1]
        design, features = self._split(values)
        self.coefficients_ = regress(design, features)
        remaining = np.linalg.norm(features - design @ self.coefficients_, axis=0)
        self.is_explained_ = remaining <= _ROUNDING * np.linalg.norm(features, axis=0)
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Remove the effects of the confounds from features.

        Parameters
        ----------
        X : array of shape (n_participants, n_confounds + n_features)
            Confounds, then features.

        Returns
        -------
        float64 array of shape (n_participants, n_features)

        Raises
        ------
        ValueError
            If the number of columns differs from that of `fit`.
        """
        check_is_fitted(self)
        values = check_array(X, dtype=np.float64)
        if values.shape[1] != self.n_features_in_:
            message = f"`X` has {values.shape[1]} columns; expected {self.n_features_in_} as in `fit`."
            raise ValueError(message)
        design, features = self._split(values)
        residuals: Floats = features - design @ self.coefficients_
        residuals[:, self.is_explained_] = 0
        return residuals

    def _split(self, values: Floats) -> tuple[Floats, Floats]:
        """Return the design (ones and confounds) and the features."""
        ones = np.ones((len(values), 1))
        return np.hstack([ones, values[:, : self.n_confounds]]), values[:, self.n_confounds :]
