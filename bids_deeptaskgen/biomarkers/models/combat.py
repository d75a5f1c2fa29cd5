"""Harmonisation of the columns of a table over sites, as a scikit-learn transformer."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from bids_deeptaskgen.biomarkers.problem import Floats, Integers
from bids_deeptaskgen.errors import InputError, UserError, abbreviate, quantity
from bids_deeptaskgen.stats.combat import fit_combat
from bids_deeptaskgen.stats.confound_regression import compute_basis

# The variance within a site needs two participants.
MIN_SITE_PARTICIPANTS = 2
MAX_COLUMNS = 5000
# Confounds that vary less than this within sites, relative to their variation, coincide with the sites.
_COINCIDENT = 1e-6


class SiteHarmonisation(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Remove differences of mean and SD between sites by ComBat, with the participants of `fit` alone.

    With confounds, their effects on the features are protected (Fortin et al. 2018, NeuroImage 167:104);
    otherwise, it is the method of Johnson et al. (2007, Biostatistics 8:118). The target is never an input.
    Confounds that coincide with the sites cannot be protected and are ignored.

    Parameters
    ----------
    n_confounds : int
        Number of columns with confounds between the number of the site and the features.
    site_names : tuple of str
        Names of the sites in the order of their numbers, for messages.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns: the number of the site, confounds, and features.
    """

    def __init__(self, n_confounds: int = 0, site_names: tuple[str, ...] = ()) -> None:
        self.n_confounds = n_confounds
        self.site_names = site_names

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Estimate the effects of the sites.

        Parameters
        ----------
        X : array of shape (n_participants, 1 + n_confounds + n_features)
            Number of the site from 0, confounds, and features.
        y : object
            Ignored.

        Returns
        -------
        SiteHarmonisation

        Raises
        ------
        UserError
            If there are more than 5,000 features.
        InputError
            If there is only one site, or a site has a single participant.
        """
        values = check_array(X, dtype=np.float64, ensure_min_features=self.n_confounds + 2)
        self.n_features_in_ = values.shape[1]
        sites, confounds, features = self._split(values)
        if features.shape[1] > MAX_COLUMNS:
            message = (
                f"`combat`: the table has {features.shape[1]:,} columns, more than {MAX_COLUMNS:,}. Remove "
                "`combat`, or use a table with fewer columns."
            )
            raise UserError(message)
        self._check_sites(sites)
        self.protected_ = _protected_combinations(sites, confounds)
        self.combat_ = fit_combat(features, sites, confounds @ self.protected_)
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Remove the effects of the sites.

        Parameters
        ----------
        X : array of shape (n_participants, 1 + n_confounds + n_features)
            Number of the site from 0, confounds, and features.

        Returns
        -------
        float64 array of shape (n_participants, n_confounds + n_features)
            Confounds, and harmonised features.

        Raises
        ------
        InputError
            If a site was not among the participants of `fit`.
        """
        check_is_fitted(self)
        values = check_array(X, dtype=np.float64)
        sites, confounds, features = self._split(values)
        unfamiliar = np.setdiff1d(sites, self.combat_.sites)
        if len(unfamiliar):
            message = (
                f"`combat`: {quantity(len(unfamiliar), 'site')} ({self._name(unfamiliar)}) of the test "
                f"participants of a fold {'has' if len(unfamiliar) == 1 else 'have'} no training "
                "participants, so the effect cannot be estimated. Exclude their participants, merge sites, "
                "or remove `combat`."
            )
            raise InputError(message)
        harmonised = self.combat_.apply(features, sites, confounds @ self.protected_)
        return np.hstack([confounds, harmonised])

    def _split(self, values: Floats) -> tuple[Integers, Floats, Floats]:
        """Return numbers of sites, confounds and features."""
        start = 1 + self.n_confounds
        return values[:, 0].astype(np.intp), values[:, 1:start], values[:, start:]

    def _check_sites(self, sites: Integers) -> None:
        """Check number and size of the sites."""
        numbers, sizes = np.unique(sites, return_counts=True)
        if len(numbers) < 2:
            message = (
                f"`combat`: all training participants of a fold belong to the site {self._name(numbers)}. "
                "Remove `combat`, or add participants of other sites."
            )
            raise InputError(message)
        small = numbers[sizes < MIN_SITE_PARTICIPANTS]
        if len(small):
            message = (
                f"`combat`: {quantity(len(small), 'site')} ({self._name(small)}) "
                f"{'has' if len(small) == 1 else 'have'} fewer than {MIN_SITE_PARTICIPANTS} training "
                "participants in a fold. Exclude their participants, merge sites, or remove `combat`."
            )
            raise InputError(message)

    def _name(self, numbers: NDArray[np.integer]) -> str:
        """Format the names of sites."""
        return abbreviate([self.site_names[n] if n < len(self.site_names) else str(n) for n in numbers])


def _protected_combinations(sites: Integers, confounds: Floats) -> Floats:
    """Return combinations of confounds, as columns, that vary independently within sites."""
    deviations = confounds - confounds.mean(axis=0)
    residuals = deviations.copy()
    for site in np.unique(sites):
        residuals[sites == site] -= residuals[sites == site].mean(axis=0)
    coincides = np.linalg.norm(residuals, axis=0) <= _COINCIDENT * np.linalg.norm(deviations, axis=0)
    residuals[:, coincides] = 0
    basis = compute_basis(np.hstack([np.ones((len(residuals), 1)), residuals]))[1:, 1:]
    return np.asarray(basis * len(sites) ** 0.5)
