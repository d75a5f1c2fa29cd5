"""Permuted targets of the Freedman-Lane test."""

import numpy as np

from bids_deeptaskgen.biomarkers.problem import Floats, Problem
from bids_deeptaskgen.stats.exchangeability import permutations


def permute_residuals(problem: Problem, n_permutations: int, rng: np.random.Generator) -> Floats:
    """Permute the part of the target that the confounds do not explain (Freedman and Lane 1983).

    Residuals of the target on the confounds of all participants are exchanged within families and between
    families of equal size. The fitted part would be removed again with the confounds of the training
    participants, so it is not added.

    Parameters
    ----------
    problem : Problem
    n_permutations : int
    rng : Generator

    Returns
    -------
    float64 array of shape (n_permutations, n_participants, n_target_columns)
    """
    columns = problem.target.columns
    coefficients = np.linalg.lstsq(problem.design, columns, rcond=None)[0]
    residuals = columns - problem.design @ coefficients
    permuted = np.empty((n_permutations, *residuals.shape))
    for number, order in enumerate(permutations(problem.families, n_permutations, rng)):
        permuted[number] = residuals[order]
    return permuted
