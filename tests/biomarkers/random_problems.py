"""Random prediction problems, and their explicit analysis fold by fold."""

from dataclasses import replace

import numpy as np
from sklearn.decomposition import PCA
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bids_deeptaskgen.biomarkers.models.penalty_selection import PENALTIES
from bids_deeptaskgen.biomarkers.problem import Folds, KernelFeatures, Problem, TableFeatures, Target

LEVELS = ("a", "b", "c")


def random_problem(seed, *, n=60, n_levels=0, n_folds=5, n_repeats=2, leave_one_site_out=False):
    """Draw families of 1 to 3, two confounds and sites, with a target that depends on them."""
    rng = np.random.default_rng(seed)
    families = np.unique(np.repeat(np.arange(n), rng.integers(1, 4, n))[:n], return_inverse=True)[1]
    order = rng.permutation(n)
    families = families[order]
    n_families = families.max() + 1
    sites = (rng.permutation(n_families) % 3)[families]
    draws = [rng.permutation(np.arange(n_families) % n_folds) for _ in range(n_repeats)]
    numbers = sites[None] if leave_one_site_out else np.stack(draws)[:, families]
    site_columns = (sites[:, None] == [0, 1, 2]).astype(float)
    design = np.hstack([np.ones((n, 1)), rng.normal(size=(n, 2)), site_columns])
    values = rng.normal(size=n) + design @ np.insert(rng.normal(size=5), 3, 0)
    levels = LEVELS[:n_levels]
    if levels:
        values = np.argsort(np.argsort(values)) * n_levels // n
    return Problem(
        target=Target("y", "categorical" if levels else "continuous", values.astype(float), levels),
        participants=tuple(f"{number:03d}" for number in range(n)),
        families=families,
        design=design,
        confounds=("age", "sex", "site"),
        folds=Folds(numbers, families, seed=seed),
        sites=tuple(f"site{site}" for site in sites),
    )


def random_table(problem, seed, n_columns=8):
    """Draw features that depend on the target and the confounds; their scales and means differ."""
    rng = np.random.default_rng([seed, 1])
    values = rng.normal(size=(problem.n_participants, n_columns))
    values[:, :3] += problem.target.values[:, None] / 3
    values += problem.design[:, 1:] @ rng.normal(size=(problem.design.shape[1] - 1, n_columns))
    values = values * rng.uniform(0.1, 10, n_columns) + rng.normal(size=n_columns) * 5
    columns = tuple(f"x{number}" for number in range(n_columns))
    return TableFeatures("table", problem.participants, columns, values.astype(np.float32))


def kernel_of(table):
    """Compute the linear kernel of a table, scaled as that of maps."""
    deviations = table.values - table.values.mean(axis=0, dtype=np.float64)
    kernel = deviations @ deviations.T
    scaled = kernel / np.diag(kernel).mean()
    return KernelFeatures("kernel", table.participants, scaled, kernel, table.n_features)


def random_permutations(problem, seed, n_permutations=3):
    """Permute the residual target freely."""
    rng = np.random.default_rng([seed, 2])
    columns = problem.target.columns
    residuals = columns - problem.design @ np.linalg.lstsq(problem.design, columns)[0]
    return np.stack([residuals[rng.permutation(len(residuals))] for _ in range(n_permutations)])


def with_values(problem, values):
    """Replace the values of the target."""
    return replace(problem, target=replace(problem.target, values=np.asarray(values, float)))


def explicit_removal(design, values, train):
    """Remove confounds by the least squares solution of smallest norm, of centred confounds of length 1."""
    means, scales = design[train, 1:].mean(axis=0), design[train, 1:].std(axis=0)
    z = (design[:, 1:] - means) / np.where(scales > 1e-9, scales, np.inf)
    average = values[train].mean(axis=0)
    return values - average - z @ (np.linalg.pinv(z[train], rcond=1e-9) @ (values[train] - average))


def explicit_kernel_fold(problem, kernel, columns, fold):
    """Predict residual columns of a fold's test participants; return penalty, targets and predictions."""
    errors = np.zeros(len(PENALTIES))
    for rows in fold.inner:
        train = np.setdiff1d(fold.train, rows)
        for number, penalty in enumerate(PENALTIES):
            targets, predictions = explicit_kernel_fit(problem.design, kernel, columns, train, rows, penalty)
            errors[number] += ((targets - predictions) ** 2).sum()
    penalty = PENALTIES[errors.argmin()]
    return penalty, *explicit_kernel_fit(problem.design, kernel, columns, fold.train, fold.test, penalty)


def explicit_kernel_fit(design, kernel, columns, train, test, penalty):
    """Remove confounds from target and kernel in the training participants, and fit scikit-learn's model."""
    residuals = explicit_removal(design, columns, train)
    # On both sides, since the kernel is a product of features.
    projected = explicit_removal(design, kernel, train)
    projected = explicit_removal(design, projected.T, train).T
    model = KernelRidge(alpha=penalty, kernel="precomputed")
    model.fit(projected[np.ix_(train, train)], residuals[train])
    return residuals[test], model.predict(projected[np.ix_(test, train)])


def explicit_table_fit(problem, values, columns, train, test, number, n_components=0):
    """Prepare a table in the training participants, and fit scikit-learn's ridge regression."""
    targets = explicit_removal(problem.design, columns, train)
    features = explicit_removal(problem.design, np.asarray(values, float), train)
    steps = [StandardScaler(), PCA(n_components)] if n_components else [StandardScaler()]
    pipeline = make_pipeline(*steps).fit(features[train])
    prepared = pipeline.transform(features)
    penalty = PENALTIES[number] * (prepared[train] ** 2).sum(axis=1).mean()
    model = Ridge(alpha=penalty, solver="svd").fit(prepared[train], targets[train])
    return penalty, targets[test], model.predict(prepared[test]).reshape(len(test), -1)


def explicit_table_fold(problem, values, columns, fold, n_components=0):
    """Predict residual columns of a fold's test participants; return penalty, targets and predictions."""
    errors = np.zeros(len(PENALTIES))
    for rows in fold.inner:
        train = np.setdiff1d(fold.train, rows)
        for number in range(len(PENALTIES)):
            fit = explicit_table_fit(problem, values, columns, train, rows, number, n_components)
            errors[number] += ((fit[1] - fit[2]) ** 2).sum()
    number = errors.argmin()
    return explicit_table_fit(problem, values, columns, fold.train, fold.test, number, n_components)
