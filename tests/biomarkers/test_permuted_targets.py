"""Permuted residuals of targets."""

import numpy as np

from bids_deeptaskgen.biomarkers.permuted_targets import permute_residuals
from bids_deeptaskgen.biomarkers.problem import Folds, Problem, Target

N = 30


def make_problem(target, design=None, families=None):
    families = np.arange(N) if families is None else families
    numbers = (np.arange(N) % 5)[None]
    design = np.ones((N, 1)) if design is None else design
    return Problem(target, tuple(map(str, range(N))), families, design, (), Folds(numbers, families))


def test_residuals_are_permuted_and_orthogonal_to_the_confounds_before():
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(N), rng.standard_normal((N, 2))])
    target = Target("age", "continuous", design @ [50, 3, 1] + rng.standard_normal(N))
    permuted = permute_residuals(make_problem(target, design), 20, rng)
    residual = target.values - design @ np.linalg.lstsq(design, target.values, rcond=None)[0]
    assert permuted.shape == (20, N, 1)
    np.testing.assert_allclose(np.sort(permuted[:, :, 0]), np.tile(np.sort(residual), (20, 1)), atol=1e-9)
    assert len(np.unique(permuted[:, 0, 0].round(9))) > 5


def test_without_confounds_the_mean_is_removed():
    target = Target("age", "continuous", np.arange(N, dtype=float))
    permuted = permute_residuals(make_problem(target), 3, np.random.default_rng(0))
    np.testing.assert_allclose(permuted.mean(axis=1), 0, atol=1e-9)


def test_columns_of_categories_are_permuted_as_rows():
    target = Target("dx", "categorical", np.arange(N) % 3.0, ("a", "b", "c"))
    permuted = permute_residuals(make_problem(target), 4, np.random.default_rng(0))
    assert permuted.shape == (4, N, 3)
    np.testing.assert_allclose(permuted.sum(axis=2), 0, atol=1e-9)


def test_a_target_that_families_share_stays_shared():
    families = np.repeat(np.arange(N // 2), 2)
    target = Target("iq", "continuous", families.astype(float) ** 2)
    permuted = permute_residuals(make_problem(target, families=families), 10, np.random.default_rng(0))
    np.testing.assert_allclose(permuted[:, ::2], permuted[:, 1::2])


def test_dependent_columns_of_the_design_do_no_harm():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(N)
    target = Target("age", "continuous", rng.standard_normal(N))
    results = [
        permute_residuals(make_problem(target, np.column_stack(columns)), 2, np.random.default_rng(1))
        for columns in ([np.ones(N), x], [np.ones(N), x, 2 * x + 1])
    ]
    np.testing.assert_allclose(results[0], results[1], atol=1e-9)
