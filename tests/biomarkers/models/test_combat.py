from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone

from bids_deeptaskgen.biomarkers.models.combat import SiteHarmonisation
from bids_deeptaskgen.biomarkers.models.pipelines import ModelOptions
from bids_deeptaskgen.biomarkers.models.ridge_tables import cross_validate_table
from bids_deeptaskgen.errors import InputError, UserError
from tests.biomarkers.random_problems import random_problem, random_table

COMBAT = ModelOptions(combat=True)


def draw(n=120, n_features=6, seed=0):
    """Draw sites that differ in mean and SD, and features that depend on a confound."""
    rng = np.random.default_rng(seed)
    sites = np.arange(n) % 3
    confound = rng.normal(size=n) + sites
    offsets, scales = rng.normal(0, 3, (3, n_features)), rng.uniform(0.5, 2, (3, n_features))
    features = confound[:, None] + offsets[sites] + scales[sites] * rng.normal(size=(n, n_features))
    return np.column_stack([sites, confound, features])


def test_sites_have_equal_mean_and_sd_after_harmonisation():
    values = draw(n=600)
    harmonised = SiteHarmonisation(1).fit_transform(values)
    sites, confound = values[:, 0], values[:, 1]
    residuals = harmonised[:, 1:] - confound[:, None]
    for site in range(3):
        np.testing.assert_allclose(residuals[sites == site].mean(axis=0), residuals.mean(axis=0), atol=0.3)
        np.testing.assert_allclose(residuals[sites == site].std(axis=0), residuals.std(axis=0), rtol=0.2)


def test_effects_of_confounds_are_protected():
    values = draw(n=600)
    harmonised = SiteHarmonisation(1).fit_transform(values)
    slopes = np.polyfit(values[:, 1], harmonised[:, 1:], 1)[0]
    np.testing.assert_allclose(slopes, 1, atol=0.2)
    np.testing.assert_array_equal(harmonised[:, 0], values[:, 1])


def test_participants_do_not_affect_others_that_are_transformed_with_them():
    values = draw()
    harmonisation = SiteHarmonisation(1).fit(values[:90])
    together = harmonisation.transform(values[90:])
    values[90:100, 2:] = 99
    np.testing.assert_allclose(harmonisation.transform(values[90:])[10:], together[10:])
    np.testing.assert_allclose(harmonisation.transform(values[100:]), together[10:])


def test_the_unit_of_features_has_no_effect():
    values = draw()
    small = values.copy()
    small[:, 2:] *= 1e-6
    expected = SiteHarmonisation(1).fit_transform(values)[:, 1:]
    np.testing.assert_allclose(SiteHarmonisation(1).fit_transform(small)[:, 1:] * 1e6, expected, rtol=1e-6)


def test_confounds_that_coincide_with_sites_are_not_protected():
    values = draw()
    sites = values[:, 0]
    indicators = np.column_stack([sites == 1, sites == 2, 2.0 * sites])
    larger = np.column_stack([sites, indicators, values[:, 1:]])
    harmonised = SiteHarmonisation(4).fit_transform(larger)
    np.testing.assert_allclose(harmonised[:, 3:], SiteHarmonisation(1).fit_transform(values), atol=1e-6)


def test_without_confounds_the_sites_alone_are_removed():
    values = np.delete(draw(n=600), 1, axis=1)
    harmonised = SiteHarmonisation().fit_transform(values)
    means = [harmonised[values[:, 0] == site].mean(axis=0) for site in range(3)]
    np.testing.assert_allclose(means, [harmonised.mean(axis=0)] * 3, atol=0.3)


@pytest.mark.parametrize("n_features", [1, 2])
def test_constant_columns_and_single_columns_are_accepted(n_features):
    values = draw(n_features=n_features)
    values[:, -1] = 4
    harmonised = SiteHarmonisation(1).fit_transform(values)
    assert np.isfinite(harmonised).all()
    np.testing.assert_allclose(harmonised[:, -1], 4)


def test_a_clone_has_the_same_parameters():
    assert clone(SiteHarmonisation(2, ("a", "b"))).get_params() == {
        "n_confounds": 2,
        "site_names": ("a", "b"),
    }


def test_a_single_site_is_refused():
    values = draw()
    values[:, 0] = 0
    with pytest.raises(InputError, match="belong to the site London"):
        SiteHarmonisation(1, ("London",)).fit(values)


def test_a_site_with_a_single_participant_is_refused():
    values = draw()
    with pytest.raises(InputError, match=r"1 site \(c\) has fewer than 2 training participants"):
        SiteHarmonisation(1, ("a", "b", "c")).fit(values[:5])


def test_a_site_without_training_participants_is_refused():
    values = draw()
    harmonisation = SiteHarmonisation(1, ("a", "b", "c")).fit(values[values[:, 0] < 2])
    with pytest.raises(InputError, match=r"1 site \(c\) of the test participants"):
        harmonisation.transform(values)


def test_many_columns_are_refused():
    values = np.hstack([draw(n=30), np.zeros((30, 5000))])
    with pytest.raises(UserError, match="5,006 columns"):
        SiteHarmonisation(1).fit(values)


def test_cross_validation_harmonises_within_folds():
    problem = random_problem(0, n=90, n_repeats=1)
    table = random_table(problem, 0)
    sites = np.unique(problem.sites, return_inverse=True)[1]
    values = table.values + np.random.default_rng(0).normal(0, 50, (3, 8))[sites].astype(np.float32)
    shifted = replace(table, values=values)
    problem = replace(problem, design=problem.design[:, :3])
    plain, _ = cross_validate_table(problem, shifted, None, ModelOptions())
    harmonised, _ = cross_validate_table(problem, shifted, None, COMBAT)
    assert abs(plain.values - harmonised.values).max() > 0.1
    r = [np.corrcoef(x.residuals[0, :, 0], x.targets[0, :, 0])[0, 1] for x in (plain, harmonised)]
    assert r[1] > r[0]


def test_sites_are_required():
    problem = replace(random_problem(0), sites=None)
    with pytest.raises(ValueError, match="`combat` needs `sites`"):
        cross_validate_table(problem, random_table(problem, 0), None, COMBAT)
