"""The linear baseline: in each parcel, a map is a weighted sum of connectivity (Tavor et al. 2016).

Science 352:216, as the published evaluation of DeepTaskGen computes it: one regression for each person and
parcel over its voxels, the coefficients averaged over people.
"""

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
        self._n_participants = np.zeros((n_contrasts, len(self._voxels)), np.intp)

    @property
    def n_participants(self) -> NDArray[np.intp]:
        """People whose map of each contrast has been taken in, in some parcel at least, (n_contrasts,)."""
        most: NDArray[np.intp] = self._n_participants.max(axis=1, initial=0)
        return most

    @property
    def coefficients(self) -> NDArray[np.float64]:
        """Mean over people, (n_contrasts, n_parcels, 1 + n_rois), the intercept first; NaN without people."""
        n_participants = self._n_participants[:, :, None]
        return np.where(n_participants > 0, self._sum / np.maximum(n_participants, 1), np.nan)

    def add(self, connectome: Floats, statmaps: Floats) -> None:
        """Take in a person.

        Parameters
        ----------
        connectome : array of shape (n_rois, n_voxels)
            Pearson r, of one window where there are several.
        statmaps : array of shape (n_contrasts, n_voxels)
            Measured. Voxels that are not finite are left out, and a parcel of which no more than half is left
            is passed over.
        """
        targets = np.asarray(statmaps, np.float64)
        # Most people have the same voxels in all of their maps.
        patterns: dict[bytes, list[int]] = {}
        for row, finite in enumerate(np.isfinite(targets)):
            patterns.setdefault(finite.tobytes(), []).append(row)
        for rows in patterns.values():
            known = np.isfinite(targets[rows[0]])
            for parcel, voxels in enumerate(self._voxels):
                left = voxels[known[voxels]]
                if len(left) > len(voxels) / 2 or not len(voxels):
                    products = targets[np.ix_(rows, left)] @ np.linalg.pinv(_design(connectome, left)).T
                    self._sum[rows, parcel] += products
                    self._n_participants[rows, parcel] += 1

    def predict(self, connectome: Floats) -> NDArray[np.float32]:
        """Predict a person's maps.

        Parameters
        ----------
        connectome : array of shape (n_rois, n_voxels)

        Returns
        -------
        array of shape (n_contrasts, n_voxels)
            0 outside the parcels; NaN for contrasts that nobody has, and parcels of them.
        """
        coefficients = self.coefficients
        maps = np.zeros((len(coefficients), connectome.shape[1]), np.float32)
        for number, voxels in enumerate(self._voxels):
            maps[:, voxels] = coefficients[:, number] @ _design(connectome, voxels).T
        return maps


def _design(connectome: Floats, voxels: Labels) -> NDArray[np.float64]:
    """Give the regressors at some voxels, (n_chosen, 1 + n_rois).

    Columns are z-scored over them (ddof 0; constant ones become 0), an intercept stands before them.
    """
    connectivity = np.asarray(connectome[:, voxels].T, np.float64)
    if not len(connectivity):
        return np.ones((0, 1 + connectivity.shape[1]))
    centred = connectivity - connectivity.mean(axis=0)
    sd = connectivity.std(axis=0)
    scored = np.divide(centred, sd, out=np.zeros_like(centred), where=sd > 0)
    return np.column_stack([np.ones(len(scored)), scored])
