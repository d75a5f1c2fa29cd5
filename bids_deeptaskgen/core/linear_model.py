"""The linear baseline: in each parcel, a map is a weighted sum of connectivity (Tavor et al. 2016).

Science 352:216, as the published evaluation of DeepTaskGen computes it: one regression for each person and
parcel over its voxels, the coefficients averaged over people.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating]
Labels = NDArray[np.intp]


def winner_take_all(rois: ArrayLike) -> Labels:
    """Make parcels of ROI maps: each voxel belongs to the map that is largest there.

    Parameters
    ----------
    rois : array of shape (n_rois, n_voxels)

    Returns
    -------
    integer array of shape (n_voxels,)
        1 to n_rois; 0 where no map is above 0.
    """
    maps = np.asarray(rois)
    return np.where(maps.max(axis=0) > 0, maps.argmax(axis=0) + 1, 0)


class LinearModel:
    """Coefficients averaged over people who are taken in one at a time.

    Parameters
    ----------
    labels : integer array of shape (n_voxels,)
        Parcel of each voxel, 1 to n_parcels; voxels of parcel 0 are predicted as 0.
    n_rois, n_contrasts : int
    """

    def __init__(self, labels: Labels, n_rois: int, n_contrasts: int) -> None:
        self._voxels = [np.flatnonzero(labels == parcel) for parcel in range(1, int(labels.max()) + 1)]
        self._sum = np.zeros((n_contrasts, len(self._voxels), 1 + n_rois))
        self._n_people = np.zeros(n_contrasts, np.intp)

    @property
    def n_people(self) -> NDArray[np.intp]:
        """People whose map of each contrast has been taken in, (n_contrasts,)."""
        return self._n_people

    @property
    def coefficients(self) -> NDArray[np.float64]:
        """Mean over people, (n_contrasts, n_parcels, 1 + n_rois), the intercept first; NaN without people."""
        n_people = self._n_people[:, None, None]
        return np.where(n_people > 0, self._sum / np.maximum(n_people, 1), np.nan)

    def add(self, connectome: Floats, statmaps: Floats) -> None:
        """Take in a person.

        Parameters
        ----------
        connectome : array of shape (n_rois, n_voxels)
            Pearson r, of one window where there are several.
        statmaps : array of shape (n_contrasts, n_voxels)
            Measured; a contrast with a value that is not finite is passed over for this person.
        """
        present = np.isfinite(statmaps).all(axis=1)
        targets = np.asarray(statmaps, np.float64)[present]
        for number, (voxels, design) in enumerate(self._designs(connectome)):
            self._sum[present, number] += targets[:, voxels] @ np.linalg.pinv(design).T
        self._n_people += present

    def predict(self, connectome: Floats) -> NDArray[np.float32]:
        """Predict a person's maps.

        Parameters
        ----------
        connectome : array of shape (n_rois, n_voxels)

        Returns
        -------
        array of shape (n_contrasts, n_voxels)
            0 outside the parcels; NaN for contrasts that nobody has.
        """
        coefficients = self.coefficients
        maps = np.zeros((len(coefficients), connectome.shape[1]), np.float32)
        for number, (voxels, design) in enumerate(self._designs(connectome)):
            maps[:, voxels] = coefficients[:, number] @ design.T
        return maps

    def _designs(self, connectome: Floats) -> Iterator[tuple[Labels, NDArray[np.float64]]]:
        """Give the voxels of each parcel and its regressors, (n_parcel_voxels, 1 + n_rois)."""
        for voxels in self._voxels:
            yield voxels, _design(np.asarray(connectome[:, voxels].T, np.float64))


def _design(connectivity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Z-score columns (ddof 0; constant ones become 0) and put an intercept before them."""
    if not len(connectivity):
        return np.ones((0, 1 + connectivity.shape[1]))
    centred = connectivity - connectivity.mean(axis=0)
    sd = connectivity.std(axis=0)
    scored = np.divide(centred, sd, out=np.zeros_like(centred), where=sd > 0)
    return np.column_stack([np.ones(len(scored)), scored])
