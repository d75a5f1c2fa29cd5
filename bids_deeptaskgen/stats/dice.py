"""Overlap of the strongest voxels of measured and predicted maps."""

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from bids_deeptaskgen.stats.map_rows import Maps, Rows, Scores, has_variance, select_rows

# Shares of the voxels that count as active, strongest first.
DICE_SHARES = np.linspace(0.05, 0.5, 10)
# The curve runs from 0.05 to 0.5, so a constant overlap of 1 gives 0.45.
DICE_CEILING = float(DICE_SHARES[-1] - DICE_SHARES[0])
# Two independent sets of k of V voxels have an expected Dice coefficient of k / V.
DICE_CHANCE = float((DICE_SHARES[-1] ** 2 - DICE_SHARES[0] ** 2) / 2)


def dice_auc(measured: Maps, predicted: Maps | Rows) -> Scores:
    """Compute the area under the curve of Dice coefficients of the strongest voxels, regardless of sign.

    At each share of 0.05, 0.10, ... 0.50 of the voxels, a voxel is active if its absolute value exceeds that
    of the k-th strongest voxel, k being the share of the voxels rounded down. The Dice coefficients (1 where
    both maps have no active voxel) are integrated by the trapezoid rule.

    Parameters
    ----------
    measured : array of shape (n_participants, n_voxels)
        Measured maps.
    predicted : array of shape (n_participants, n_voxels) or (n_voxels,)
        One map per participant, or one map for all.

    Returns
    -------
    array of shape (n_participants,)
        0 to ``DICE_CEILING``; the expected value of unrelated maps is ``DICE_CHANCE``. NaN if a map is
        constant or not finite.

    Examples
    --------
    A map has the largest possible area with itself.

    >>> maps = np.arange(40.0)[None]
    >>> dice_auc(maps, maps).round(2)
    array([0.45])
    """
    scores = np.full(len(measured), np.nan)
    for participant in range(len(measured)):
        row = slice(participant, participant + 1)
        x, y = measured[row], np.atleast_2d(select_rows(predicted, row))
        if has_variance(x)[0] and has_variance(y)[0]:
            dice = _dice(_first_share(x[0]), _first_share(y[0]))
            scores[participant] = trapezoid(dice, dx=float(DICE_SHARES[1] - DICE_SHARES[0]))
    return scores


def _first_share(values: Maps) -> NDArray[np.intp]:
    """Find for each voxel the first share at which it is active; the number of shares if it never is."""
    strength = np.abs(values)
    n_voxels = len(strength)
    # A product such as 0.15 * 20 may fall short of 3 by rounding.
    k = (DICE_SHARES * n_voxels + 1e-9).astype(int)
    places = n_voxels - np.maximum(k, 1)
    thresholds = np.partition(strength, places)[places]
    # Thresholds fall as the share grows; searchsorted needs rising values.
    return np.searchsorted(-thresholds, -strength, side="right")


def _dice(x: NDArray[np.intp], y: NDArray[np.intp]) -> Scores:
    """Compute the Dice coefficient at each share, from the first shares at which voxels are active."""
    n = len(DICE_SHARES)
    n_common, n_left, n_right = (
        np.bincount(first, minlength=n + 1)[:n].cumsum() for first in (np.maximum(x, y), x, y)
    )
    size = n_left + n_right
    return np.where(size > 0, 2 * n_common / np.maximum(size, 1), 1.0)
