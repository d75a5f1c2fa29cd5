"""Permuted targets of the Freedman-Lane test."""

import logging
import math

import numpy as np

from bids_deeptaskgen.biomarkers.problem import Floats, Problem
from bids_deeptaskgen.stats.exchangeability import log10_arrangements, permutations

logger = logging.getLogger("bids_deeptaskgen")


def permute_residuals(problem: Problem, n_permutations: int, rng: np.random.Generator) -> Floats:
    """Draw permutations of the part of the target that the confounds do not explain (Freedman and Lane 1983).

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
    residuals = residual_target(problem)
    permuted = np.empty((n_permutations, *residuals.shape))
    for number, order in enumerate(permutations(problem.families, n_permutations, rng)):
        permuted[number] = residuals[order]
    return permuted


def residual_target(problem: Problem) -> Floats:
    """Remove the confounds from the target of all participants by least squares.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    float64 array of shape (n_participants, n_target_columns)
    """
    columns = problem.target.columns
    coefficients = np.linalg.lstsq(problem.design, columns, rcond=None)[0]
    return np.asarray(columns - problem.design @ coefficients)


def warn_of_few_permutations(problem: Problem, n_permutations: int) -> None:
    """Warn if the families have fewer different permutations of the target than are requested.

    Parameters
    ----------
    problem : Problem
    n_permutations : int
    """
    # Equal residuals differ by rounding errors.
    scale = np.abs(problem.target.columns).max()
    rows = np.round(residual_target(problem) / scale, 9)
    codes = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
    logarithm = log10_arrangements(codes, problem.families)
    if n_permutations and logarithm < math.log10(n_permutations):
        n_results = round(10**logarithm)
        logger.warning(
            "Target %s: within and between families of equal size, it has %d different permutations, fewer "
            "than `n_permutations` (%d). Its p values cannot be smaller than 1/%d.",
            problem.target.name, n_results, n_permutations, n_results,
        )  # fmt: skip
