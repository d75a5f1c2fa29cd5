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

from bids_deeptaskgen.stats.ridge_products import Floats, Folds, Labels, Load, Sums
from bids_deeptaskgen.stats.ridge_validation import (
    PENALTIES,
    choose,
    combine,
    compute_coefficients,
    correlate,
    evaluate,
    find_better,
)

MIN_GROUPS = 3


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
            The mean map in voxels without signal, i.e. whose connectivity is 0 with all ROIs.

        Raises
        ------
        ValueError
            If the connectome has another shape than the mean connectome.
        """
        if connectome.shape != self.mean_connectome.shape:
            message = f"`connectome` has shape {connectome.shape}; expected {self.mean_connectome.shape}."
            raise ValueError(message)
        deviation = np.asarray(connectome - self.mean_connectome, np.float32)
        deviation[:, ~connectome.any(axis=0)] = 0
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
        ``fold_models[folds[i]]`` was fitted without participant i, with the penalties of `model`.
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
    is shrunk towards the mean over contrasts, which counts as `N_PRIOR` participants.

    A participant without a map of a contrast does not count for it. A voxel counts for a participant if it
    has signal and a value in each of the participant's maps.

    Parameters
    ----------
    participants : sequence of function
        Each reads the connectome, (n_rois, n_voxels), and the measured maps, (n_contrasts, n_voxels), of a
        participant; NaN where nothing was measured. Each is called twice.
    parcels : integer array of shape (n_voxels,)
        Parcel of each voxel from 1; 0 for none.
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
    data = Folds(participants, labels, assign_folds(groups, n_folds, seed))
    unmeasured = np.flatnonzero(~data.is_measured.any(axis=0)).tolist()
    if unmeasured:
        message = f"`participants`: none has a map of the contrasts number {unmeasured}."
        raise ValueError(message)
    training, left_out = data.training_products()
    solutions = [compute_coefficients(products, data.patterns[1]) for products in training]
    n_participants = data.is_measured.sum(axis=0)
    predictions = evaluate([solution[:, :, :1] for solution in solutions[:-1]], data, left_out)
    shared = choose(predictions, n_participants)
    coefficients = [
        np.repeat(shared.rows(solution[:, :, :1]), 1 + data.n_parcels, 1) for solution in solutions
    ]
    predicted, own_parcels = shared.predicted, np.zeros((data.n_contrasts, data.n_parcels), bool)
    if solutions[0].shape[2] > 1:
        predictions = evaluate([solution[:, :, 1:] for solution in solutions[:-1]], data, left_out)
        by_parcel = choose(predictions, n_participants)
        own_parcels = find_better(by_parcel.predicted, predicted)
        predicted = combine(by_parcel.predicted, predicted, own_parcels)
        for array, solution in zip(coefficients, solutions, strict=True):
            array[:, 1:][own_parcels] = by_parcel.rows(solution[:, :, 1:])[own_parcels]
    models = [
        RidgeModel(array.astype(np.float32), labels, *data.means(fold))
        for fold, array in enumerate(coefficients)
    ]
    return RidgeFit(
        model=models[-1],
        fold_models=tuple(models[:-1]),
        folds=data.folds,
        penalties=PENALTIES[shared.penalties],
        amplitudes=shared.amplitudes,
        own_parcels=own_parcels,
        cross_validated_r=correlate(predicted),
        n_participants=n_participants,
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
