import numpy as np
import pytest

from bids_deeptaskgen.stats.confound_regression import compute_basis, regress


def draw(n=30, n_confounds=4, seed=0):
    rng = np.random.default_rng(seed)
    return np.hstack([np.ones((n, 1)), rng.normal(3, 100, (n, n_confounds))]), rng.normal(size=(n, 2))


def test_coefficients_equal_least_squares():
    design, values = draw()
    np.testing.assert_allclose(regress(design, values), np.linalg.lstsq(design, values)[0], atol=1e-10)


def test_the_basis_is_orthonormal():
    design, _ = draw()
    basis = compute_basis(design)
    np.testing.assert_allclose((design @ basis).T @ (design @ basis), np.eye(5), atol=1e-10)


@pytest.mark.parametrize("copy", [lambda x: x, lambda x: 1000 * x, lambda x: -2 * x + 7, np.zeros_like])
def test_dependent_and_constant_confounds_change_no_fitted_value(copy):
    design, values = draw()
    larger = np.column_stack([design, copy(design[:, 2])])
    assert compute_basis(larger).shape == (6, 5)
    np.testing.assert_allclose(larger @ regress(larger, values), design @ regress(design, values), atol=1e-9)


def test_a_confound_that_is_constant_has_no_coefficient():
    design, values = draw()
    design[:, 3] = 5
    assert not regress(design, values)[3].any()


def test_a_site_without_participants_is_predicted_as_a_mean_over_sites():
    sites = np.repeat([0, 1], 10)
    design = np.column_stack([np.ones(20), sites[:, None] == np.arange(3)])
    coefficients = regress(design, np.where(sites == 0, 1.0, 5.0)[:, None])
    np.testing.assert_allclose([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]] @ coefficients, [[1], [5], [3]])


def test_fewer_participants_than_confounds_are_reproduced_exactly():
    design, values = draw(n=4, n_confounds=8)
    assert compute_basis(design).shape == (9, 4)
    np.testing.assert_allclose(design @ regress(design, values), values, atol=1e-9)


def test_ones_alone_are_the_mean():
    values = np.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(regress(np.ones((3, 1)), values), [[2, 3]])
