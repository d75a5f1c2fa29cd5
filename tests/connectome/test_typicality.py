"""The distance of a connectome against a dense covariance matrix, and what it detects."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.connectome.typicality import (
    ConnectomeDistribution,
    fisher_z,
    typicality,
    upper_triangle,
)

N_ROIS, N_PAIRS = 5, 10


def connectome_of(values):
    """Build a connectome from the Fisher z of its pairs."""
    connectome = np.eye(N_ROIS)
    connectome[np.triu_indices(N_ROIS, 1)] = np.tanh(values)
    return np.triu(connectome) + np.triu(connectome, 1).T


def random_distribution(seed=0, n_components=3, shrinkage=0.3):
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((N_PAIRS, N_PAIRS)))[0][:n_components]
    variances = rng.uniform(1, 3, n_components)
    isotropic = float(variances.sum() / N_PAIRS + 0.2 * (n_components < N_PAIRS))
    mean = rng.normal(0, 0.3, N_PAIRS)
    return ConnectomeDistribution(mean, basis, variances, shrinkage, isotropic, 20)


def dense_covariance(distribution):
    """Build the covariance matrix from its definition."""
    basis, variances = distribution.basis, distribution.variances
    along = basis.T @ np.diag(variances) @ basis
    total = distribution.isotropic_variance * N_PAIRS
    n_others = max(N_PAIRS - len(basis), 1)
    sample = along + (total - variances.sum()) / n_others * (np.eye(N_PAIRS) - basis.T @ basis)
    return (
        1 - distribution.shrinkage
    ) * sample + distribution.shrinkage * distribution.isotropic_variance * np.eye(N_PAIRS)


@given(
    seed=st.integers(0, 2**32 - 1),
    n_components=st.integers(1, N_PAIRS),
    shrinkage=st.floats(0.01, 1),
)
def test_the_distance_is_that_of_the_dense_covariance_matrix(seed, n_components, shrinkage):
    distribution = random_distribution(seed, n_components, shrinkage)
    values = np.random.default_rng(seed + 1).normal(0, 0.5, N_PAIRS)
    deviation = values - distribution.mean
    expected = np.sqrt(deviation @ np.linalg.solve(dense_covariance(distribution), deviation) / N_PAIRS)
    assert distribution.mahalanobis_distance(connectome_of(values)) == pytest.approx(expected, rel=1e-4)


def test_the_mean_square_of_the_distances_of_the_distribution_is_1():
    distribution = random_distribution()
    values = np.random.default_rng(1).multivariate_normal(
        distribution.mean, dense_covariance(distribution), size=4000
    )
    # The relative error of the mean of 4000 chi squared values with 10 degrees of freedom is 0.7%.
    assert (distribution.distances(values) ** 2).mean() == pytest.approx(1, abs=0.04)


def test_the_mean_has_distance_0_and_correlation_1():
    distribution = random_distribution()
    mean = connectome_of(distribution.mean)
    assert distribution.mahalanobis_distance(mean) == pytest.approx(0, abs=1e-9)
    assert distribution.correlation_with_mean(mean) == pytest.approx(1, abs=1e-6)


def test_the_mean_connectome_consists_of_correlations():
    distribution = replace(random_distribution(), mean=np.full(N_PAIRS, np.arctanh(0.5)))
    assert distribution.mean_roi_connectome == (0.5,) * N_PAIRS


def test_a_connectome_with_an_roi_without_signal_has_no_distance():
    connectome = connectome_of(np.zeros(N_PAIRS))
    connectome[2] = connectome[:, 2] = np.nan
    assert random_distribution().mahalanobis_distance(connectome) is None
    assert random_distribution().correlation_with_mean(connectome) is None


def test_identical_rois_have_a_finite_distance():
    assert np.isfinite(random_distribution().mahalanobis_distance(np.ones((N_ROIS, N_ROIS))))


def test_the_reference_lists_all_quantiles_as_json_values():
    distribution = replace(random_distribution(), quantiles={"q50": 1.23456789, "q95": None, "max": 2.0})
    assert distribution.reference == {
        "n_participants": 20, "q05": None, "q50": 1.23457, "q95": None, "q99": None, "max": 2.0,
    }  # fmt: skip


def test_pairs_are_read_row_by_row_above_the_diagonal():
    matrix = np.arange(16.0).reshape(4, 4)
    assert upper_triangle(matrix).tolist() == [1, 2, 3, 6, 7, 11]


def test_fisher_z_is_the_inverse_of_tanh_and_finite():
    values = np.linspace(-3, 3, 13)
    np.testing.assert_allclose(fisher_z(np.tanh(values)), values, atol=1e-9)
    assert np.isfinite(fisher_z(np.array([-1.0, 1.0, 1.1]))).all()


def test_typicality_is_the_correlation_of_the_pairs():
    pairs = np.random.default_rng(0).standard_normal(6)
    connectome = np.eye(4)
    connectome[np.triu_indices(4, 1)] = pairs
    # What is below the diagonal is not read.
    assert typicality(connectome, tuple(2 * pairs + 1)) == 1
    assert typicality(connectome, tuple(-pairs)) == -1
    reversed_pairs = tuple(pairs[::-1])
    assert typicality(connectome, reversed_pairs) == pytest.approx(
        np.corrcoef(pairs, reversed_pairs)[0, 1], abs=1e-5
    )
    connectome[0, 1] = np.nan
    assert typicality(connectome, reversed_pairs) is None
    assert typicality(np.eye(4), reversed_pairs) is None
    assert typicality(connectome, None) is None
