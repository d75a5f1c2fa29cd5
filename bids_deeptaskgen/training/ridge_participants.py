"""Training participants of a ridge model, and checks whether they suffice. Does not import torch."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.connectome_files import read_mean_connectome
from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.io.npy import save_array
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.stats.ridge import MIN_GROUPS
from bids_deeptaskgen.stats.ridge_products import MIN_VOXELS
from bids_deeptaskgen.training.cached_participants import CachedParticipant

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]

# With fewer families than this, the choices of the cross-validation are noisy.
FEW_GROUPS = 10
# From this share of participants without a contrast on, its mean map is that of another cohort.
MANY_MISSING = 0.1


@dataclass(frozen=True)
class RidgeParticipant:
    """A session of a training participant, as `fit_ridge` reads it.

    Attributes
    ----------
    cached : CachedParticipant
    base : Bundle
        Model whose masks select the voxels.
    """

    cached: CachedParticipant
    base: Bundle

    @property
    def group(self) -> str:
        """Return the family, or the participant if the family is not known."""
        return self.cached.pair.group

    def connectome(self) -> Floats:
        """Read the mean connectome over windows at the output voxels, shape (n_rois, n_output_voxels)."""
        if self._path.is_file():
            cached_mean: Floats = np.load(self._path)
            return cached_mean
        file = self.cached.pair.connectome
        mean = read_mean_connectome([file], self.base.brain_mask, self.base.output_mask)
        if file.n_windows > 1:
            save_array(self._path, mean)
        return mean

    def __call__(self) -> tuple[Floats, Floats]:
        """Read the mean connectome and the measured maps, NaN where not measured."""
        return self.connectome(), self.cached.statmaps()

    @property
    def _path(self) -> Path:
        return self.cached.folder / f"{self.cached.name.replace(' ', '_')}_connectome.npy"


def check_groups(groups: Sequence[str], n_test: int) -> None:
    """Check that a ridge model can be cross-validated over families.

    Parameters
    ----------
    groups : sequence of str
        Family (or participant) of each training session.
    n_test : int
        Number of test participants, for the advice.

    Raises
    ------
    InputError
        If there are fewer than `MIN_GROUPS` groups.
    """
    n_groups = len(set(groups))
    if n_groups < MIN_GROUPS:
        fewer = f", or reserve fewer than {n_test} for the test (`test_share`, `split`)" if n_test else ""
        message = (
            f"{n_groups} unrelated training participants have usable connectomes and measured maps; a ridge "
            f"model needs at least {MIN_GROUPS} for the cross-validation over families.\n"
            f"Add participants{fewer}."
        )
        raise InputError(message)


def with_usable_connectomes(participants: Sequence[RidgeParticipant]) -> list[RidgeParticipant]:
    """Select the sessions whose connectome can be used; the log names the others.

    Parameters
    ----------
    participants : sequence of RidgeParticipant

    Returns
    -------
    list of RidgeParticipant
    """
    usable: list[RidgeParticipant] = []
    names: dict[str, list[str]] = {}
    for participant in participants:
        fault = _connectome_fault(participant.connectome())
        if fault is None:
            usable.append(participant)
        else:
            names.setdefault(fault, []).append(participant.cached.name)
    for fault, faulty_names in names.items():
        logger.warning(
            "%d sessions are left out, since their connectome %s: %s.\nRe-run these participants with "
            "`save_connectome` and `overwrite`.",
            len(faulty_names), fault, abbreviate(faulty_names),
        )  # fmt: skip
    return usable


def _connectome_fault(connectome: Floats) -> str | None:
    if not np.isfinite(connectome).all():
        return "contains NaN or infinite values"
    return None if connectome.any() else "is zero in all voxels that the model predicts"


def check_contrasts(participants: Sequence[RidgeParticipant], labels: Sequence[str]) -> None:
    """Check that each contrast has measured maps of enough participants; warn of few and of different ones.

    A map counts if it has values in more than `MIN_VOXELS` of the voxels.

    Parameters
    ----------
    participants : sequence of RidgeParticipant
        All sessions that the model is fitted to, at least one.
    labels : sequence of str
        Labels of the contrasts.

    Raises
    ------
    InputError
        If a contrast has maps of fewer than `MIN_GROUPS` unrelated participants.
    """
    is_measured = np.array(
        [np.isfinite(participant.cached.statmaps()).mean(axis=1) > MIN_VOXELS for participant in participants]
    )
    groups = np.array([participant.group for participant in participants])
    n_groups = {
        label: len(set(groups[has_map])) for label, has_map in zip(labels, is_measured.T, strict=True)
    }
    too_few = _count_words({label: n for label, n in n_groups.items() if n < MIN_GROUPS})
    if too_few:
        message = (
            f"Fewer than {MIN_GROUPS} unrelated training participants have a measured map with values in "
            f"more than {MIN_VOXELS:.0%} of the model's voxels (their number in parentheses): {too_few}.\n"
            "Exclude these contrasts (`contrasts`), or add participants with these maps."
        )
        raise InputError(message)
    _warn_of_few(len(set(groups)), n_groups)
    n_without = {label: int(n) for label, n in zip(labels, (~is_measured).sum(axis=0).tolist(), strict=True)}
    missing_words = _count_words(
        {label: n for label, n in n_without.items() if n > MANY_MISSING * len(participants)}
    )
    if missing_words:
        logger.warning(
            "More than %.0f%% of the %d sessions lack a measured map of some contrasts (their number in "
            "parentheses): %s.\nMean maps and weights of the contrasts are then of different participants. "
            "Train such contrasts separately (`contrasts`).",
            100 * MANY_MISSING, len(participants), missing_words,
        )  # fmt: skip


def _warn_of_few(n_all: int, n_groups: dict[str, int]) -> None:
    """Warn once of few participants, and of contrasts with fewer than that."""
    if n_all < FEW_GROUPS:
        logger.warning(
            "Only %d unrelated training participants: penalty and calibration are chosen on few participants "
            "and may differ much in other cohorts. %d or more are better.",
            n_all, FEW_GROUPS,
        )  # fmt: skip
    few_words = _count_words({label: n for label, n in n_groups.items() if n < min(n_all, FEW_GROUPS)})
    if few_words:
        logger.warning(
            "Fewer than %d unrelated training participants have a measured map of some contrasts (their "
            "number in parentheses), whose penalty and calibration may differ much in other cohorts: %s.",
            min(n_all, FEW_GROUPS), few_words,
        )  # fmt: skip


def _count_words(counts: dict[str, int]) -> str:
    return abbreviate([f"{label} ({n})" for label, n in counts.items()]) if counts else ""
