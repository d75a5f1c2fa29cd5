"""How far the strongest voxels of measured and predicted maps are the same."""

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from bids_deeptaskgen.stats.map_rows import Maps, Rows, Scores, has_variance, select_rows

# Shares of the voxels that count as active, strongest first.
DICE_SHARES = np.linspace(0.05, 0.5, 10)
# The curve runs from 0.05 to 0.5, so an overlap of 1 all along gives 0.45.
DICE_CEILING = float(DICE_SHARES[-1] - DICE_SHARES[0])
# Sets of k voxels that know nothing of each other overlap in k of V: a Dice coefficient of k / V.
DICE_CHANCE = float((DICE_SHARES[-1] ** 2 - DICE_SHARES[0] ** 2) / 2)


def dice_auc(measured: Maps, predicted: Maps | Rows) -> Scores:
    """Measure how far the strongest voxels of both maps are the same, whatever their sign.

    At each share of 0.05, 0.10, ... 0.50 of the voxels, those count whose absolute value is above that of the
    k-th strongest, k the share of the voxels rounded down. The Dice coefficients of both sets (1 where both
    are empty) are joined by the trapezoid rule.

    Parameters
    ----------
    measured : array of shape (n_people, n_voxels)
    predicted : array of shape (n_people, n_voxels) or (n_voxels,)

    Returns
    -------
    array of shape (n_people,)
        0 to ``DICE_CEILING``; maps that have nothing to do with each other have ``DICE_CHANCE``.
    """
    scores = np.full(len(measured), np.nan)
    for participant in range(len(measured)):
        row = slice(participant, participant + 1)
        left, right = measured[row], np.atleast_2d(select_rows(predicted, row))
        if has_variance(left)[0] and has_variance(right)[0]:
            dice = _dice(_first_share(left[0]), _first_share(right[0]))
            scores[participant] = trapezoid(dice, dx=float(DICE_SHARES[1] - DICE_SHARES[0]))
    return scores


def _first_share(values: Maps) -> NDArray[np.intp]:
    """Tell for each voxel the first share at which it counts; the number of shares where it never does."""
    strength = np.abs(values)
    n_voxels = len(strength)
    # A product such as 0.15 * 20 may fall short of 3 by rounding.
    k = (DICE_SHARES * n_voxels + 1e-9).astype(int)
    places = n_voxels - np.maximum(k, 1)
    thresholds = np.partition(strength, places)[places]
    # Thresholds fall as the share grows; -x makes them rise, as searchsorted wants them.
    return np.searchsorted(-thresholds, -strength, side="right")


def _dice(left: NDArray[np.intp], right: NDArray[np.intp]) -> Scores:
    """Dice coefficient at each share, of the first shares at which voxels count."""
    n = len(DICE_SHARES)
    both, one, other = (
        np.bincount(first, minlength=n + 1)[:n].cumsum() for first in (np.maximum(left, right), left, right)
    )
    size = one + other
    return np.where(size > 0, 2 * both / np.maximum(size, 1), 1.0)
