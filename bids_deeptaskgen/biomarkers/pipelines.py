"""Pipelines that prepare the columns of a table within the training participants."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from bids_deeptaskgen.biomarkers.confound_removal import ConfoundRemoval
from bids_deeptaskgen.biomarkers.problem import Floats, Integers, Problem, TableFeatures


@dataclass(frozen=True)
class ModelOptions:
    """Options of models.

    Attributes
    ----------
    classifier : {"logistic", "ridge"}
        Model of categorical targets.
    n_components : int
        Principal components of tables; 0 keeps all columns.
    combat : bool
        Harmonise tables over the sites of the problem.
    """

    classifier: str = "ridge"
    n_components: int = 0
    combat: bool = False


def build_pipeline(
    n_confounds: int, n_features: int, n_train: int, options: ModelOptions | None = None
) -> Pipeline:
    """Build the steps that prepare features: ComBat, removal of confounds, scaling and reduction.

    Parameters
    ----------
    n_confounds : int
        Number of columns of confounds, without ones.
    n_features, n_train : int
        Limits of the number of principal components.
    options : ModelOptions, optional
        By default, neither ComBat nor reduction.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Its input has the columns of `stack_columns`: the number of the site if ComBat is used, confounds,
        and features.
    """
    options = options or ModelOptions()
    steps: list[tuple[str, object]] = [
        ("confounds", ConfoundRemoval(n_confounds)),
        ("scaling", StandardScaler(copy=False)),
    ]
    if options.n_components:
        n_components = min(options.n_components, n_features, n_train - 1)
        steps.append(("reduction", PCA(n_components, random_state=0)))
    return Pipeline(steps)


def stack_columns(
    problem: Problem, features: TableFeatures, rows: Integers, options: ModelOptions | None = None
) -> Floats:
    """Stack the columns of participants for a pipeline.

    Parameters
    ----------
    problem : Problem
    features : TableFeatures
        With the participants of the problem.
    rows : integer array
        Numbers of the participants.
    options : ModelOptions, optional

    Returns
    -------
    float64 array of shape (n_rows, n_columns)
        The number of the site if ComBat is used, confounds, and features.
    """
    return np.hstack([problem.design[rows, 1:], features.values[rows].astype(np.float64)])
