from dataclasses import replace

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.preprocessing import KernelCenterer

from bids_deeptaskgen.biomarkers.models.published_setup import cross_validate_published, published_folds
from tests.biomarkers.random_problems import kernel_of, random_problem, random_table, with_values

FOLDS = KFold(5, shuffle=True, random_state=42)


def run(problem, features, n_permutations=0):
    return cross_validate_published(problem, features, n_permutations, np.random.default_rng(0))


def test_tables_are_analysed_as_in_the_public_code():
    problem = random_problem(0)
    table = random_table(problem, 0)
    predictions, test = run(problem, table)
    model = Ridge(solver="lsqr", alpha=8 / 48)
    expected = cross_val_predict(model, table.values.astype(float), problem.target.values, cv=FOLDS)
    np.testing.assert_allclose(predictions.values[0, :, 0], expected)
    y = problem.target.values
    r = [np.corrcoef(y[rows], expected[rows])[0, 1] for _, rows in FOLDS.split(y)]
    assert test.statistic == pytest.approx(np.mean(r), abs=1e-2)
    assert np.isnan(test.p)


@pytest.mark.parametrize("n_levels", [2, 3])
def test_categories_are_analysed_as_in_the_public_code(n_levels):
    problem = random_problem(1, n_levels=n_levels, n=80)
    table = random_table(problem, 1)
    predictions, test = run(problem, table)
    model = RidgeClassifier(solver="lsqr", alpha=8 / 64)
    expected = cross_val_predict(model, table.values.astype(float), problem.target.values, cv=FOLDS)
    np.testing.assert_array_equal(predictions.values[0].argmax(axis=1), expected)
    y = problem.target.values
    accuracy = [balanced_accuracy_score(y[rows], expected[rows]) for _, rows in FOLDS.split(y)]
    assert test.statistic == pytest.approx(np.mean(accuracy), abs=0.02)


@pytest.mark.parametrize("n", [60, 63])
def test_kernels_are_analysed_by_kernel_ridge_regression(n):
    problem = random_problem(2, n=n)
    features = kernel_of(random_table(problem, 2, 100))
    predictions, test = run(problem, features)
    correlations = []
    y = problem.target.values
    for train, rows in FOLDS.split(y):
        centring = KernelCenterer().fit(features.unscaled_kernel[np.ix_(train, train)])
        kernel = centring.transform(features.unscaled_kernel[np.ix_(train, train)])
        model = KernelRidge(alpha=100 / len(train), kernel="precomputed").fit(
            kernel, y[train] - y[train].mean()
        )
        products = centring.transform(features.unscaled_kernel[np.ix_(rows, train)])
        expected = model.predict(products) + y[train].mean()
        np.testing.assert_allclose(predictions.values[0, rows, 0], expected, atol=1e-6)
        correlations.append(np.corrcoef(expected, y[rows])[0, 1])
    assert test.statistic == pytest.approx(np.mean(correlations))


@pytest.mark.parametrize("n_levels", [0, 2, 3])
@pytest.mark.parametrize("kind", ["table", "kernel"])
def test_permuted_labels_are_analysed_like_the_target(kind, n_levels):
    problem = random_problem(3, n_levels=n_levels)
    table = random_table(problem, 3)
    features = table if kind == "table" else kernel_of(table)
    _, test = run(problem, features, n_permutations=3)
    rng = np.random.default_rng(0)
    for statistic in test.permuted:
        permuted = with_values(problem, problem.target.values[rng.permutation(60)])
        assert run(permuted, features)[1].statistic == pytest.approx(statistic)


def test_families_and_confounds_have_no_effect():
    problem = random_problem(4)
    table = random_table(problem, 4)
    plain = replace(problem, design=problem.design[:, :1], families=np.arange(60))
    np.testing.assert_array_equal(run(problem, table)[0].values, run(plain, table)[0].values)


def test_p_counts_the_target():
    problem = random_problem(5)
    table = random_table(problem, 5)
    table = replace(table, values=table.values + 9 * problem.target.values[:, None].astype(np.float32))
    assert run(problem, table, n_permutations=9)[1].p == pytest.approx(0.1)


def test_folds_are_those_of_scikit_learn():
    tests = [fold.test.tolist() for fold in published_folds(63)]
    assert tests == [rows.tolist() for _, rows in FOLDS.split(np.zeros(63))]


def test_a_kernel_of_scaled_contrasts_is_refused():
    problem = random_problem(0)
    features = replace(kernel_of(random_table(problem, 0)), unscaled_kernel=None)
    with pytest.raises(ValueError, match="computed for scaled maps only"):
        run(problem, features)
