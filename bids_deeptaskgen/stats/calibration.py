"""How far to go from the average person to what the network says of this one, for each contrast.

A calibrated map is ``mean + weight * (predicted - mean)``, the weight from 0 (the mean map of measured
people) to 1 (the network's map as it is). It is found on people whom the network was not trained on, and
their mean spatial r with their measured maps is then never under that of the mean map, since a weight of 0 is
among the choices.
This is no part of the published method.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Scores = NDArray[np.float64]

# Two decimals are as much as some hundred people can tell.
WEIGHTS = np.linspace(0, 1, 101)
# A larger weight must earn its place: by more than rounding.
_ROUNDING = 1e-9


class Calibration:
    """Finds the weights from people who are taken in one at a time; no map is kept.

    Once the maps are demeaned over voxels, r of a measured map with ``(1 - w) mean + w predicted`` follows
    for every w from their six inner products, so that nobody's maps are gone through twice.

    Parameters
    ----------
    mean : array of shape (n_contrasts, n_voxels)
        Mean of the measured maps of training people.
    """

    def __init__(self, mean: Floats) -> None:
        self._mean = _centred(mean)
        self._sum = np.zeros((len(mean), len(WEIGHTS)))
        self._n_participants = np.zeros(len(mean), np.intp)

    @property
    def n_participants(self) -> NDArray[np.intp]:
        """People who have been taken in for each contrast, (n_contrasts,)."""
        return self._n_participants

    @property
    def mean_r(self) -> Scores:
        """Mean over people of r at each of ``WEIGHTS``, (n_contrasts, n_weights); NaN without people."""
        n_participants = self._n_participants[:, None]
        return np.where(n_participants > 0, self._sum / np.maximum(n_participants, 1), np.nan)

    @property
    def weights(self) -> Scores:
        """The best weight of each contrast, (n_contrasts,); 1 where nobody says otherwise."""
        r = np.where(np.isfinite(self.mean_r), self.mean_r, -np.inf)
        # The smallest of those that are equally good, so that what does not help is not added.
        best = (r >= r.max(axis=1, keepdims=True) - _ROUNDING).argmax(axis=1)
        return np.where(self._n_participants > 0, WEIGHTS[best], 1.0)

    def add(self, predicted: Floats, measured: Floats) -> None:
        """Take in a person.

        Parameters
        ----------
        predicted, measured : array of shape (n_contrasts, n_voxels)
            Voxels where `measured` is not finite are left out. A contrast is passed over where none is left,
            or one of both is constant or `predicted` not finite.
        """
        r = np.full_like(self._sum, np.nan)
        for row, known in enumerate(np.isfinite(measured)):
            if known.any():
                # One that is whole is not copied.
                where = slice(None) if known.all() else known
                maps = (values[None, row, where] for values in (self._mean, predicted, measured))
                r[row] = weighted_correlations(*map(_centred, maps))[0]
        present = np.isfinite(r).all(axis=1)
        self._sum[present] += r[present]
        self._n_participants += present


def calibrate(mean: Floats, predicted: Floats, measured: Floats) -> Scores:
    """Find the weights on people whose maps are all at hand; see `Calibration`.

    Parameters
    ----------
    mean : array of shape (n_contrasts, n_voxels)
    predicted, measured : array of shape (n_people, n_contrasts, n_voxels)

    Returns
    -------
    array of shape (n_contrasts,)
    """
    calibration = Calibration(mean)
    for of_predicted, of_measured in zip(predicted, measured, strict=True):
        calibration.add(of_predicted, of_measured)
    return calibration.weights


def apply_calibration(predicted: Floats, mean: Floats, weights: Scores) -> NDArray[np.float32]:
    """Bring predicted maps nearer to the mean map.

    Parameters
    ----------
    predicted, mean : array of shape (n_contrasts, n_voxels)
    weights : array of shape (n_contrasts,)

    Returns
    -------
    array of shape (n_contrasts, n_voxels)
    """
    share = np.asarray(weights, np.float32)[:, None]
    calibrated: NDArray[np.float32] = (1 - share) * np.float32(mean) + share * np.float32(predicted)
    return calibrated


def weighted_correlations(mean: Scores, predicted: Scores, measured: Scores) -> Scores:
    """Give r of measured maps with every mixture of mean and predicted maps.

    Parameters
    ----------
    mean, predicted, measured : array of shape (n_contrasts, n_voxels)
        Demeaned over voxels.

    Returns
    -------
    array of shape (n_contrasts, n_weights)
        For each of ``WEIGHTS``; NaN where a map is constant or not finite.
    """
    gg, gp, pp, mg, mp, mm = (
        np.einsum("cv,cv->c", left, right)[:, None]
        for left, right in (
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


def _centred(maps: Floats) -> Scores:
    # A map with an infinite value becomes NaN, which takes it out.
    with np.errstate(invalid="ignore"):
        return np.asarray(maps, np.float64) - np.mean(maps, axis=1, keepdims=True, dtype=np.float64)
