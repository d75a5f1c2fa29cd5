"""Coordinates of participants, such that a penalised model of them equals one of residual features."""

import numpy as np
from sklearn.pipeline import Pipeline

from bids_deeptaskgen.biomarkers.models.pipelines import ModelOptions, build_pipeline, stack_columns
from bids_deeptaskgen.biomarkers.problem import (
    Features,
    Floats,
    Integers,
    KernelFeatures,
    Problem,
    TableFeatures,
)
from bids_deeptaskgen.stats.confound_regression import compute_basis

# Smaller eigenvalues of a kernel, relative to the largest, are rounding of float32 values.
_ROUNDING = 1e-6


class TableCoordinates:
    """Coordinates from the columns of a table, prepared within the training participants.

    Parameters
    ----------
    problem : Problem
    features : TableFeatures
    train : integer array
        Numbers of the training participants.
    options : ModelOptions
        ComBat and number of principal components.

    Attributes
    ----------
    unit : float
        Mean diagonal of the kernel of the prepared features of the training participants, the unit of
        penalties. Coordinates are divided by its root.
    """

    def __init__(
        self, problem: Problem, features: TableFeatures, train: Integers, options: ModelOptions
    ) -> None:
        self._problem, self._features, self._options = problem, features, options
        self._pipeline: Pipeline = build_pipeline(problem, features, len(train), options)
        prepared = self._pipeline.fit_transform(stack_columns(problem, features, train, options))
        self.unit = float((prepared**2).sum(axis=1).mean()) or 1.0
        # With more columns than participants, rotated columns beyond the number of participants are zero.
        self._rotation: Floats | None = None
        if prepared.shape[1] > len(train):
            values, vectors = _decompose(prepared @ prepared.T)
            self._rotation = prepared.T @ (vectors / np.sqrt(values))

    def compute(self, rows: Integers) -> Floats:
        """Compute the coordinates of participants.

        Parameters
        ----------
        rows : integer array
            Numbers of the participants.

        Returns
        -------
        float64 array of shape (n_rows, n_coordinates)
        """
        columns = stack_columns(self._problem, self._features, rows, self._options)
        prepared = self._pipeline.transform(columns)
        rotated = prepared if self._rotation is None else prepared @ self._rotation
        coordinates: Floats = rotated / np.sqrt(self.unit)
        return coordinates


class KernelCoordinates:
    """Coordinates from eigenvectors of a kernel, without the confounds of the training participants.

    The products of coordinates equal the kernel of features after removal of the confounds, so that penalised
    models of both are the same
    (Schölkopf et al. 1998, Neural Computation 10:1299).

    Parameters
    ----------
    problem : Problem
    features : KernelFeatures
    train : integer array
        Numbers of the training participants.

    Attributes
    ----------
    unit : float
        1, as the diagonal of the kernel has the mean 1 over all participants.
    """

    unit = 1.0

    def __init__(self, problem: Problem, features: KernelFeatures, train: Integers) -> None:
        self._kernel, self._design, self._train = features.kernel, problem.design, train
        self._basis = compute_basis(problem.design[train])
        self._train_kernel = self._kernel[np.ix_(train, train)].astype(np.float64)
        self._confounds = self._design[train] @ self._basis
        values, vectors = _decompose(self._project(train))
        self._rotation = vectors / np.sqrt(values)

    def compute(self, rows: Integers) -> Floats:
        """Compute the coordinates of participants.

        Parameters
        ----------
        rows : integer array
            Numbers of the participants.

        Returns
        -------
        float64 array of shape (n_rows, n_coordinates)
        """
        coordinates: Floats = self._project(rows) @ self._rotation
        return coordinates

    def _project(self, rows: Integers) -> Floats:
        """Return products of residual features of participants and training participants."""
        products = self._kernel[np.ix_(rows, self._train)].astype(np.float64)
        products -= self._design[rows] @ self._basis @ (self._confounds.T @ self._train_kernel)
        products -= products @ self._confounds @ self._confounds.T
        return products


def compute_coordinates(
    problem: Problem, features: Features, train: Integers, options: ModelOptions
) -> TableCoordinates | KernelCoordinates:
    """Prepare the coordinates of features within training participants.

    Parameters
    ----------
    problem : Problem
    features : TableFeatures or KernelFeatures
    train : integer array
        Numbers of the training participants.
    options : ModelOptions

    Returns
    -------
    TableCoordinates or KernelCoordinates
    """
    if isinstance(features, TableFeatures):
        return TableCoordinates(problem, features, train, options)
    return KernelCoordinates(problem, features, train)


def _decompose(kernel: Floats) -> tuple[Floats, Floats]:
    """Return positive eigenvalues of a kernel and their eigenvectors."""
    values, vectors = np.linalg.eigh((kernel + kernel.T) / 2)
    is_positive = values > _ROUNDING * max(values.max(initial=0), np.finfo(np.float64).tiny)
    return values[is_positive], vectors[:, is_positive]
