"""Ridge regression from the deviation of a connectome to the deviation of a map, for small cohorts.

A participant's map minus the mean map is a weighted sum of the participant's connectivity minus the mean
connectivity (Hoerl and Kennard 1970, Technometrics 12:55). All voxels share the weights, of which there are
as many as ROIs, so that few participants suffice. A parcel has weights of its own only where
cross-validation supports them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from bids_deeptaskgen.stats.ridge_products import Floats, Folds, Labels, Load, Sums
from bids_deeptaskgen.stats.ridge_validation import (
    PENALTIES,
    compute_coefficients,
    correlate,
    evaluate,
    select_by_fold,
    select_model,
)

MIN_GROUPS = 3
# With more ROIs, the voxels of a parcel are too few for weights of its own, and the products too large.
MAX_ROIS_OF_PARCELS = 100


@dataclass(frozen=True)
class RidgeModel:
    """Ridge regression of maps on connectomes.

    Attributes
    ----------
    coefficients : float32 array of shape (n_contrasts, 1 + n_parcels, n_rois)
        Row 0 is shared by all voxels. Row p holds for parcel p; it equals row 0 for a parcel without
        coefficients of its own.
    parcels : int16 array of shape (n_voxels,)
        Parcel of each voxel from 1; 0 for voxels with the shared coefficients.
    mean_connectome : float32 array of shape (n_rois, n_voxels)
        Mean over the training participants.
    mean_maps : float32 array of shape (n_contrasts, n_voxels)
        Mean measured maps of the training participants.
    """

    coefficients: Floats
    parcels: NDArray[np.int16]
    mean_connectome: Floats
    mean_maps: Floats

    def predict(self, connectome: Floats) -> Floats:
        """Predict the maps of a participant.

        Parameters
        ----------
        connectome : array of shape (n_rois, n_voxels)
            Pearson r of one window, or the mean over windows.

        Returns
        -------
        array of shape (n_contrasts, n_voxels)
            The mean map in voxels without signal, i.e. whose connectivity is 0 with all ROIs, in this
            participant or in all training participants.

        Raises
        ------
        ValueError
            If the connectome has another shape than the mean connectome.
        """
        if connectome.shape != self.mean_connectome.shape:
            message = f"`connectome` has shape {connectome.shape}; expected {self.mean_connectome.shape}."
            raise ValueError(message)
        deviation = np.asarray(connectome - self.mean_connectome, np.float32)
        has_signal = connectome.any(axis=0) & self.mean_connectome.any(axis=0)
        deviation[:, ~has_signal] = 0
        maps: Floats = self.coefficients[:, 0] @ deviation
        for parcel, voxels in self._own_parcels:
            maps[:, voxels] = self.coefficients[:, parcel] @ deviation[:, voxels]
        maps += self.mean_maps
        return maps

    @cached_property
    def _own_parcels(self) -> list[tuple[int, Labels]]:
        """List the parcels with coefficients of their own, and their voxels."""
        differs = (self.coefficients != self.coefficients[:, :1]).any(axis=(0, 2))
        return [(int(parcel), np.flatnonzero(self.parcels == parcel)) for parcel in np.flatnonzero(differs)]


@dataclass(frozen=True)
class RidgeFit:
    """A ridge regression and its cross-validation.

    Attributes
    ----------
    model : RidgeModel
        Fitted to all participants.
    fold_models : tuple of RidgeModel
        ``fold_models[folds[i]]`` was fitted without participant i. Its penalties, amplitudes and parcels were
        chosen on the participants of the other folds.
    folds : integer array of shape (n_participants,)
    penalties : array of shape (n_contrasts,)
        Penalty of the shared coefficients, relative to the mean eigenvalue.
    amplitudes : array of shape (n_contrasts,)
        SD of the predicted deviations of left-out participants relative to the measured ones, 0 to 1. At 0,
        nothing is predicted and all participants get the mean map.
    own_parcels : boolean array of shape (n_contrasts, n_parcels)
        Parcels with coefficients of their own.
    cross_validated_r : array of shape (n_contrasts,)
        Correlation of the predicted and the measured deviations of the left-out participants, over all
        their voxels; NaN if nothing is predicted.
    n_participants : integer array of shape (n_contrasts,)
        Participants with a map of the contrast.
    """

    model: RidgeModel
    fold_models: tuple[RidgeModel, ...]
    folds: Labels
    penalties: Sums
    amplitudes: Sums
    own_parcels: NDArray[np.bool_]
    cross_validated_r: Sums
    n_participants: Labels


# Products of parcels are small: threads that wait for each other cost more than they gain.
@threadpool_limits.wrap(limits=1, user_api="blas")  # type: ignore[untyped-decorator]
def fit_ridge(
    participants: Sequence[Load],
    parcels: ArrayLike,
    groups: Sequence[str],
    *,
    n_folds: int = 5,
    seed: int = 0,
) -> RidgeFit:
    """Fit a ridge regression, and choose penalties, amplitude and parcels by cross-validation.

    The penalty of each contrast has the largest correlation of predicted and measured deviations of left-out
    participants, that is the smallest squared error after the best scaling. With few participants this is
    more stable than the squared error itself, for which any prediction close to the mean is good. Then the
    predicted deviations are scaled: their squared error is smallest if the ratio of their SD to that of the
    measured ones equals the correlation of both. As the correlation of a single contrast is uncertain, it
    is shrunk towards the mean over contrasts, which counts as `N_PRIOR` families. The cross-validated r
    and the fold models do not know the participants of the fold: their choices are made on the others.

    A participant without a map of a contrast does not count for it. A voxel counts for a participant if it
    has signal and a value in each of the participant's maps.

    Parameters
    ----------
    participants : sequence of function
        Each reads the connectome, (n_rois, n_voxels), and the measured maps, (n_contrasts, n_voxels), of a
        participant; NaN where nothing was measured. Each is called two or three times.
    parcels : integer array of shape (n_voxels,)
        Parcel of each voxel from 1; 0 for none. Not used with more than `MAX_ROIS_OF_PARCELS` ROIs.
    groups : sequence of str
        Family of each participant; a family is never divided between folds.
    n_folds : int
        Number of folds; at most the number of groups.
    seed : int
        Seed of the assignment of groups to folds.

    Returns
    -------
    RidgeFit

    Raises
    ------
    ValueError
        If there are fewer than three groups, or a contrast has no map.
    """
    labels = np.asarray(parcels, np.int16)
    if len(participants) and len(participants[0]()[0]) > MAX_ROIS_OF_PARCELS:
        labels = np.zeros_like(labels)
    data = Folds(participants, labels, assign_folds(groups, n_folds, seed))
    unmeasured = np.flatnonzero(~data.is_measured.any(axis=0)).tolist()
    if unmeasured:
        message = f"`participants`: none has a map of the contrasts number {unmeasured}."
        raise ValueError(message)
    training, left_out = data.training_products()
    solutions = [compute_coefficients(products, data.patterns[1]) for products in training]
    group_numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    shared = evaluate([rows[:, :, :1] for rows in solutions[:-1]], data, left_out, group_numbers)
    by_parcel = None
    if data.n_parcels:
        by_parcel = evaluate([rows[:, :, 1:] for rows in solutions[:-1]], data, left_out, group_numbers)
    selection = select_model(shared, by_parcel)
    selections, predictions = select_by_fold(shared, by_parcel, data.folds)
    models = [
        RidgeModel(choice.coefficients(solution).astype(np.float32), labels, *data.means(fold))
        for fold, (choice, solution) in enumerate(zip([*selections, selection], solutions, strict=True))
    ]
    return RidgeFit(
        model=models[-1],
        fold_models=tuple(models[:-1]),
        folds=data.folds,
        penalties=PENALTIES[selection.shared.penalties],
        amplitudes=selection.shared.amplitudes,
        own_parcels=selection.own_parcels,
        cross_validated_r=correlate(predictions),
        n_participants=data.is_measured.sum(axis=0),
    )


def assign_folds(groups: Sequence[str], n_folds: int, seed: int) -> Labels:
    """Assign families to folds of about equal size.

    Parameters
    ----------
    groups : sequence of str
        Family of each participant.
    n_folds : int
        Number of folds; at most the number of families.
    seed : int
        Seed of the order of the families.

    Returns
    -------
    integer array of shape (n_participants,)
        Fold of each participant, from 0.

    Raises
    ------
    ValueError
        If there are fewer than three families.

    Examples
    --------
    >>> folds = assign_folds(["a", "a", "b", "c", "d"], 3, seed=0)
    >>> folds[0] == folds[1], len(set(folds.tolist()))
    (np.True_, 3)
    """
    names, numbers = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < MIN_GROUPS:
        message = (
            f"`groups`: {len(groups)} participants of {len(names)} families; cross-validation needs at "
            f"least {MIN_GROUPS} families."
        )
        raise ValueError(message)
    sizes = np.bincount(numbers)
    fold_of_group = np.empty(len(names), np.intp)
    fold_sizes = np.zeros(min(n_folds, len(names)), np.intp)
    order = np.random.default_rng(seed).permutation(len(names))
    # The largest families first, so that the folds become equally large.
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of_group[group] = fold_sizes.argmin()
        fold_sizes[fold_of_group[group]] += sizes[group]
    folds: Labels = fold_of_group[numbers]
    return folds
