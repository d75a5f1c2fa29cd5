"""What training makes small: mse, mae, and two losses that also keep people apart (Serin et al. 2025).

A loss takes (predicted, measured), both float32 of shape (n_people, n_contrasts, n_voxels) with the voxels of
the loss mask only, and gives a scalar. NaN in ``measured`` is what was not measured: all of a contrast that a
person lacks, or single voxels. It is left out of every mean and has no gradient.
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
    """Which loss, and its numbers; the defaults are those of the options, and of the published training.

    Attributes
    ----------
    name : str
        A key of `LOSSES`.
    alpha : float
        Weight of the contrast term of ``crr``.
    margin : float
        By how much ``crr`` wants other people's maps to be farther than one's own, in mean squared error.
    within, within_min : float
        Error that ``rc`` forgives at the start, and the least that it ever forgives.
    between, between_max : float
        By how much ``rc`` wants other people's maps to be farther at the start, and at most.
    anneal_epochs : int
        After so many epochs ``within`` is halved and ``between`` doubled, and so on.
    """

    name: str = _default("loss")
    alpha: float = _default("alpha")
    margin: float = _default("margin")
    within: float = 0.5
    within_min: float = 0.01
    between: float = 0.6
    between_max: float = 1.0
    anneal_epochs: int = 10


def make_loss(settings: LossSettings, epoch: int = 0) -> Loss:
    """Make the loss of one epoch; only ``rc`` changes with the epoch.

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
        If there is no loss of this name.
    """
    if settings.name not in LOSSES:
        msg = f"no loss is called {settings.name!r}; there are {', '.join(LOSSES)}"
        raise ValueError(msg)
    return LOSSES[settings.name](settings, epoch)


def reconstruction(predicted: Tensor, measured: Tensor) -> Tensor:
    """Mean squared error over all that was measured; 0 if nothing was."""
    return _mean_error(F.mse_loss, predicted, measured)


def absolute_error(predicted: Tensor, measured: Tensor) -> Tensor:
    """Mean absolute error over all that was measured; 0 if nothing was."""
    return _mean_error(F.l1_loss, predicted, measured)


def contrast(predicted: Tensor, measured: Tensor) -> Tensor | None:
    """How far predicted maps are from other people's measured maps.

    As published, each pair of people counts once: the earlier one's prediction against the later one's maps.

    Parameters
    ----------
    predicted, measured : tensor of shape (n_people, n_contrasts, n_voxels)
        Of all people that are to be told apart, wherever they were predicted.

    Returns
    -------
    scalar tensor or None
        Mean over pairs of the mean squared error over the contrasts that both have; a pair without such a
        contrast is left out. None if there is no pair.
    """
    # A sum is NaN if any of its terms is: one pass, and no mask to write and to read again.
    if not measured.sum().isnan():
        return _mean_distance(predicted, measured)
    distances = _distances_with_holes(predicted, measured)
    return torch.stack(distances).mean() if distances else None


def crr(predicted: Tensor, measured: Tensor, *, alpha: float, margin: float) -> Tensor:
    """Contrastive-regularised reconstruction: R + alpha max(0, R - D + margin), D being `contrast`.

    Where D is not defined, as for one person alone, R is all.
    """
    error, distance = reconstruction(predicted, measured), contrast(predicted, measured)
    return error if distance is None else error + alpha * F.relu(error - distance + margin)


def rc(predicted: Tensor, measured: Tensor, *, within: float, between: float) -> Tensor:
    """Reconstruction and contrast: max(0, R - within) + max(0, R - D + between), D being `contrast`.

    Where D is not defined, as for one person alone, the first term is all.
    """
    error, distance = reconstruction(predicted, measured), contrast(predicted, measured)
    forgiven = F.relu(error - within)
    return forgiven if distance is None else forgiven + F.relu(error - distance + between)


def annealed(settings: LossSettings, epoch: int) -> tuple[float, float]:
    """Compute the margins ``within`` and ``between`` of ``rc`` in one epoch.

    They follow from the initial values, as the paper describes it. The published code halves and doubles what
    earlier epochs have halved and doubled already: 0.5, 0.25, 0.0625 instead of 0.5, 0.25, 0.125.
    """
    factor = 2.0 ** min(epoch // settings.anneal_epochs, 1000)  # a larger one is not a float
    within = max(settings.within / factor, settings.within_min)
    return within, min(settings.between * factor, settings.between_max)


def _rc_of(settings: LossSettings, epoch: int) -> Loss:
    within, between = annealed(settings, epoch)
    return partial(rc, within=within, between=between)


LOSSES: dict[str, Callable[[LossSettings, int], Loss]] = {
    "mse": lambda _, __: reconstruction,
    "mae": lambda _, __: absolute_error,
    "crr": lambda settings, _: partial(crr, alpha=settings.alpha, margin=settings.margin),
    "rc": _rc_of,
}


def _mean_error(error: Callable[..., Tensor], predicted: Tensor, measured: Tensor) -> Tensor:
    """Mean of an error over all that was measured."""
    plain = error(predicted, measured)
    if not plain.isnan():  # so complete data, which are the rule, are not searched for holes
        return plain
    known = ~measured.isnan()
    return error(predicted, _filled(predicted, measured, known), reduction="sum") / known.sum().clamp(min=1)


def _mean_distance(predicted: Tensor, measured: Tensor) -> Tensor | None:
    """Compute `contrast` of complete data in one pass a person, not in one a pair.

    The mean squared distance to several maps is that to their mean, and their spread about it (both grow from
    the last person to the first, after Welford): nothing large is subtracted, so float32 will do.
    """
    mean, spread = measured[-1], measured.new_zeros(())
    total, n_pairs = measured.new_zeros(()), 0
    earlier = zip(predicted.unbind()[-2::-1], measured.unbind()[-2::-1], strict=True)
    for n_later, (ours, theirs) in enumerate(earlier, start=1):
        total = total + n_later * (F.mse_loss(ours, mean) + spread)
        n_pairs += n_later
        share = 1 / (n_later + 1)
        spread = (1 - share) * (spread + share * F.mse_loss(theirs, mean))
        mean = torch.lerp(mean, theirs, share)
    return total / n_pairs if n_pairs else None


def _distances_with_holes(predicted: Tensor, measured: Tensor) -> list[Tensor]:
    """Squared errors of each pair that has a contrast in common, as the terms of `contrast`."""
    known = ~measured.isnan()
    n_known = known.sum(dim=-1)  # (n_people, n_contrasts)
    ours, theirs, distances = predicted.unbind(), measured.unbind(), []
    for i, j in combinations(range(len(ours)), 2):
        both = (n_known[i] > 0) & (n_known[j] > 0)
        if both.any():
            filled = _filled(ours[i], theirs[j], known[j])
            errors = F.mse_loss(ours[i], filled, reduction="none").sum(dim=-1)  # (n_contrasts,)
            distances.append((errors[both] / n_known[j, both]).mean())
    return distances


def _filled(predicted: Tensor, measured: Tensor, known: Tensor) -> Tensor:
    """Put the prediction where nothing was measured, so that error and gradient are 0 there.

    Leaving NaN out after the subtraction would do for the error, not for the gradient: 0 times NaN is NaN.
    """
    return torch.where(known, measured, predicted.detach())
