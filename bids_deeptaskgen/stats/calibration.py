"""Calibration: how far to move from the mean map to the predicted map, for each contrast.

A calibrated map is ``mean + weight * (predicted - mean)``. A weight of 0 is the mean map of measured
participants, a weight of 1 is the predicted map. Weights are chosen on participants that the model was not
fitted to, by their mean spatial r with their measured maps. A weight of 0 is among the choices.

With few participants, the best weight of each contrast is mostly noise. So the weights of all contrasts are
shrunk towards one weight that is pooled over contrasts; see `PRIOR_PARTICIPANTS`. Calibration is not part of
the published method.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Scores = NDArray[np.float64]

# Some hundred participants cannot tell weights apart that differ by less than two decimals.
WEIGHTS = np.linspace(0, 1, 101)
# The pooled curve of r over the weights counts in each contrast as much as this number of participants.
# In `benchmarks.calibration` (docs/explanation/calibration.md), more would cost more r where contrasts differ
# than it gains where they are alike, and less would let predictions without information do harm.
PRIOR_PARTICIPANTS = 10
# Contrasts with fewer participants than this use the pooled weight alone.
MIN_PARTICIPANTS = 10
# A larger weight is chosen only if it is better by more than rounding.
_ROUNDING = 1e-9


class Calibration:
    """Accumulator of the correlations of participants at each weight, which keeps no maps.

    For maps demeaned over voxels, r of the measured map with ``(1 - w) mean + w predicted`` follows for every
    w from six inner products, so each participant's maps are read once.

    Parameters
    ----------
    n_contrasts : int
    """

    def __init__(self, n_contrasts: int) -> None:
        self._sum = np.zeros((n_contrasts, len(WEIGHTS)))
        self._n_participants = np.zeros(n_contrasts, np.intp)

    @property
    def n_participants(self) -> NDArray[np.intp]:
        """Return the number of participants of each contrast, (n_contrasts,)."""
        return self._n_participants

    @property
    def mean_r(self) -> Scores:
        """Return the mean r over participants at each of `WEIGHTS`, (n_contrasts, n_weights).

        It is NaN for contrasts without participants.
        """
        n_participants = self._n_participants[:, None]
        return np.where(n_participants > 0, self._sum / np.maximum(n_participants, 1), np.nan)

    @property
    def pooled_mean_r(self) -> Scores:
        """Return the mean r over participants and contrasts at each of `WEIGHTS`, (n_weights,).

        Each map of a participant counts once. It is NaN without participants.
        """
        n_maps = self._n_participants.sum()
        return self._sum.sum(axis=0) / n_maps if n_maps else np.full(len(WEIGHTS), np.nan)

    @property
    def pooled_weight(self) -> float:
        """Return the weight with the largest `pooled_mean_r`; 1 without participants.

        Without participants nothing is known, so predictions stay as they are.
        """
        return float(_best_weights(self.pooled_mean_r[None])[0]) if self._n_participants.any() else 1.0

    @property
    def weights(self) -> Scores:
        """Return the weight of each contrast, (n_contrasts,).

        It has the largest mean r, averaged over the participants of the contrast and `PRIOR_PARTICIPANTS`
        with the `pooled_mean_r`. Contrasts with fewer than `MIN_PARTICIPANTS`, even none, have the pooled
        weight. All weights are 1 without participants.
        """
        return self.weights_with_prior(PRIOR_PARTICIPANTS, MIN_PARTICIPANTS)

    def weights_with_prior(self, n_prior: float, n_min: int) -> Scores:
        """Choose the weights with another prior, to compare priors; see `weights`.

        Parameters
        ----------
        n_prior : float
            Number of participants that the pooled curve counts for.
        n_min : int
            Contrasts with fewer participants have the pooled weight.

        Returns
        -------
        array of shape (n_contrasts,)
        """
        pooled_weights = np.full(len(self._sum), self.pooled_weight)
        if not self._n_participants.any():
            return pooled_weights
        n_all = np.maximum(self._n_participants + n_prior, 1)[:, None]
        r = (self._sum + n_prior * self.pooled_mean_r) / n_all
        is_pooled = self._n_participants < max(n_min, 1)
        return np.where(is_pooled, pooled_weights, _best_weights(r))

    def add(self, predicted: Floats, measured: Floats, mean: Floats) -> None:
        """Add the maps of a participant.

        A contrast is skipped if no voxel was measured, if a map is constant, or if `predicted` is not finite.

        Parameters
        ----------
        predicted : array of shape (n_contrasts, n_voxels)
            Predicted maps.
        measured : array of shape (n_contrasts, n_voxels)
            Measured maps; voxels that are not finite are ignored.
        mean : array of shape (n_contrasts, n_voxels)
            Mean of the measured maps of other participants. If it contained this participant's own map, it
            would seem better than it is for further participants; see `stats.map_sum`.
        """
        r = np.full_like(self._sum, np.nan)
        for row, is_finite in enumerate(np.isfinite(measured)):
            if is_finite.any():
                # A slice does not copy the map, a boolean index does.
                voxels = slice(None) if is_finite.all() else is_finite
                maps = (values[None, row, voxels] for values in (mean, predicted, measured))
                r[row] = weighted_correlations(*map(_demean, maps))[0]
        is_valid = np.isfinite(r).all(axis=1)
        self._sum[is_valid] += r[is_valid]
        self._n_participants += is_valid


def _best_weights(r: Scores) -> Scores:
    """Return the weight with the largest r of each row."""
    # Of equally good weights the smallest is chosen: a prediction that does not help is not added.
    first = (r >= r.max(axis=1, keepdims=True) - _ROUNDING).argmax(axis=1)
    weights: Scores = WEIGHTS[first]
    return weights


def calibrate(predicted: Floats, measured: Floats, mean: Floats) -> Scores:
    """Choose the weights from participants whose maps are in memory; see `Calibration`.

    Parameters
    ----------
    predicted : array of shape (n_participants, n_contrasts, n_voxels)
        Predicted maps.
    measured : array of shape (n_participants, n_contrasts, n_voxels)
        Measured maps; voxels that are not finite are ignored.
    mean : array of shape (n_contrasts, n_voxels)
        Mean of the measured maps of participants other than these.

    Returns
    -------
    array of shape (n_contrasts,)
        Weights from 0 to 1.
    """
    calibration = Calibration(len(mean))
    for predicted_maps, measured_maps in zip(predicted, measured, strict=True):
        calibration.add(predicted_maps, measured_maps, mean)
    return calibration.weights


def apply_calibration(predicted: Floats, mean: Floats, weights: Scores) -> NDArray[np.float32]:
    """Average predicted maps and mean maps with the weights of a calibration.

    Parameters
    ----------
    predicted : array of shape (n_contrasts, n_voxels)
        Predicted maps.
    mean : array of shape (n_contrasts, n_voxels)
        Mean measured maps of the participants who are not tested.
    weights : array of shape (n_contrasts,)
        Weights of the predicted maps, from 0 to 1.

    Returns
    -------
    array of shape (n_contrasts, n_voxels)
        Calibrated maps.

    Examples
    --------
    >>> apply_calibration(np.array([[4.0, 0]]), np.array([[2.0, 2]]), np.array([0.5]))
    array([[3., 1.]], dtype=float32)
    """
    share = np.asarray(weights, np.float32)[:, None]
    maps: NDArray[np.float32] = (1 - share) * np.float32(mean) + share * np.float32(predicted)
    return maps


def weighted_correlations(mean: Scores, predicted: Scores, measured: Scores) -> Scores:
    """Correlate measured maps with every mixture of mean and predicted maps.

    Parameters
    ----------
    mean : array of shape (n_contrasts, n_voxels)
        Mean maps, demeaned over voxels.
    predicted : array of shape (n_contrasts, n_voxels)
        Predicted maps, demeaned over voxels.
    measured : array of shape (n_contrasts, n_voxels)
        Measured maps, demeaned over voxels.

    Returns
    -------
    array of shape (n_contrasts, n_weights)
        r at each of `WEIGHTS`; NaN if a map is constant or not finite.
    """
    gg, gp, pp, mg, mp, mm = (
        np.einsum("cv,cv->c", x, y)[:, None]
        for x, y in (
            (mean, mean),
            (mean, predicted),
            (predicted, predicted),
            (measured, mean),
            (measured, predicted),
            (measured, measured),
        )
    )
    w = WEIGHTS
    squares = mm * ((1 - w) ** 2 * gg + 2 * w * (1 - w) * gp + w**2 * pp)
    products = (1 - w) * mg + w * mp
    r = np.full(products.shape, np.nan)
    np.divide(products, np.sqrt(squares), out=r, where=squares > 0)
    return r


def _demean(maps: Floats) -> Scores:
    # A map with an infinite value becomes NaN, which excludes it.
    with np.errstate(invalid="ignore"):
        return np.asarray(maps, np.float64) - np.mean(maps, axis=1, keepdims=True, dtype=np.float64)
