"""Analyses of traits of known origin: which of them are claimed, and how often do equal features differ."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.biomarkers.analysis import PUBLISHED, Analysis, Outcome, analyse, score_folds
from benchmarks.biomarkers.traits import Floats, Traits, draw_features, draw_patterns, draw_traits
from bids_deeptaskgen.stats.resampled_t import corrected_resampled_t

ALPHA = 0.05
# Enough latents and voxels that relatives have similar maps, and unrelated participants do not. More voxels
# than participants, as real maps have: the fixed penalty of the published set-up overfits with as many.
N_PARTICIPANTS, N_LATENTS, N_FEATURES = 200, 60, 1000
_ALL_CONFOUNDS = ("age", "sex", "site_id", "fd_mean_mm")


class Case(NamedTuple):
    """Trait, analysis, and what is right.

    Attributes
    ----------
    origin : str
        Where the trait comes from.
    title : str
        Description of the analysis.
    analysis : Analysis
    is_true : bool
        Whether it is right to claim that the maps have information about the trait.
    """

    origin: str
    title: str
    analysis: Analysis
    is_true: bool = False


_MAPS, _MOTION, _FAMILY = "maps", "head motion only", "shared within families only"
_SITE, _NOTHING = "age; maps differ between sites, but not with age", "nothing"
CASES = (
    Case(_MAPS, "all confounds", Analysis("trait_maps", _ALL_CONFOUNDS), is_true=True),
    Case(_MAPS, PUBLISHED, Analysis("trait_maps", setup=PUBLISHED), is_true=True),
    Case(_MOTION, "no confounds", Analysis("trait_motion")),
    Case(_MOTION, PUBLISHED, Analysis("trait_motion", setup=PUBLISHED)),
    Case(_MOTION, "confound mean FD", Analysis("trait_motion", ("fd_mean_mm",))),
    Case(_MOTION, "confound log of mean FD", Analysis("trait_motion", ("log_fd",))),
    Case(_FAMILY, "families ignored", Analysis("trait_family", has_families=False)),
    Case(_FAMILY, PUBLISHED, Analysis("trait_family", setup=PUBLISHED)),
    Case(_FAMILY, "families in one fold", Analysis("trait_family")),
    Case(_SITE, "no confounds", Analysis("age")),
    Case(_SITE, PUBLISHED, Analysis("age", setup=PUBLISHED)),
    Case(_SITE, "confound site", Analysis("age", ("site_id",))),
    Case(_SITE, "leave one site out", Analysis("age", is_by_site=True)),
    Case(_NOTHING, "all confounds", Analysis("trait_null", _ALL_CONFOUNDS)),
    Case(_NOTHING, PUBLISHED, Analysis("trait_null", setup=PUBLISHED)),
)


def draw_cohort(
    n_participants: int,
    seed: int,
    *,
    n_latents: int = N_LATENTS,
    n_features: int = N_FEATURES,
    age_effect: float = 0.0,
) -> tuple[Traits, Floats]:
    """Draw participants and their small maps.

    Parameters
    ----------
    n_participants, seed : int
    n_latents, n_features : int
    age_effect : float
        See `draw_traits`.

    Returns
    -------
    Traits
    float32 array of shape (n_participants, n_features)
    """
    rng = np.random.default_rng([18, seed])
    traits = draw_traits(n_participants, rng, n_latents=n_latents, age_effect=age_effect)
    log_fd = {"log_fd": np.log(traits.columns["fd_mean_mm"])}
    traits = Traits(traits.latents, {**traits.columns, **log_fd})
    return traits, draw_features(traits, draw_patterns(n_features, rng, n_latents), rng)


def try_case(case: Case, seeds: Sequence[int], n_permutations: int) -> list[Outcome]:
    """Analyse a trait in several cohorts.

    Parameters
    ----------
    case : Case
    seeds : sequence of int
    n_permutations : int

    Returns
    -------
    list of Outcome
    """
    outcomes = []
    for seed in seeds:
        traits, maps = draw_cohort(N_PARTICIPANTS, seed)
        outcomes.append(analyse(traits.columns, maps, case.analysis, seed, n_permutations))
    return outcomes


def summarise_case(case: Case, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Make the row of a case.

    Parameters
    ----------
    case : Case
    outcomes : sequence of Outcome

    Returns
    -------
    dict
    """
    return {
        "origin": case.origin,
        "title": case.title,
        "is_true": case.is_true,
        "n_cohorts": len(outcomes),
        "score": float(np.mean([outcome.score for outcome in outcomes])),
        "baseline": float(np.mean([outcome.baseline for outcome in outcomes])),
        "gain": float(np.mean([outcome.gain for outcome in outcomes])),
        "n_claimed": sum(outcome.p < ALPHA for outcome in outcomes),
    }


COMPARED = {
    "trait_maps": "the maps",
    "sex": "the maps",
    "age": "the maps, and one site is older",
    "trait_motion": "head motion only",
    "trait_family": "shared within families only",
    "trait_null": "nothing",
}
COHORT_SIZE, _COHORT_SEED = 400, 0


def compare_setups(target: str, n_permutations: int) -> list[dict[str, Any]]:
    """Analyse a trait of one cohort in both set-ups; the cohort is the same for all traits.

    Parameters
    ----------
    target : str
        Key of ``COMPARED``.
    n_permutations : int

    Returns
    -------
    list of dict
        The published set-up first.
    """
    traits, maps = draw_cohort(COHORT_SIZE, _COHORT_SEED, age_effect=2.0)
    confounds = tuple(name for name in _ALL_CONFOUNDS if name != target)
    rows = []
    for analysis, n_repeats in ((Analysis(target, setup=PUBLISHED), 1), (Analysis(target, confounds), 5)):
        outcome = analyse(traits.columns, maps, analysis, _COHORT_SEED, n_permutations, n_repeats)
        row = {"target": target, "origin": COMPARED[target], "setup": analysis.setup}
        rows.append(row | outcome._asdict())
    return rows


def compare_equal_features(seeds: Sequence[int], n_repeats: int = 5) -> dict[str, Any]:
    """Count how often two equally good feature sets differ: the same maps with two draws of noise.

    Parameters
    ----------
    seeds : sequence of int
    n_repeats : int

    Returns
    -------
    dict
        Cohorts with p < 0.05 in the corrected resampled t test, and in a t test without the correction.
    """
    n_corrected = n_uncorrected = 0
    for seed in seeds:
        rng = np.random.default_rng([19, seed])
        traits = draw_traits(100, rng)
        patterns = draw_patterns(50, rng)
        scores = []
        for _ in range(2):
            maps = draw_features(traits, patterns, rng, noise_sd=1.0)
            scores.append(score_folds(traits.columns, maps, Analysis("trait_maps"), seed, n_repeats))
        difference = scores[0].values - scores[1].values
        corrected = corrected_resampled_t(difference, scores[0].n_test, scores[0].n_train)
        n_corrected += corrected.p < ALPHA
        n_uncorrected += corrected_resampled_t(difference.ravel(), 0, 1).p < ALPHA
    counts = {"n_corrected": int(n_corrected), "n_uncorrected": int(n_uncorrected)}
    return {"n_repeats": n_repeats, "n_seeds": len(seeds)} | counts
