"""Results of analyses of random data, without models."""

import numpy as np

from bids_deeptaskgen.biomarkers.problem import (
    Folds,
    PermutationTest,
    Predictions,
    Problem,
    Target,
)
from bids_deeptaskgen.biomarkers.results.learning_curve import choose_sizes
from bids_deeptaskgen.biomarkers.results.scores import CONFOUNDS, NESTED, PUBLISHED
from bids_deeptaskgen.biomarkers.results.target_result import FeatureSet, TargetResult
from bids_deeptaskgen.biomarkers.results.write_results import write_results
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings

SIGNALS = {"wm": 0.9, "connectome": 0.45, "predicted_maps_of_all_47_contrasts_hcp-ya": 0.0}


def make_problem(
    kind="continuous",
    n=100,
    n_levels=0,
    n_folds=5,
    n_repeats=2,
    confounds=("age", "fd_mean_mm"),
    seed=0,
    family_column="family_id",
):
    """Draw a target that depends on the first confound."""
    rng = np.random.default_rng(seed)
    design = np.column_stack([np.ones(n), *rng.normal(size=(len(confounds), n))])
    values = design @ np.array([0, 1.0, 0, 0, 0, 0])[: design.shape[1]] + rng.normal(size=n)
    levels = ("f", "m", "other than f and m")[:n_levels]
    if levels:
        values = np.digitize(values, np.quantile(values, np.arange(1, n_levels) / n_levels)).astype(float)
    name = {0: "fluid intelligence (raw score)", 2: "sex", 3: "diagnosis"}[n_levels]
    families = np.arange(n) // 2
    numbers = np.array([rng.permutation(np.arange(n // 2) % n_folds)[families] for _ in range(n_repeats)])
    folds = Folds(numbers, families, "families whole, stratified by the target in 5 bins")
    participants = tuple(f"{number:04d}" for number in range(n))
    target = Target(name, kind, values, levels)
    return Problem(target, participants, families, design, confounds, folds, family_column=family_column)


def make_predictions(problem, signal, seed=0, is_linear=True):
    """Predict with the confounds of the training participants, and a noisy copy of their residuals."""
    rng = np.random.default_rng(seed)
    n_levels = len(problem.target.levels)
    columns = problem.target.values[:, None]
    if n_levels:
        columns = (columns == np.arange(n_levels)).astype(float)
    shape = (problem.folds.n_repeats, *columns.shape)
    values, residuals, targets = np.zeros((3, *shape))
    noise = rng.normal(size=columns.shape)
    for fold in problem.folds:
        x, y = problem.design[fold.train], columns[fold.train]
        expected = problem.design[fold.test] @ np.linalg.lstsq(x, y, rcond=None)[0]
        rest = columns[fold.test] - expected
        residuals[fold.repeat, fold.test] = 0.5 * signal * rest + 0.2 * noise[fold.test]
        targets[fold.repeat, fold.test] = rest
        values[fold.repeat, fold.test] = expected + residuals[fold.repeat, fold.test]
    penalties = 10.0 ** rng.integers(-3, 4, (problem.folds.n_repeats, problem.folds.n_folds))
    if signal is None:
        residuals = None
    return Predictions(values, residuals, targets, penalties) if is_linear else Predictions(values)


def make_result(
    kind="continuous", n_levels=0, n=100, published=True, n_permutations=200, curve=True, **options
):
    """Draw the results of a target."""
    problem = make_problem(kind, n, n_levels, **options)
    rng = np.random.default_rng(1)
    features = tuple(
        FeatureSet(name, 10 ** (number + 2), number != 1, f"description of {name}", number != 1)
        for number, name in enumerate(SIGNALS)
    )
    predictions, tests = {}, {}
    if problem.confounds:
        predictions[NESTED, CONFOUNDS] = make_predictions(problem, 0.0, is_linear=False)
    for number, (name, signal) in enumerate(SIGNALS.items()):
        predictions[NESTED, name] = make_predictions(problem, signal, number, is_linear=n_levels == 0)
        permuted = rng.normal(0, 0.08, n_permutations)
        tests[NESTED, name] = PermutationTest(0.6 * signal + rng.normal(0, 0.05), permuted)
    other_problem = None
    if published:
        numbers = rng.permutation(np.arange(n) % 5)[None]
        folds = Folds(numbers, np.arange(n), "5 random folds", 42)
        other_problem = Problem(
            problem.target, problem.participants, np.arange(n), np.ones((n, 1)), (), folds
        )
        for number, (name, signal) in enumerate(SIGNALS.items()):
            predictions[PUBLISHED, name] = make_predictions(
                other_problem, signal + 0.2, number, is_linear=False
            )
            permuted = rng.normal(0, 0.08, n_permutations)
            tests[PUBLISHED, name] = PermutationTest(0.6 * signal + 0.2, permuted)
    score = "AUC" if n_levels else "partial_r"
    curve_rows = []
    for name, signal in SIGNALS.items():
        for size in choose_sizes(4 * n // 5) if curve else ():
            row = {"target": problem.target.name, "features": name, "n_train": size, "score": score}
            ends = {"ci_low": 0.5 * signal - 10 / size, "ci_high": 0.5 * signal + 1 / size}
            curve_rows.append(row | {"value": 0.5 * signal - 5 / size} | ends)
    classifier = "logistic" if n_levels else ""
    return TargetResult(problem, features, predictions, tests, curve_rows, other_problem, classifier)


def write_made_results(out, results, excluded=(), facts=None, **values):
    """Write results with the settings that they would have, and return the path of the page."""
    settings = BiomarkersSettings(
        out=out,
        features=tuple(f"{item.name}=/data/store" for item in results[0].features),
        target=tuple(result.problem.target.name for result in results),
        confounds=results[0].problem.confounds,
        n_permutations=200,
        **values,
    )
    return write_results(out, results, settings, excluded, facts)
