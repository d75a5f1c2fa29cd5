"""The simulated traits have the origin that their names say."""

import numpy as np
import pytest

from benchmarks.biomarkers.traits import draw_features, draw_patterns, draw_traits

N = 4000


@pytest.fixture(scope="module")
def traits():
    """Draw a large cohort whose maps differ between sites, but not with age."""
    return draw_traits(N, np.random.default_rng(0), age_effect=0.0)


def explained(traits, target, *, rows=slice(None)):
    """Return the share of a trait that a linear function of the latents explains."""
    latents = np.column_stack([np.ones(N), traits.latents])[rows]
    values = np.asarray(traits.columns[target], float)[rows]
    prediction = latents @ np.linalg.lstsq(latents, values, rcond=None)[0]
    return 1 - ((values - prediction) ** 2).sum() / ((values - values.mean()) ** 2).sum()


def test_maps_explain_the_traits_of_maps_and_motion_but_not_noise(traits):
    assert explained(traits, "trait_maps") == pytest.approx(0.5, abs=0.05)
    assert explained(traits, "trait_motion") > 0.3
    assert explained(traits, "trait_null") < 0.02


def test_motion_explains_all_that_maps_and_its_trait_share(traits):
    fd = np.column_stack([np.ones(N), traits.columns["fd_mean_mm"]])
    trait = traits.columns["trait_motion"]
    residual = trait - fd @ np.linalg.lstsq(fd, trait, rcond=None)[0]
    r = [np.corrcoef(residual, latent)[0, 1] for latent in traits.latents.T]
    assert np.abs(r).max() < 0.07


def test_age_differs_between_sites_and_is_unrelated_to_maps_within_them(traits):
    is_d = traits.columns["site_id"] == "D"
    assert explained(traits, "age") > 0.4
    assert explained(traits, "age", rows=is_d) < 0.05
    assert explained(traits, "age", rows=~is_d) < 0.02


def test_relatives_share_their_site_their_trait_and_a_part_of_their_maps(traits):
    families, first, counts = np.unique(traits.columns["family_id"], return_index=True, return_counts=True)
    pairs = first[counts == 2]
    for name in ("family_id", "site_id"):
        assert (traits.columns[name][pairs] == traits.columns[name][pairs + 1]).all()
    shared = traits.columns["trait_family"]
    assert np.corrcoef(shared[pairs], shared[pairs + 1])[0, 1] > 0.8
    r = np.corrcoef(traits.latents[pairs, 5:].ravel(), traits.latents[pairs + 1, 5:].ravel())[0, 1]
    assert r == pytest.approx(0.6, abs=0.05)
    assert counts.max() == 4
    # Across families, maps say nothing about it: families are as many independent observations.
    one_each = np.column_stack([np.ones(len(families)), traits.latents[first]])
    residual = shared[first] - one_each @ np.linalg.lstsq(one_each, shared[first], rcond=None)[0]
    assert 1 - (residual**2).sum() / (shared[first] ** 2).sum() < 0.05


def test_maps_are_patterns_weighted_by_latents(traits):
    patterns = draw_patterns(10, np.random.default_rng(1))
    maps = draw_features(traits, patterns, np.random.default_rng(2), noise_sd=0.0)
    np.testing.assert_allclose(maps, traits.latents @ patterns, rtol=1e-5, atol=1e-5)


def test_rows_are_those_of_participants_tsv(traits):
    small = draw_traits(3, np.random.default_rng(0))
    rows = small.rows(["a", "b", "c"])
    assert [row["participant_id"] for row in rows] == ["sub-a", "sub-b", "sub-c"]
    assert float(rows[1]["age"]) == pytest.approx(small.columns["age"][1], rel=1e-5)
    assert rows[2]["sex"] in ("F", "M")
