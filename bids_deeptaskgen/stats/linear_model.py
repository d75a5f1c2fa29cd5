"""Linear baseline: in each parcel, a map is a weighted sum of connectivity.

The model is that of Tavor et al. (2016, Science 352:216). As in the published evaluation of DeepTaskGen, one
regression is fitted for each participant and parcel over its voxels, and coefficients are averaged over
participants.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating]
Labels = NDArray[np.intp]


def winner_take_all(rois: ArrayLike) -> Labels:
    """Assign each voxel to the ROI map with the largest value.

    Parameters
    ----------
    rois : array of shape (n_rois, n_voxels)
        ROI maps.

    Returns
    -------
    integer array of shape (n_voxels,)
        Parcel of each voxel, 1 to n_rois; 0 if no map is above 0.

    Examples
    --------
    >>> winner_take_all([[0.9, 0.1, 0], [0.2, 0.8, 0]])
    array([1, 2, 0])
    """
    maps = np.asarray(rois)
    return np.where(maps.max(axis=0) > 0, maps.argmax(axis=0) + 1, 0)


class LinearModel:
    """Regression of maps on connectivity, with coefficients averaged over participants.

    Parameters
    ----------
    labels : integer array of shape (n_voxels,)
        Parcel of each voxel, 1 to n_parcels; voxels of parcel 0 are predicted as 0.
    n_rois : int
        Number of ROI maps, that is of rows of a connectome.
    n_contrasts : int
        Number of contrasts.
    """

    def __init__(self, labels: Labels, n_rois: int, n_contrasts: int) -> None:
        self._voxels = [np.flatnonzero(labels == parcel) for parcel in range(1, int(labels.max()) + 1)]
        self._sum = np.zeros((n_contrasts, len(self._voxels), 1 + n_rois))
        self._n_participants = np.zeros((n_contrasts, len(self._voxels)), np.intp)

    @property
    def n_participants(self) -> NDArray[np.intp]:
        """Return the number of participants of each contrast, (n_contrasts,): the largest over parcels."""
        n_participants: NDArray[np.intp] = self._n_participants.max(axis=1, initial=0)
        return n_participants

    @property
    def coefficients(self) -> NDArray[np.float64]:
        """Return the mean over participants, (n_contrasts, n_parcels, 1 + n_rois), the intercept first.

        Coefficients are NaN for contrasts and parcels without participants.
        """
        n_participants = self._n_participants[:, :, None]
        return np.where(n_participants > 0, self._sum / np.maximum(n_participants, 1), np.nan)

    def add(self, connectome: Floats, statmaps: Floats) -> None:
        """Fit the maps of a participant.

        Parameters
        ----------
        connectome : array of shape (n_rois, n_voxels)
            Pearson r of one window.
        statmaps : array of shape (n_contrasts, n_voxels)
            Measured maps. Voxels that are not finite are ignored. A parcel is skipped if no more than half of
            its voxels are finite.
        """
        targets = np.asarray(statmaps, np.float64)
        # Maps of a participant usually share their voxels, so one pseudo-inverse serves several maps.
        patterns: dict[bytes, list[int]] = {}
        for row, is_finite in enumerate(np.isfinite(targets)):
            patterns.setdefault(is_finite.tobytes(), []).append(row)
        for rows in patterns.values():
            is_finite = np.isfinite(targets[rows[0]])
            for parcel, voxels in enumerate(self._voxels):
                finite_voxels = voxels[is_finite[voxels]]
                if len(finite_voxels) > len(voxels) / 2 or not len(voxels):
                    inverse = np.linalg.pinv(_design(connectome, finite_voxels))
                    self._sum[rows, parcel] += targets[np.ix_(rows, finite_voxels)] @ inverse.T
                    self._n_participants[rows, parcel] += 1

    def merge(self, model: "LinearModel") -> None:
        """Add the participants of another model, whose fits are not repeated.

        Parameters
        ----------
        model : LinearModel
            With the same parcels, ROI maps and contrasts.

        Raises
        ------
        ValueError
            If the parcels or the numbers of ROI maps or contrasts differ.
        """
        if self._sum.shape != model._sum.shape or not all(map(np.array_equal, self._voxels, model._voxels)):
            message = (
                f"The coefficients have shapes {self._sum.shape} and {model._sum.shape}, or the parcels "
                "differ. Merge models of the same parcels, ROI maps and contrasts."
            )
            raise ValueError(message)
        self._sum += model._sum
        self._n_participants += model._n_participants

    def predict(self, connectome: Floats) -> NDArray[np.float32]:
        """Predict the maps of a participant.

        Parameters
        ----------
        connectome : array of shape (n_rois, n_voxels)
            Pearson r of one window.

        Returns
        -------
        array of shape (n_contrasts, n_voxels)
            0 outside the parcels; NaN for contrasts and parcels without fitted participants.
        """
        coefficients = self.coefficients
        maps = np.zeros((len(coefficients), connectome.shape[1]), np.float32)
        for number, voxels in enumerate(self._voxels):
            maps[:, voxels] = coefficients[:, number] @ _design(connectome, voxels).T
        return maps


def _design(connectome: Floats, voxels: Labels) -> NDArray[np.float64]:
    """Build the design matrix of some voxels, (n_selected, 1 + n_rois), the intercept first.

    Columns are z-scored over the voxels (ddof 0); constant columns become 0.
    """
    connectivity = np.asarray(connectome[:, voxels].T, np.float64)
    if not len(connectivity):
        return np.ones((0, 1 + connectivity.shape[1]))
    deviations = connectivity - connectivity.mean(axis=0)
    sd = connectivity.std(axis=0)
    z = np.divide(deviations, sd, out=np.zeros_like(deviations), where=sd > 0)
    return np.column_stack([np.ones(len(z)), z])
