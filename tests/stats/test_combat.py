import numpy as np
import pytest

from bids_deeptaskgen.stats.combat import fit_combat

# Values of neuroCombat 0.2.12 for the data of `draw`, rows 0 and 23, with and without the covariate.
WITH_COVARIATE = [
    [2.47455, -1.51812, 4.73221, 1.29654, 6.31015],
    [-0.8394, -6.44199, 0.96626, 1.3161, 2.49531],
]
SITES_ALONE = [
    [3.62589, 1.6375, 4.27608, 2.38998, 6.00525],
    [-1.1177, -7.01031, 1.0564, 1.65229, 2.1691],
]


def draw():
    """Draw sites of 6, 8 and 10 participants that differ in mean and SD, and a covariate."""
    rng = np.random.default_rng(3)
    sites = np.repeat([0, 1, 2], [6, 8, 10])
    covariate = rng.normal(size=24)
    features = rng.normal(size=(24, 5)) * [1, 2, 1, 0.5, 1] * (1 + 0.5 * sites[:, None])
    features += sites[:, None] * [1, -2, 0.5, 0, 3] + covariate[:, None]
    return features, sites, covariate[:, None]


def test_values_are_those_of_another_implementation():
    features, sites, covariate = draw()
    harmonised = fit_combat(features, sites, covariate).apply(features, sites, covariate)
    np.testing.assert_allclose(harmonised[[0, 23]], WITH_COVARIATE, atol=1e-4)
    none = np.empty((24, 0))
    harmonised = fit_combat(features, sites, none).apply(features, sites, none)
    np.testing.assert_allclose(harmonised[[0, 23]], SITES_ALONE, atol=1e-4)


def test_estimates_of_a_small_site_shrink_towards_the_mean_over_its_features():
    rng = np.random.default_rng(0)
    sites = np.repeat([0, 1], [200, 4])
    features = rng.normal(size=(204, 50)) + 2.0 * sites[:, None]
    fit = fit_combat(features, sites, np.empty((204, 0)))
    raw = (features[sites == 1].mean(axis=0) - fit.intercepts) / fit.scales
    assert fit.shifts[1].std() < 0.75 * raw.std()
    np.testing.assert_allclose(fit.shifts[1].mean(), raw.mean(), rtol=0.1)


def test_units_and_offsets_of_features_have_no_effect():
    features, sites, covariate = draw()
    expected = fit_combat(features, sites, covariate).apply(features, sites, covariate)
    scaled = 1e-6 * features + 3
    harmonised = fit_combat(scaled, sites, covariate).apply(scaled, sites, covariate)
    np.testing.assert_allclose((harmonised - 3) * 1e6, expected, rtol=1e-5, atol=1e-5)


def test_participants_are_harmonised_one_by_one():
    features, sites, covariate = draw()
    fit = fit_combat(features[::2], sites[::2], covariate[::2])
    harmonised = fit.apply(features, sites, covariate)
    np.testing.assert_allclose(fit.apply(features[5:6], sites[5:6], covariate[5:6]), harmonised[5:6])


def test_a_site_of_a_single_participant_is_refused():
    features, sites, covariate = draw()
    with pytest.raises(ValueError, match=r"`sites` \[0\] have one participant"):
        fit_combat(features[5:], sites[5:], covariate[5:])


def test_an_unfamiliar_site_is_refused():
    features, sites, covariate = draw()
    fit = fit_combat(features, sites, covariate)
    with pytest.raises(ValueError, match="were not among those of the fit"):
        fit.apply(features, sites + 1, covariate)
