"""An analysis of a trait of simulated participants, in one of the two set-ups."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bids_deeptaskgen.biomarkers.models.baselines import predict_from_confounds
from bids_deeptaskgen.biomarkers.models.cross_validation import ModelOptions, cross_validate
from bids_deeptaskgen.biomarkers.models.published_setup import cross_validate_published, published_folds
from bids_deeptaskgen.biomarkers.permuted_targets import permute_residuals
from bids_deeptaskgen.biomarkers.problem import Floats, Problem, TableFeatures, Target
from bids_deeptaskgen.biomarkers.results.scores import NESTED, PUBLISHED, count_folds, main_score
from bids_deeptaskgen.biomarkers.results.scores import score_folds as score_all_folds
from bids_deeptaskgen.biomarkers.splits import random_folds, site_folds
from bids_deeptaskgen.stats.resampled_t import corrected_resampled_t

__all__ = ["NESTED", "PUBLISHED", "Analysis", "Outcome", "analyse", "score_folds"]

Columns = Mapping[str, NDArray[np.generic]]
_FEATURES = "maps"


class Analysis(NamedTuple):
    """Analysis of a trait.

    Attributes
    ----------
    target : str
        Column of the participants.
    confounds : tuple of str
    has_families : bool
        False to take each participant for a family.
    is_by_site : bool
        One fold for each site, in place of random ones.
    setup : {"nested", "deeptaskgen-2025"}
    classifier : {"logistic", "ridge"}
        Of categories, in the set-up ``nested``; the test is that of ridge regression in any case.
    """

    target: str
    confounds: tuple[str, ...] = ()
    has_families: bool = True
    is_by_site: bool = False
    setup: str = NESTED
    classifier: str = "logistic"


def make_problem(columns: Columns, analysis: Analysis, seed: int, n_repeats: int) -> Problem:
    """Build the problem of an analysis.

    Parameters
    ----------
    columns : dict of str to array of shape (n_participants,)
        See `traits.Traits`.
    analysis : Analysis
    seed : int
    n_repeats : int

    Returns
    -------
    Problem
    """
    values = columns[analysis.target]
    participants = tuple(f"{number:05d}" for number in range(len(values)))
    levels, codes = np.unique(values, return_inverse=True)
    is_number = values.dtype.kind == "f"
    target = (
        Target(analysis.target, "continuous", values.astype(np.float64))
        if is_number
        else Target(analysis.target, "categorical", codes.astype(np.float64), tuple(map(str, levels)))
    )
    families = columns["family_id"].tolist() if analysis.has_families else list(participants)
    if analysis.is_by_site:
        sites = columns["site_id"].tolist()
        folds = site_folds(sites, families, participants, column="site_id", seed=seed)
    else:
        folds = random_folds(target, families, n_folds=5, n_repeats=n_repeats, seed=seed)
    design = np.hstack([np.ones((len(values), 1)), *(_code(columns[name]) for name in analysis.confounds)])
    return Problem(target, participants, folds.families, design, analysis.confounds, folds)


def _code(values: NDArray[np.generic]) -> Floats:
    """Return a confound as columns of the design."""
    if values.dtype.kind == "f":
        numbers = values.astype(np.float64)
        return ((numbers - numbers.mean()) / numbers.std())[:, None]
    return (values[:, None] == np.unique(values)[1:]).astype(np.float64)


class Outcome(NamedTuple):
    """Result of an analysis.

    Attributes
    ----------
    score : float
        r of the prediction, confounds included; of categories, balanced accuracy.
    baseline : float
        The same score of the confounds alone; without confounds, that of a guess (0 for r).
    gain, low, high : float
        Partial r with its interval (``nested``, numbers); otherwise, score minus baseline.
    p : float
        Of the permutation test.
    """

    score: float
    baseline: float
    gain: float
    low: float
    high: float
    p: float


# Threads for matrices this small cost more than they save, above all on a busy machine.
@threadpool_limits.wrap(limits=1, user_api="blas")
def analyse(
    columns: Columns,
    maps: NDArray[np.float32],
    analysis: Analysis,
    seed: int,
    n_permutations: int,
    n_repeats: int = 1,
) -> Outcome:
    """Predict a trait from maps, and test the prediction.

    Parameters
    ----------
    columns : dict of str to array of shape (n_participants,)
    maps : float32 array of shape (n_participants, n_features)
    analysis : Analysis
    seed : int
        Of folds and permutations.
    n_permutations, n_repeats : int

    Returns
    -------
    Outcome
    """
    rng = np.random.default_rng([1, seed])
    problem = make_problem(columns, analysis, seed, n_repeats)
    features = _table(problem, maps)
    classifier = analysis.classifier
    if analysis.setup == PUBLISHED:
        problem = replace(
            problem, design=problem.design[:, :1], folds=published_folds(problem.n_participants)
        )
        predictions, test = cross_validate_published(problem, features, n_permutations, rng)
        classifier = "ridge"
    else:
        permuted = permute_residuals(problem, n_permutations, rng)
        predictions, test = cross_validate(problem, features, ModelOptions(classifier), permuted)
    name = "r" if problem.target.kind == "continuous" else "balanced_accuracy"
    scores, sizes = score_all_folds(problem, predictions), count_folds(problem)
    baseline = score_all_folds(problem, predict_from_confounds(problem, classifier))
    reference = baseline.get(name, np.zeros_like(scores[name]))
    gains = scores.get("partial_r", scores[name] - reference)
    gain = corrected_resampled_t(gains, sizes.n_test, sizes.n_train)
    p = test.p if test else float("nan")
    return Outcome(
        float(scores[name].mean()), float(reference.mean()), gain.mean, gain.ci_low, gain.ci_high, p
    )


class FoldScores(NamedTuple):
    """Main score of each fold.

    Attributes
    ----------
    values, n_test, n_train : array of shape (n_repeats, n_folds)
    """

    values: Floats
    n_test: NDArray[np.intp]
    n_train: NDArray[np.intp]


@threadpool_limits.wrap(limits=1, user_api="blas")
def score_folds(
    columns: Columns, maps: NDArray[np.float32], analysis: Analysis, seed: int, n_repeats: int
) -> FoldScores:
    """Compute the main score of each fold, without a test.

    Parameters
    ----------
    columns : dict of str to array of shape (n_participants,)
    maps : float32 array of shape (n_participants, n_features)
    analysis : Analysis
        In the set-up ``nested``.
    seed : int
    n_repeats : int

    Returns
    -------
    FoldScores
    """
    problem = make_problem(columns, analysis, seed, n_repeats)
    predictions, _ = cross_validate(problem, _table(problem, maps))
    sizes = count_folds(problem)
    values = score_all_folds(problem, predictions)[main_score(problem, NESTED)]
    return FoldScores(values, sizes.n_test, sizes.n_train)


def _table(problem: Problem, maps: NDArray[np.float32]) -> TableFeatures:
    names = tuple(f"voxel{number}" for number in range(maps.shape[1]))
    return TableFeatures(_FEATURES, problem.participants, names, maps)
