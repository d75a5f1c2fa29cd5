"""Pipelines that prepare the columns of a table within the training participants."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from bids_deeptaskgen.biomarkers.models.combat import SiteHarmonisation
from bids_deeptaskgen.biomarkers.models.confound_removal import ConfoundRemoval
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
    problem: Problem, features: TableFeatures, n_train: int, options: ModelOptions | None = None
) -> Pipeline:
    """Build the steps that prepare features: ComBat, removal of confounds, scaling and reduction.

    Parameters
    ----------
    problem : Problem
    features : TableFeatures
    n_train : int
        Number of training participants, which limits that of principal components.
    options : ModelOptions, optional
        By default, neither ComBat nor reduction.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Its input has the columns of `stack_columns`.

    Raises
    ------
    ValueError
        If ComBat is to be used and the problem has no sites.
    """
    options = options or ModelOptions()
    n_confounds = problem.design.shape[1] - 1
    steps: list[tuple[str, object]] = []
    if options.combat:
        if problem.sites is None:
            message = "`combat` needs `sites` of the participants, which this problem does not have."
            raise ValueError(message)
        steps.append(("combat", SiteHarmonisation(n_confounds, tuple(sorted(set(problem.sites))))))
    steps += [("confounds", ConfoundRemoval(n_confounds)), ("scaling", StandardScaler(copy=False))]
    if options.n_components:
        n_components = min(options.n_components, features.n_features, n_train - 1)
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
    columns = [problem.design[rows, 1:], features.values[rows].astype(np.float64)]
    if options and options.combat and problem.sites is not None:
        columns.insert(0, np.unique(problem.sites, return_inverse=True)[1][rows, None].astype(np.float64))
    return np.hstack(columns)
