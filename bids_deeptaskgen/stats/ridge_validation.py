"""Cross-validation of ridge regressions: coefficients at every penalty, and their errors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from bids_deeptaskgen.stats.ridge_products import Folds, Labels, Products, Sums

# Penalties relative to the mean eigenvalue of the products of connectivity.
PENALTIES = 10.0 ** np.arange(-4, 5.25, 0.5)
# Weight of the mean over contrasts in the amplitude of a contrast, in families.
N_PRIOR = 20
# Weights of a parcel must be better by a one-sided test at this level.
_PARCEL_P = 0.001


@dataclass(frozen=True)
class LeftOut:
    """Predictions of left-out participants, summed over voxels; 0 where a contrast is not measured.

    Attributes
    ----------
    cross : array of shape (n_participants, n_penalties, n_contrasts, n_parcels)
        Products of predicted and measured deviations.
    squares : array of the same shape
        Squared predicted deviations.
    total : array of shape (n_participants, n_contrasts)
        Squared measured deviations.
    groups : integer array of shape (n_participants,)
        Family of each participant.
    """

    cross: Sums
    squares: Sums
    total: Sums
    groups: Labels

    def select(self, participants: NDArray[np.bool_]) -> "LeftOut":
        """Select participants.

        Parameters
        ----------
        participants : boolean array of shape (n_participants,)

        Returns
        -------
        LeftOut
        """
        names = ("cross", "squares", "total", "groups")
        return LeftOut(**{name: getattr(self, name)[participants] for name in names})

    @property
    def n_groups(self) -> Labels:
        """Return the number of families with a map of each contrast, (n_contrasts,)."""
        return np.array([len(np.unique(self.groups[column > 0])) for column in self.total.T])


@dataclass(frozen=True)
class Choice:
    """The penalty and the scale of each contrast.

    Attributes
    ----------
    penalties : integer array of shape (n_contrasts,)
        Positions in `PENALTIES`.
    amplitudes : array of shape (n_contrasts,)
        SD of the predicted deviations relative to the measured ones.
    scale : array of shape (n_contrasts,)
        Factor of the coefficients that gives the amplitudes.
    """

    penalties: Labels
    amplitudes: Sums
    scale: Sums

    def rows(self, coefficients: Sums) -> Sums:
        """Select the coefficients at the penalties and scale them.

        Parameters
        ----------
        coefficients : array of shape (n_penalties, n_contrasts, n_rows, n_rois)

        Returns
        -------
        array of shape (n_contrasts, n_rows, n_rois)
        """
        selected = coefficients[self.penalties, np.arange(len(self.penalties))]
        return np.asarray(self.scale[:, None, None] * selected)

    def apply(self, predictions: LeftOut) -> LeftOut:
        """Select the predictions at the penalties and scale them.

        Parameters
        ----------
        predictions : LeftOut
            At all penalties.

        Returns
        -------
        LeftOut
            With one penalty.
        """
        index = self.penalties[None, None, :, None]
        return replace(
            predictions,
            cross=self.scale[:, None] * np.take_along_axis(predictions.cross, index, axis=1),
            squares=self.scale[:, None] ** 2 * np.take_along_axis(predictions.squares, index, axis=1),
        )


@dataclass(frozen=True)
class Selection:
    """All that cross-validation chooses for a model.

    Attributes
    ----------
    shared : Choice
        For the coefficients of all voxels.
    by_parcel : Choice or None
        For the coefficients of parcels; None if there are none.
    own_parcels : boolean array of shape (n_contrasts, n_parcels)
        Parcels with coefficients of their own.
    """

    shared: Choice
    by_parcel: Choice | None
    own_parcels: NDArray[np.bool_]

    def coefficients(self, solution: Sums) -> Sums:
        """Combine the coefficients of a model.

        Parameters
        ----------
        solution : array of shape (n_penalties, n_contrasts, 1 + n_parcels, n_rois)
            See `compute_coefficients`.

        Returns
        -------
        array of shape (n_contrasts, 1 + n_parcels, n_rois)
        """
        rows = np.repeat(self.shared.rows(solution[:, :, :1]), 1 + self.own_parcels.shape[1], axis=1)
        if self.by_parcel:
            rows[:, 1:][self.own_parcels] = self.by_parcel.rows(solution[:, :, 1:])[self.own_parcels]
        return rows

    def apply(self, shared: LeftOut, by_parcel: LeftOut | None) -> LeftOut:
        """Combine the predictions of left-out participants.

        Parameters
        ----------
        shared, by_parcel : LeftOut
            At all penalties: with the coefficients of all voxels, and with those of each parcel.

        Returns
        -------
        LeftOut
            With one penalty.
        """
        predicted = self.shared.apply(shared)
        if self.by_parcel is None or by_parcel is None:
            return predicted
        own_predictions = self.by_parcel.apply(by_parcel)
        for name in ("cross", "squares"):
            values = getattr(predicted, name)
            values[..., 1:] = np.where(self.own_parcels, getattr(own_predictions, name), values[..., 1:])
        return predicted


def compute_coefficients(products: Products, pattern_of_contrast: Labels) -> Sums:
    """Compute the coefficients at every penalty.

    Parameters
    ----------
    products : Products
        Of the training participants, with an axis of patterns.
    pattern_of_contrast : integer array of shape (n_contrasts,)
        Pattern of participants with the contrast, see `Folds.patterns`.

    Returns
    -------
    array of shape (n_penalties, n_contrasts, 1 + n_parcels, n_rois)
        The shared coefficients, then those of each parcel.
    """
    xx, xy = products.xx.sum(axis=1, keepdims=True), products.xy.sum(axis=0, keepdims=True)
    xx = np.concatenate([xx, products.xx[:, 1:]], axis=1)
    xy = np.concatenate([xy, products.xy[1:]])
    coefficients = np.empty((len(PENALTIES), xy.shape[2], *xy.shape[:2]))
    for pattern, matrices in enumerate(xx):
        contrasts = np.flatnonzero(pattern_of_contrast == pattern)
        values, vectors = np.linalg.eigh(matrices)
        values = np.maximum(values, 0)
        rotated = np.swapaxes(vectors, 1, 2) @ xy[:, :, contrasts]
        scale = values.mean(axis=1, keepdims=True)
        for number, penalty in enumerate(PENALTIES):
            denominator = values + penalty * scale
            # An empty parcel has no products, and coefficients of 0.
            inverse = np.divide(1, denominator, out=np.zeros_like(values), where=denominator > 0)
            solution = vectors @ (inverse[:, :, None] * rotated)
            coefficients[number, contrasts] = np.moveaxis(solution, 2, 0)
    return coefficients


def evaluate(
    coefficients: Sequence[Sums], data: Folds, left_out: Sequence[Products], groups: Labels
) -> LeftOut:
    """Evaluate the coefficients of each fold on its participants.

    Parameters
    ----------
    coefficients : sequence of array of shape (n_penalties, n_contrasts, n_rows, n_rois)
        One array for each fold, with one row for all voxels, or one row for each parcel.
    data : Folds
    left_out : sequence of Products
        Products of each participant.
    groups : integer array of shape (n_participants,)
        Family of each participant.

    Returns
    -------
    LeftOut
        With the voxels of no parcel as the first parcel, if all voxels share a row.
    """
    crosses, squares = [], []
    is_shared = coefficients[0].shape[2] == 1
    for number, products in enumerate(left_out):
        weights = coefficients[data.folds[number]] * data.is_measured[number][None, :, None, None]
        # The shared coefficients also hold for voxels without a parcel, which are part of no other row.
        first = 0 if is_shared else 1
        n_rows = products.xx.shape[0] - first
        rows = np.broadcast_to(weights, (*weights.shape[:2], n_rows, weights.shape[3]))
        # (n_parcels, n_penalties * n_contrasts, n_rois), for one matrix product per parcel
        flat = np.moveaxis(rows, 2, 0).reshape(n_rows, -1, weights.shape[3])
        power = np.einsum("pkr,pkr->pk", flat @ products.xx[first:], flat)
        crosses.append(np.einsum("lcpr,prc->lcp", rows, products.xy[first:], optimize=True))
        squares.append(power.T.reshape(*weights.shape[:2], n_rows))
    total = np.array([products.yy.sum(axis=0) for products in left_out])
    return LeftOut(np.array(crosses), np.array(squares), total, groups)


def select_model(shared: LeftOut, by_parcel: LeftOut | None) -> Selection:
    """Choose penalties, amplitudes and parcels from the predictions of left-out participants.

    Parameters
    ----------
    shared, by_parcel : LeftOut
        At all penalties: with the coefficients of all voxels, and with those of each parcel.

    Returns
    -------
    Selection
    """
    choice = choose(shared)
    if by_parcel is None:
        return Selection(choice, None, np.zeros((len(choice.penalties), 0), bool))
    own_choice = choose(by_parcel)
    return Selection(choice, own_choice, find_better(own_choice.apply(by_parcel), choice.apply(shared)))


def select_by_fold(
    shared: LeftOut, by_parcel: LeftOut | None, folds: Labels
) -> tuple[list[Selection], list[LeftOut]]:
    """Choose for each fold on the participants of the other folds, and predict its participants.

    Choices on the participants of the fold itself would make their predictions seem better than those of
    new participants.

    Parameters
    ----------
    shared, by_parcel : LeftOut
        As for `select_model`.
    folds : integer array of shape (n_participants,)
        Fold of each participant, from 0.

    Returns
    -------
    selections : list of Selection, length n_folds
    predictions : list of LeftOut, length n_folds
        Of the participants of each fold, with one penalty.
    """
    selections, predictions = [], []
    for fold in range(int(folds.max()) + 1):
        in_fold = folds == fold
        selection = select_model(shared.select(~in_fold), by_parcel and by_parcel.select(~in_fold))
        selections.append(selection)
        predictions.append(selection.apply(shared.select(in_fold), by_parcel and by_parcel.select(in_fold)))
    return selections, predictions


def choose(predictions: LeftOut) -> Choice:
    """Choose the penalty of each contrast, and scale its coefficients.

    Parameters
    ----------
    predictions : LeftOut
        At all penalties.

    Returns
    -------
    Choice
        The penalty with the largest correlation over all voxels and participants. The amplitude is this
        correlation, shrunk towards the mean over contrasts; 0 if nothing is predicted.
    """
    cross, squares = (values.sum(axis=(0, 3)) for values in (predictions.cross, predictions.squares))
    r = np.divide(cross, np.sqrt(squares), out=np.full_like(cross, -np.inf), where=squares > 0)
    # Of equal correlations, the largest penalty is chosen.
    penalties = len(r) - 1 - r[::-1].argmax(axis=0)
    contrasts = np.arange(len(penalties))
    cross, squares = (values[penalties, contrasts] for values in (cross, squares))
    total = predictions.total.sum(axis=0)
    is_predicted = squares * total > 0
    r = np.divide(cross, np.sqrt(squares * total), out=np.zeros(len(cross)), where=is_predicted)
    n_groups = predictions.n_groups * is_predicted
    pooled_r = (n_groups * r).sum() / max(n_groups.sum(), 1)
    amplitudes = np.clip((n_groups * r + N_PRIOR * pooled_r) / (n_groups + N_PRIOR), 0, 1) * is_predicted
    scale = amplitudes * np.sqrt(np.divide(total, squares, out=np.zeros(len(total)), where=is_predicted))
    return Choice(penalties, amplitudes, scale)


def find_better(by_parcel: LeftOut, shared: LeftOut) -> NDArray[np.bool_]:
    """Find the parcels whose own coefficients predict left-out participants better.

    Parameters
    ----------
    by_parcel, shared : LeftOut
        Predictions with one penalty: with the coefficients of each parcel, and with the shared ones.

    Returns
    -------
    boolean array of shape (n_contrasts, n_parcels)
        Whether the squared error falls, by a one-sided t test over families at `_PARCEL_P`. There are
        thousands of parcels and contrasts, of which few should pass by chance.
    """
    n_parcels = by_parcel.cross.shape[3]
    gain = _reductions(by_parcel) - _reductions(shared)[..., -n_parcels:]
    by_group = np.zeros((int(by_parcel.groups.max()) + 1, *gain.shape[1:]))
    np.add.at(by_group, by_parcel.groups, gain)
    n_groups = by_parcel.n_groups[:, None]
    mean = by_group.sum(axis=0) / np.maximum(n_groups, 1)
    # Families without the contrast have no gain, and are not counted.
    variance = (np.square(by_group).sum(axis=0) - n_groups * mean**2) / np.maximum(n_groups - 1, 1)
    threshold = stdtrit(np.maximum(n_groups - 1, 1), 1 - _PARCEL_P)
    standard_error = np.sqrt(np.maximum(variance, 0) / np.maximum(n_groups, 1))
    is_better: NDArray[np.bool_] = (mean > threshold * standard_error) & (n_groups > 1)
    return is_better


def _reductions(predicted: LeftOut) -> Sums:
    """Compute by how much the best multiple of the predictions of a contrast reduces the squared error.

    The amplitudes do not matter then, which are pooled over contrasts. The result has shape
    (n_participants, n_contrasts, n_parcels).
    """
    cross, squares = predicted.cross[:, 0], predicted.squares[:, 0]
    total = squares.sum(axis=(0, 2))
    factor = np.divide(cross.sum(axis=(0, 2)), total, out=np.zeros(len(total)), where=total > 0)[:, None]
    reductions: Sums = 2 * factor * cross - factor**2 * squares
    return reductions


def correlate(predictions: Sequence[LeftOut]) -> Sums:
    """Correlate predicted and measured deviations over all participants and voxels.

    Parameters
    ----------
    predictions : sequence of LeftOut
        Participants of each fold, with one penalty.

    Returns
    -------
    array of shape (n_contrasts,)
        Not centred over voxels; NaN if nothing is predicted.
    """
    cross, squares = (
        np.sum([getattr(part, name).sum(axis=(0, 1, 3)) for part in predictions], axis=0)
        for name in ("cross", "squares")
    )
    scale = np.sqrt(squares * np.sum([part.total.sum(axis=0) for part in predictions], axis=0))
    r: Sums = np.divide(cross, scale, out=np.full_like(cross, np.nan), where=scale > 0)
    return r
