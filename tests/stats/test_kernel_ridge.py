import numpy as np
import pytest

from bids_deeptaskgen.stats.kernel_ridge import KernelRidge


def draw(seed, n=40, n_features=60, n_confounds=2, n_targets=3):
    rng = np.random.default_rng(seed)
    design = np.hstack([np.ones((n, 1)), rng.normal(size=(n, n_confounds))])
    features = rng.normal(size=(n, n_features)) + design @ rng.normal(size=(1 + n_confounds, n_features))
    return features, design, rng.normal(size=(n, n_targets))


def explicit_residuals(features, design, targets, penalty, train, test):
    """Regress target and features on confounds in the training participants, then fit ridge regression."""
    values = np.hstack([features, targets])
    values = values - design @ np.linalg.lstsq(design[train], values[train])[0]
    x, y = np.hsplit(values, [features.shape[1]])
    weights = np.linalg.solve(x[train].T @ x[train] + penalty * np.eye(x.shape[1]), x[train].T @ y[train])
    return y[test] - x[test] @ weights


@pytest.mark.parametrize("use_inverse", [False, True])
@pytest.mark.parametrize("n_train", [12, 20, 30, 39])
@pytest.mark.parametrize("penalty", [1e-2, 10.0, 1e5])
def test_residuals_equal_those_of_a_fit_of_the_training_participants(n_train, penalty, use_inverse):
    features, design, targets = draw(n_train)
    order = np.random.default_rng(0).permutation(40)
    train, excluded = np.sort(order[:n_train]), np.sort(order[n_train:])
    for test in (excluded, excluded[::3]):
        ridge = KernelRidge(features @ features.T, design, targets, penalty, use_inverse=use_inverse)
        expected = explicit_residuals(features, design, targets, penalty, train, test)
        np.testing.assert_allclose(ridge.compute_residuals(train, test), expected, atol=1e-8)


def test_a_constant_in_all_features_has_no_effect():
    features, design, targets = draw(1)
    train, test = np.arange(30), np.arange(30, 40)
    residuals = [
        KernelRidge(x @ x.T, design, targets, 1.0).compute_residuals(train, test)
        for x in (features, features + 1000)
    ]
    np.testing.assert_allclose(*residuals, atol=1e-6)


def test_more_participants_than_a_block_of_the_inverse():
    features, design, targets = draw(2, n=1100, n_features=5)
    train, test = np.arange(1000), np.arange(1000, 1100)
    residuals = KernelRidge(features @ features.T, design, targets, 1.0).compute_residuals(train, test)
    expected = explicit_residuals(features, design, targets, 1.0, train, test)
    np.testing.assert_allclose(residuals, expected, atol=1e-8)


@pytest.mark.parametrize("n_train", [10, 30])
def test_a_kernel_that_is_not_positive_definite_is_refused(n_train):
    _, design, targets = draw(3)
    ridge = KernelRidge(-np.eye(40), design, targets, 0.5)
    with pytest.raises(ValueError, match="not positive definite"):
        ridge.compute_residuals(np.arange(n_train), np.arange(n_train, 40))


def test_the_kernel_is_not_changed():
    features, design, targets = draw(4)
    kernel = features @ features.T
    copy = kernel.copy()
    KernelRidge(kernel, design, targets, 0.5).compute_residuals(np.arange(30), np.arange(30, 40))
    np.testing.assert_array_equal(kernel, copy)
