"""Training losses: mse, mae, and two losses that also separate participants (Serin et al. 2025).

A loss takes (predicted, measured), both float32 of shape (n_participants, n_contrasts, n_voxels) with the
voxels of the loss mask only, and returns a scalar. NaN in ``measured`` marks missing values: a participant's
missing contrast, or single voxels. Missing values are excluded from every mean and have no gradient.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional as F

from bids_deeptaskgen.settings.fill import default_of
from bids_deeptaskgen.settings.training import TrainingSettings

Loss = Callable[[Tensor, Tensor], Tensor]
_default = partial(default_of, TrainingSettings)


@dataclass(frozen=True)
class LossSettings:
    """Settings of a loss; the defaults are those of the options and of the published training.

    Attributes
    ----------
    name : str
        A key of `LOSSES`.
    alpha : float
        Weight of the contrast term of ``crr``.
    margin : float
        Margin of ``crr``, in mean squared error: excess distance of other participants' measured maps.
    within_margin, within_min : float
        Initial and smallest reconstruction error that ``rc`` tolerates.
    between_margin, between_max : float
        Initial and largest margin of ``rc`` for other participants' maps.
    anneal_epochs : int
        Number of epochs after which ``within_margin`` is halved and ``between_margin`` doubled, repeatedly.
    """

    name: str = _default("loss")
    alpha: float = _default("alpha")
    margin: float = _default("margin")
    within_margin: float = 0.5
    within_min: float = 0.01
    between_margin: float = 0.6
    between_max: float = 1.0
    anneal_epochs: int = 10


def make_loss(settings: LossSettings, epoch: int = 0) -> Loss:
    """Build the loss of one epoch; only ``rc`` changes with the epoch.

    Parameters
    ----------
    settings : LossSettings
    epoch : int
        Counted from 0.

    Returns
    -------
    function of (predicted, measured)

    Raises
    ------
    ValueError
        If the loss is unknown.
    """
    if settings.name not in LOSSES:
        msg = f"unknown loss {settings.name!r}; choose one of {', '.join(LOSSES)}"
        raise ValueError(msg)
    return LOSSES[settings.name](settings, epoch)


def reconstruction(predicted: Tensor, measured: Tensor) -> Tensor:
    """Compute the mean squared error over all measured values; 0 without any.

    Parameters
    ----------
    predicted, measured : tensor of shape (n_participants, n_contrasts, n_voxels)

    Returns
    -------
    scalar tensor
    """
    return _mean_error(F.mse_loss, predicted, measured)


def absolute_error(predicted: Tensor, measured: Tensor) -> Tensor:
    """Compute the mean absolute error over all measured values; 0 without any.

    Parameters
    ----------
    predicted, measured : tensor of shape (n_participants, n_contrasts, n_voxels)

    Returns
    -------
    scalar tensor
    """
    return _mean_error(F.l1_loss, predicted, measured)


def contrastive_distance(predicted: Tensor, measured: Tensor) -> Tensor | None:
    """Compute the distance of predicted maps from other participants' measured maps.

    As published, each pair of participants counts once: the prediction of the first against the maps of the
    second.

    Parameters
    ----------
    predicted, measured : tensor of shape (n_participants, n_contrasts, n_voxels)
        All participants of the step, over all processes.

    Returns
    -------
    scalar tensor or None
        Mean over pairs of the mean squared error over their common contrasts; pairs without a common contrast
        are excluded. None if there is no pair.
    """
    # A sum is NaN if any term is, so one pass suffices and no mask is written.
    if not measured.sum().isnan():
        return _mean_distance(predicted, measured)
    distances = _distances_with_holes(predicted, measured)
    return torch.stack(distances).mean() if distances else None


def crr(predicted: Tensor, measured: Tensor, *, alpha: float, margin: float) -> Tensor:
    """Compute the contrastive-regularised reconstruction R + alpha max(0, R - D + margin).

    R is `reconstruction` and D is `contrastive_distance`. Where D is undefined, as for a single participant,
    the loss is R.

    Parameters
    ----------
    predicted, measured : tensor of shape (n_participants, n_contrasts, n_voxels)
    alpha : float
        Weight of the contrast term.
    margin : float
        In mean squared error.

    Returns
    -------
    scalar tensor
    """
    error, distance = reconstruction(predicted, measured), contrastive_distance(predicted, measured)
    return error if distance is None else error + alpha * F.relu(error - distance + margin)


def rc(predicted: Tensor, measured: Tensor, *, within_margin: float, between_margin: float) -> Tensor:
    """Compute reconstruction and contrast, max(0, R - within_margin) + max(0, R - D + between_margin).

    R is `reconstruction` and D is `contrastive_distance`. Where D is undefined, as for a single participant,
    the loss is the first term.

    Parameters
    ----------
    predicted, measured : tensor of shape (n_participants, n_contrasts, n_voxels)
    within_margin, between_margin : float
        In mean squared error.

    Returns
    -------
    scalar tensor
    """
    error, distance = reconstruction(predicted, measured), contrastive_distance(predicted, measured)
    excess = F.relu(error - within_margin)
    return excess if distance is None else excess + F.relu(error - distance + between_margin)


def anneal_margins(settings: LossSettings, epoch: int) -> tuple[float, float]:
    """Compute the margins of ``rc`` in one epoch.

    They follow from the initial values, as in the paper. The published code scales the values of earlier
    epochs again: 0.5, 0.25, 0.0625 instead of 0.5, 0.25, 0.125.

    Parameters
    ----------
    settings : LossSettings
    epoch : int
        Counted from 0.

    Returns
    -------
    within_margin, between_margin : float

    Examples
    --------
    The margins change every 10 epochs.

    >>> [anneal_margins(LossSettings("rc"), epoch) for epoch in (0, 9, 10)]
    [(0.5, 0.6), (0.5, 0.6), (0.25, 1.0)]
    """
    factor = 2.0 ** min(epoch // settings.anneal_epochs, 1000)  # a larger power is no float
    within_margin = max(settings.within_margin / factor, settings.within_min)
    return within_margin, min(settings.between_margin * factor, settings.between_max)


def _make_rc(settings: LossSettings, epoch: int) -> Loss:
    within_margin, between_margin = anneal_margins(settings, epoch)
    return partial(rc, within_margin=within_margin, between_margin=between_margin)


LOSSES: dict[str, Callable[[LossSettings, int], Loss]] = {
    "mse": lambda _, __: reconstruction,
    "mae": lambda _, __: absolute_error,
    "crr": lambda settings, _: partial(crr, alpha=settings.alpha, margin=settings.margin),
    "rc": _make_rc,
}


def _mean_error(error: Callable[..., Tensor], predicted: Tensor, measured: Tensor) -> Tensor:
    """Average an error over all measured values."""
    complete_mean = error(predicted, measured)
    if not complete_mean.isnan():  # complete data, the usual case, need no mask
        return complete_mean
    is_measured = ~measured.isnan()
    total = error(predicted, _fill_missing(predicted, measured, is_measured), reduction="sum")
    return total / is_measured.sum().clamp(min=1)


def _mean_distance(predicted: Tensor, measured: Tensor) -> Tensor | None:
    """Compute `contrastive_distance` of complete data in one pass per participant, not per pair.

    The mean squared distance to several maps is that to their mean plus their spread around it. Both are
    updated from the last participant to the first, after Welford; no large numbers are subtracted, so float32
    suffices.
    """
    mean, spread = measured[-1], measured.new_zeros(())
    total, n_pairs = measured.new_zeros(()), 0
    remaining = zip(predicted.unbind()[-2::-1], measured.unbind()[-2::-1], strict=True)
    for n_later, (prediction, measurement) in enumerate(remaining, start=1):
        total = total + n_later * (F.mse_loss(prediction, mean) + spread)
        n_pairs += n_later
        share = 1 / (n_later + 1)
        spread = (1 - share) * (spread + share * F.mse_loss(measurement, mean))
        mean = torch.lerp(mean, measurement, share)
    return total / n_pairs if n_pairs else None


def _distances_with_holes(predicted: Tensor, measured: Tensor) -> list[Tensor]:
    """Compute the mean squared errors of all pairs with a common contrast, the terms of the distance."""
    is_measured = ~measured.isnan()
    n_measured = is_measured.sum(dim=-1)  # (n_participants, n_contrasts)
    predictions, measurements, distances = predicted.unbind(), measured.unbind(), []
    for i, j in combinations(range(len(predictions)), 2):
        is_common = (n_measured[i] > 0) & (n_measured[j] > 0)
        if is_common.any():
            target = _fill_missing(predictions[i], measurements[j], is_measured[j])
            errors = F.mse_loss(predictions[i], target, reduction="none").sum(dim=-1)  # (n_contrasts,)
            distances.append((errors[is_common] / n_measured[j, is_common]).mean())
    return distances


def _fill_missing(predicted: Tensor, measured: Tensor, is_measured: Tensor) -> Tensor:
    """Fill missing values with the prediction, so that their error and gradient are 0.

    Excluding NaN after the subtraction would not suffice for the gradient, since 0 times NaN is NaN.
    """
    return torch.where(is_measured, measured, predicted.detach())
