"""ComBat: differences of mean and variance between sites, estimated with empirical Bayes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

MAX_ITERATIONS = 1000
# Largest relative change of the last iteration.
TOLERANCE = 1e-6
# Features whose residual SD is a smaller share of their SD and mean do not vary, but for rounding errors.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Combat:
    """Effects of sites on features; see `fit_combat`.

    Attributes
    ----------
    sites : integer array of shape (n_sites,)
        Numbers of the sites, sorted.
    intercepts : float64 array of shape (n_features,)
        Mean over sites, weighted by their participants.
    slopes : float64 array of shape (n_covariates, n_features)
        Effects of the covariates, which are protected.
    scales : float64 array of shape (n_features,)
        SD of the residuals; 0 for features that do not vary.
    shifts : float64 array of shape (n_sites, n_features)
        Difference of the mean of a site, in units of `scales`.
    factors : float64 array of shape (n_sites, n_features)
        SD of a site, in units of `scales`.
    """

    sites: Integers
    intercepts: Floats
    slopes: Floats
    scales: Floats
    shifts: Floats
    factors: Floats

    def apply(self, features: Floats, sites: Integers, covariates: Floats) -> Floats:
        """Remove the effects of sites from features of any participants.

        Parameters
        ----------
        features : float64 array of shape (n_participants, n_features)
        sites : integer array of shape (n_participants,)
            All must be among those of the fit.
        covariates : float64 array of shape (n_participants, n_covariates)

        Returns
        -------
        float64 array of shape (n_participants, n_features)

        Raises
        ------
        ValueError
            If a site was not among those of the fit.
        """
        if not np.isin(sites, self.sites).all():
            message = f"`sites` {sorted(set(sites) - set(self.sites))} were not among those of the fit."
            raise ValueError(message)
        rows = np.searchsorted(self.sites, sites)
        means = self.intercepts + covariates @ self.slopes
        harmonised: Floats = (features - means - self.scales * self.shifts[rows]) / self.factors[rows] + means
        # Features that do not vary stay as they are.
        harmonised[:, self.scales == 0] = features[:, self.scales == 0]
        return harmonised


def fit_combat(features: Floats, sites: Integers, covariates: Floats) -> Combat:
    """Estimate the effects of sites on mean and variance of features.

    Parametric empirical Bayes of Johnson et al. (2007, Biostatistics 8:118): within a site, the effects
    on all features have a common prior (normal for means, inverse gamma for variances), towards which
    the estimates of small sites shrink. Covariates are protected as in Fortin et al. (2018, NeuroImage
    167:104).

    Parameters
    ----------
    features : float64 array of shape (n_participants, n_features)
    sites : integer array of shape (n_participants,)
        Number of the site of each participant; at least two participants of each.
    covariates : float64 array of shape (n_participants, n_covariates)
        Without intercept; linearly independent within sites. May have no columns.

    Returns
    -------
    Combat

    Raises
    ------
    ValueError
        If a site has one participant.

    Examples
    --------
    A site whose values are higher, without covariates:

    >>> rng = np.random.default_rng(0)
    >>> sites = np.repeat([0, 1], 500)
    >>> features = rng.normal(size=(1000, 4)) + 5.0 * sites[:, None]
    >>> fit = fit_combat(features, sites, np.empty((1000, 0)))
    >>> harmonised = fit.apply(features, sites, np.empty((1000, 0)))
    >>> bool(np.abs(harmonised[:500].mean(axis=0) - harmonised[500:].mean(axis=0)).max() < 0.1)
    True
    """
    numbers, rows, sizes = np.unique(sites, return_inverse=True, return_counts=True)
    if sizes.min() < 2:
        message = f"`sites` {numbers[sizes < 2].tolist()} have one participant each; at least 2 are needed."
        raise ValueError(message)
    indicators = (rows[:, None] == np.arange(len(numbers))).astype(np.float64)
    effects = np.linalg.lstsq(np.hstack([indicators, covariates]), features, rcond=None)[0]
    site_effects, slopes = effects[: len(numbers)], effects[len(numbers) :]
    intercepts = sizes @ site_effects / len(features)
    residuals = features - indicators @ site_effects - covariates @ slopes
    scales = np.sqrt((residuals**2).mean(axis=0))
    scales[scales <= _ROUNDING * np.maximum(features.std(axis=0), np.abs(features.mean(axis=0)))] = 0
    standardised = features - intercepts - covariates @ slopes
    np.divide(standardised, scales, out=standardised, where=scales > 0)
    varies = scales > 0
    shifts, variances = np.zeros(site_effects.shape), np.ones(site_effects.shape)
    for number, size in enumerate(sizes):
        values = standardised[rows == number][:, varies]
        shifts[number, varies], variances[number, varies] = _shrink(
            values.mean(axis=0), values.var(axis=0, ddof=1), int(size)
        )
    return Combat(numbers, intercepts, slopes, scales, shifts, np.sqrt(variances))


def _shrink(means: Floats, variances: Floats, size: int) -> tuple[Floats, Floats]:
    """Compute the posterior means and variances of the features of a site, of shape (n_features,)."""
    if len(means) < 2:
        # A single feature has no prior.
        return means, variances
    prior_mean, prior_variance = means.mean(), means.var(ddof=1)
    average, spread = variances.mean(), variances.var(ddof=1)
    if min(prior_variance, spread) <= 0:
        return means, variances
    shape, rate = average**2 / spread + 2, average * (average**2 / spread + 1)
    shrunk_means, shrunk_variances = means, variances
    for _ in range(MAX_ITERATIONS):
        previous = shrunk_means, shrunk_variances
        weights = size * prior_variance
        shrunk_means = (weights * means + shrunk_variances * prior_mean) / (weights + shrunk_variances)
        squares = (size - 1) * variances + size * (means - shrunk_means) ** 2
        shrunk_variances = (rate + squares / 2) / (shape + size / 2 - 1)
        changes = (
            np.abs(value - last).max() / np.abs(value).max()
            for value, last in zip((shrunk_means, shrunk_variances), previous, strict=True)
        )
        if max(changes) < TOLERANCE:
            break
    return shrunk_means, shrunk_variances
