"""Cross-validation of ridge regressions: coefficients at every penalty, and their errors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.stats.ridge_products import Folds, Labels, Products, Sums

# Penalties relative to the mean eigenvalue of the products of connectivity.
PENALTIES = 10.0 ** np.arange(-4, 5.25, 0.5)
# Weight of the mean over contrasts in the amplitude of a contrast, in participants.
N_PRIOR = 20
# Weights of a parcel must reduce the squared error by this many standard errors over participants.
_MIN_GAIN_SE = 2.0
# With more ROIs, the voxels of a parcel are too few for weights of its own, and the products too large.
_MAX_ROIS_OF_PARCELS = 100


@dataclass(frozen=True)
class LeftOut:
    """Predictions of left-out participants, summed over voxels; 0 where a contrast is not measured.

    Attributes
    ----------
    cross : array of shape (n_participants, n_penalties, n_contrasts, n_parcels)
        Products of predicted and measured deviations.
    squares : array of the same shape
        Squared predicted deviations.
    total : array of shape (n_contrasts,)
        Squared measured deviations of all participants and voxels.
    """

    cross: Sums
    squares: Sums
    total: Sums


@dataclass(frozen=True)
class Choice:
    """The penalty and the scale of each contrast, and the predictions with both.

    Attributes
    ----------
    penalties : integer array of shape (n_contrasts,)
        Positions in `PENALTIES`.
    amplitudes : array of shape (n_contrasts,)
        SD of the predicted deviations relative to the measured ones.
    scale : array of shape (n_contrasts,)
        Factor of the coefficients that gives the amplitudes.
    predicted : LeftOut
        With one penalty.
    """

    penalties: Labels
    amplitudes: Sums
    scale: Sums
    predicted: LeftOut

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
        The shared coefficients, then those of each parcel (none if there are too many ROIs).
    """
    with_parcels = products.xx.shape[-1] <= _MAX_ROIS_OF_PARCELS
    xx, xy = products.xx.sum(axis=1, keepdims=True), products.xy.sum(axis=0, keepdims=True)
    if with_parcels:
        xx, xy = (np.concatenate(pair, axis=axis) for pair, axis in (((xx, products.xx[:, 1:]), 1),
                                                                     ((xy, products.xy[1:]), 0)))  # fmt: skip
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


def evaluate(coefficients: Sequence[Sums], data: Folds, left_out: Sequence[Products]) -> LeftOut:
    """Evaluate the coefficients of each fold on its participants.

    Parameters
    ----------
    coefficients : sequence of array of shape (n_penalties, n_contrasts, n_rows, n_rois)
        One array for each fold, with one row for all voxels, or one row for each parcel.
    data : Folds
    left_out : sequence of Products
        Products of each participant.

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
    total = np.sum([products.yy.sum(axis=0) for products in left_out], axis=0)
    return LeftOut(np.array(crosses), np.array(squares), total)


def choose(predictions: LeftOut, n_participants: Labels) -> Choice:
    """Choose the penalty of each contrast, and scale its coefficients.

    Parameters
    ----------
    predictions : LeftOut
        At all penalties.
    n_participants : integer array of shape (n_contrasts,)
        Participants with a map of the contrast.

    Returns
    -------
    Choice
        The penalty with the largest correlation over all voxels and participants. The amplitude is this
        correlation, shrunk towards the mean over contrasts.
    """
    cross, squares = (values.sum(axis=(0, 3)) for values in (predictions.cross, predictions.squares))
    r = np.divide(cross, np.sqrt(squares), out=np.full_like(cross, -np.inf), where=squares > 0)
    # Of equal correlations, the largest penalty is chosen.
    penalties = len(r) - 1 - r[::-1].argmax(axis=0)
    contrasts = np.arange(len(penalties))
    squares = squares[penalties, contrasts]
    lengths = np.sqrt(predictions.total * squares)
    r = np.divide(cross[penalties, contrasts], lengths, out=np.zeros(len(penalties)), where=lengths > 0)
    pooled_r = (n_participants * r).sum() / n_participants.sum()
    amplitudes = (n_participants * r + N_PRIOR * pooled_r) / (n_participants + N_PRIOR)
    amplitudes = np.clip(amplitudes, 0, 1)
    lengths = np.sqrt(predictions.total / np.where(squares > 0, squares, np.inf))
    scale = amplitudes * lengths
    index = penalties[None, None, :, None]
    predicted = replace(
        predictions,
        cross=scale[:, None] * np.take_along_axis(predictions.cross, index, axis=1),
        squares=scale[:, None] ** 2 * np.take_along_axis(predictions.squares, index, axis=1),
    )
    return Choice(penalties, amplitudes, scale, predicted)


def find_better(by_parcel: LeftOut, shared: LeftOut) -> NDArray[np.bool_]:
    """Find the parcels whose own coefficients predict left-out participants better.

    Parameters
    ----------
    by_parcel, shared : LeftOut
        Predictions with one penalty: with the coefficients of each parcel, and with the shared ones.

    Returns
    -------
    boolean array of shape (n_contrasts, n_parcels)
        Whether the squared error falls by more than two standard errors over participants.
    """
    n_parcels = by_parcel.cross.shape[3]
    gain = _reductions(by_parcel) - _reductions(shared)[..., -n_parcels:]
    standard_error = gain.std(axis=0, ddof=1) / np.sqrt(len(gain))
    is_better: NDArray[np.bool_] = gain.mean(axis=0) > _MIN_GAIN_SE * standard_error
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


def combine(by_parcel: LeftOut, shared: LeftOut, own_parcels: NDArray[np.bool_]) -> LeftOut:
    """Replace the predictions of some parcels by those of their own coefficients.

    Parameters
    ----------
    by_parcel, shared : LeftOut
        As for `find_better`.
    own_parcels : boolean array of shape (n_contrasts, n_parcels)

    Returns
    -------
    LeftOut
    """
    parts = []
    for name in ("cross", "squares"):
        values = getattr(shared, name).copy()
        values[..., 1:] = np.where(own_parcels, getattr(by_parcel, name), values[..., 1:])
        parts.append(values)
    return replace(shared, cross=parts[0], squares=parts[1])


def correlate(predicted: LeftOut) -> Sums:
    """Correlate predicted and measured deviations over all participants and voxels.

    Parameters
    ----------
    predicted : LeftOut
        With one penalty.

    Returns
    -------
    array of shape (n_contrasts,)
        Not centred over voxels; NaN if nothing is predicted.
    """
    cross, squares = (values.sum(axis=(0, 1, 3)) for values in (predicted.cross, predicted.squares))
    scale = np.sqrt(squares * predicted.total)
    r: Sums = np.divide(cross, scale, out=np.full_like(cross, np.nan), where=scale > 0)
    return r
