"""Traits of known origin: what the analysis claims is true, and the usual mistakes are claims that are not.

docs/reference/biomarkers_results.md has the same with many cohorts; here, each law has one or a few.
"""

import numpy as np
import pytest
from scipy import stats

from benchmarks.biomarkers.analysis import NESTED, PUBLISHED, Analysis, analyse
from benchmarks.biomarkers.null_p_values import NULLS, draw_p_values
from benchmarks.biomarkers.proof import draw_cohort

N_PERMUTATIONS = 99
ALL_CONFOUNDS = ("age", "sex", "site_id", "fd_mean_mm")


@pytest.fixture(scope="module")
def cohort():
    """Draw a cohort whose maps differ between sites, but not with age."""
    return draw_cohort(200, seed=3)


def outcome_of(cohort, analysis):
    traits, maps = cohort
    return analyse(traits.columns, maps, analysis, 0, N_PERMUTATIONS)


@pytest.mark.parametrize("setup", [NESTED, PUBLISHED])
def test_a_trait_of_the_maps_is_found(cohort, setup):
    confounds = ALL_CONFOUNDS if setup == NESTED else ()
    outcome = outcome_of(cohort, Analysis("trait_maps", confounds, setup=setup))
    assert outcome.p == pytest.approx(1 / (1 + N_PERMUTATIONS))
    assert outcome.gain > 0.2
    assert outcome.low > 0


def test_a_category_of_the_maps_is_found(cohort):
    outcome = outcome_of(cohort, Analysis("sex", ("age", "site_id", "fd_mean_mm")))
    assert outcome.p == pytest.approx(1 / (1 + N_PERMUTATIONS))
    assert outcome.score > 0.55


FALSE_CLAIMS = {
    "motion, without confounds": Analysis("trait_motion"),
    "motion, published set-up": Analysis("trait_motion", setup=PUBLISHED),
    "families, ignored": Analysis("trait_family", has_families=False),
    "families, published set-up": Analysis("trait_family", setup=PUBLISHED),
    "age of a site, without confounds": Analysis("age"),
    "age of a site, published set-up": Analysis("age", setup=PUBLISHED),
}
RIGHT_ANALYSES = {
    "motion as confound": Analysis("trait_motion", ("fd_mean_mm",)),
    "families in one fold": Analysis("trait_family"),
    "site as confound": Analysis("age", ("site_id",)),
    "one site left out": Analysis("age", is_by_site=True),
    "nothing to find": Analysis("trait_null", ALL_CONFOUNDS),
    "nothing to find, published set-up": Analysis("trait_null", setup=PUBLISHED),
}


@pytest.mark.parametrize("analysis", FALSE_CLAIMS.values(), ids=FALSE_CLAIMS)
def test_the_usual_mistakes_find_what_the_maps_do_not_have(cohort, analysis):
    outcome = outcome_of(cohort, analysis)
    assert outcome.p <= 0.05
    assert outcome.gain > 0.1


@pytest.mark.parametrize("analysis", RIGHT_ANALYSES.values(), ids=RIGHT_ANALYSES)
def test_the_right_analysis_does_not_find_it(cohort, analysis):
    outcome = outcome_of(cohort, analysis)
    assert outcome.p > 0.05
    assert outcome.low < 0


def test_confounds_alone_predict_what_they_explain(cohort):
    outcome = outcome_of(cohort, Analysis("trait_motion", ("fd_mean_mm",)))
    assert outcome.baseline > 0.5
    assert outcome.score == pytest.approx(outcome.baseline, abs=0.1)


NULLS_BY_NAME = {f"{null.trait}, {null.title}": null for null in NULLS}
# Relatives are no independent participants.
IGNORED = "shared within families, families ignored"
PUBLISHED_FAMILIES = f"shared within families, {PUBLISHED}"


@pytest.mark.parametrize("name", sorted(set(NULLS_BY_NAME) - {IGNORED, PUBLISHED_FAMILIES}))
def test_p_values_of_traits_without_relation_are_uniform(name):
    p_values = draw_p_values(NULLS_BY_NAME[name], range(40), 39)
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_p_values_are_too_small_if_relatives_are_exchanged():
    p_values = np.array(draw_p_values(NULLS_BY_NAME[IGNORED], range(40), 39))
    assert (p_values < 0.05).mean() > 0.2
