"""Fit of a ridge model: participants, calibration, bundle and report. Needs neither torch nor Lightning."""

import logging
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.connectome_files import read_mean_connectome
from bids_deeptaskgen.connectome.typicality import ConnectomeDistribution
from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.grid import unmask
from bids_deeptaskgen.io.npy import save_array
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.machine import log_duration
from bids_deeptaskgen.models.architecture import ridge_architecture
from bids_deeptaskgen.models.bundle import BRAIN_MASK, OUTPUT_MASK, ROIS, Bundle
from bids_deeptaskgen.models.bundle_writer import save_bundle
from bids_deeptaskgen.models.card import Card, name_from_folder
from bids_deeptaskgen.models.ridge_arrays import at_output_voxels, ridge_arrays
from bids_deeptaskgen.settings.training import TrainSettings
from bids_deeptaskgen.stats.calibration import Calibration
from bids_deeptaskgen.stats.linear_model import winner_take_all
from bids_deeptaskgen.stats.ridge import MIN_GROUPS, RidgeFit, fit_ridge
from bids_deeptaskgen.stats.ridge_products import MIN_VOXELS
from bids_deeptaskgen.training.cached_participants import (
    CachedParticipant,
    read_cached_participants,
    usable_pairs,
)
from bids_deeptaskgen.training.data import TrainingData
from bids_deeptaskgen.training.environment import is_first_process
from bids_deeptaskgen.training.sampling import TEST, TRAIN
from bids_deeptaskgen.training.split_file import write_split
from bids_deeptaskgen.training.typicality import training_distribution
from bids_deeptaskgen.training.work_folder import SPLIT, TARGETS, open_folder, work_folder

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]

FIT_TABLE = "ridge_fit.tsv"
# With fewer families than this, the choices of the cross-validation are noisy.
FEW_GROUPS = 10


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


def train(settings: TrainSettings, out: Path, data: TrainingData, base: Bundle) -> int:
    """Fit a ridge model to all training participants and write its bundle.

    Parameters
    ----------
    settings : TrainSettings
    out : Path
        Folder of the bundle.
    data : TrainingData
        Its validation participants are among the training participants.
    base : Bundle
        Model whose ROI maps and masks are used.

    Returns
    -------
    int
        0; failures are raised.

    Raises
    ------
    UserError
        If the work folder holds another training.
    InputError
        If there are too few unrelated participants, or a contrast has no usable map.
    """
    if not is_first_process():
        return 0
    check_groups([pair.group for pair in data.pairs[TRAIN]])
    folder = work_folder(settings, out)
    open_folder(settings, folder, data.facts())
    write_split(folder / SPLIT, data.split)
    logger.info("reading the measured maps of %d sessions", len(data.pairs[TRAIN]))
    read_cached_participants(data, folder / TARGETS)
    participants = [
        RidgeParticipant(CachedParticipant(pair, data, folder / TARGETS), base)
        for pair in usable_pairs(data, TRAIN, folder / TARGETS)
    ]
    groups = [participant.cached.pair.group for participant in participants]
    check_groups(groups)
    _check_coverage(participants, data.labels)
    logger.info("fitting the ridge model to %d sessions, %d contrasts", len(participants), len(data.labels))
    parcels = winner_take_all(at_output_voxels(base.rois(), base.brain_mask, base.output_mask))
    with log_duration("ridge fit"):
        fit = fit_ridge(participants, parcels, groups, seed=settings.seed)
    write_fit_table(folder / FIT_TABLE, fit, data.labels)
    if settings.calibration:
        logger.info("calibrating by cross-validation")
    weights = calibration_weights(fit, participants) if settings.calibration else None
    bundle = write_bundle(out, settings, data, base, fit, weights)
    shutil.rmtree(folder / TARGETS)
    _report(bundle, folder, data, fit)
    return 0


def check_groups(groups: Sequence[str]) -> None:
    """Check that a ridge model can be cross-validated over families.

    Parameters
    ----------
    groups : sequence of str
        Family (or participant) of each training session.

    Raises
    ------
    InputError
        If there are fewer than `MIN_GROUPS` groups; fewer than `FEW_GROUPS` are a warning.
    """
    n_groups = len(set(groups))
    if n_groups < MIN_GROUPS:
        message = (
            f"{n_groups} unrelated training participants have connectomes and usable measured maps; a ridge "
            f"model needs at least {MIN_GROUPS} for the cross-validation over families.\n"
            "Add participants, or lower `test_share`."
        )
        raise InputError(message)
    if n_groups < FEW_GROUPS:
        logger.warning(
            "Only %d unrelated training participants: penalty and calibration are chosen on few participants "
            "and may differ much in other cohorts. %d or more are better.",
            n_groups, FEW_GROUPS,
        )  # fmt: skip


def _check_coverage(participants: Sequence[RidgeParticipant], labels: Sequence[str]) -> None:
    """Refuse contrasts that no participant has in more than half of the voxels."""
    is_measured = np.zeros(len(labels), bool)
    for participant in participants:
        is_measured |= np.isfinite(participant.cached.statmaps()).mean(axis=1) > MIN_VOXELS
    missing_labels = [label for label, measured in zip(labels, is_measured, strict=True) if not measured]
    if missing_labels:
        message = (
            f"No training participant has a measured map of {abbreviate(missing_labels)} with values in "
            f"more than {MIN_VOXELS:.0%} of the model's voxels.\nExclude these contrasts (`contrasts`)."
        )
        raise InputError(message)


def calibration_weights(fit: RidgeFit, participants: Sequence[RidgeParticipant]) -> NDArray[np.float64]:
    """Choose the weight of the predicted map of each contrast from predictions of left-out participants.

    Parameters
    ----------
    fit : RidgeFit
    participants : sequence of RidgeParticipant
        Those of the fit, in order.

    Returns
    -------
    array of shape (n_contrasts,)
        From 0 (mean map) to 1 (predicted map); see `Calibration.weights`.
    """
    calibration = Calibration(len(fit.model.mean_maps))
    for participant, fold in zip(participants, fit.folds, strict=True):
        model = fit.fold_models[fold]
        connectome, measured = participant()
        calibration.add(model.predict(connectome), measured, model.mean_maps)
    return calibration.weights


def write_bundle(
    out: Path,
    settings: TrainSettings,
    data: TrainingData,
    base: Bundle,
    fit: RidgeFit,
    weights: NDArray[np.float64] | None,
) -> Bundle:
    """Write the bundle of a ridge model.

    Parameters
    ----------
    out : Path
        Folder of the bundle; an existing bundle is replaced once the new one is complete.
    settings : TrainSettings
    data : TrainingData
    base : Bundle
        Model whose ROI maps and masks were used.
    fit : RidgeFit
    weights : array of shape (n_contrasts,), or None
        Calibration.

    Returns
    -------
    Bundle
    """
    distribution = training_distribution(data.pairs[TRAIN], base.card.architecture.in_channels)
    return save_bundle(
        out,
        make_card(out, settings, data, base, fit, weights, distribution),
        ridge_arrays(fit.model),
        base.folder / ROIS,
        (base.folder / BRAIN_MASK, base.folder / OUTPUT_MASK),
        mean_statmaps=unmask(fit.model.mean_maps, base.output_mask),
        roi_connectomes=distribution,
        overwrite=True,
    )


def make_card(
    out: Path,
    settings: TrainSettings,
    data: TrainingData,
    base: Bundle,
    fit: RidgeFit,
    weights: NDArray[np.float64] | None,
    distribution: ConnectomeDistribution | None = None,
) -> Card:
    """Create the card of a ridge model.

    Parameters
    ----------
    out : Path
        Folder of the bundle.
    settings : TrainSettings
    data : TrainingData
    base : Bundle
    fit : RidgeFit
    weights : array of shape (n_contrasts,), or None
        Calibration.
    distribution : ConnectomeDistribution, or None
        Of the training participants' ROI-by-ROI connectomes.

    Returns
    -------
    Card
    """
    card = base.card
    return Card(
        name=settings.name or name_from_folder(out),
        description=settings.description,
        architecture=ridge_architecture(card.architecture.in_channels, len(data.contrasts)),
        contrasts=data.contrasts,
        roi_set=card.roi_set,
        # Each output voxel is predicted from its own connectome; other brain voxels have no effect.
        input_mask="gm",
        window_minutes=round(data.window_minutes, 2),
        training=training_words(
            data, fit, settings.seed, weights, distribution.n_participants if distribution else 0
        ),
        licence=settings.licence or "not stated",
        citation=card.citation,
        # An untrained base provides only ROI maps and masks, which its notice does not concern.
        for_science=card.for_science or card.untrained,
        notice="" if card.untrained else card.notice,
        mean_roi_connectome=distribution.mean_roi_connectome if distribution else None,
        calibration=None if weights is None else tuple(round(float(weight), 2) for weight in weights),
    )


def training_words(
    data: TrainingData,
    fit: RidgeFit,
    seed: int,
    weights: NDArray[np.float64] | None,
    n_typical: int = 0,
) -> str:
    """Describe for the card the participants, the choices and the cross-validation of a ridge model.

    Parameters
    ----------
    data : TrainingData
    fit : RidgeFit
    seed : int
        Of the split and the folds.
    weights : array of shape (n_contrasts,), or None
        Calibration.
    n_typical : int
        Training participants of the distribution of ROI-by-ROI connectomes; 0 without one.

    Returns
    -------
    str
    """
    n_train = data.n_participants(TRAIN)
    n_own = int(fit.own_parcels.sum())
    words = [
        f"{n_train} participants, all training and validation participants of the split; ridge regression "
        "from the deviation of the connectome to the deviation of the map, both from the training mean; "
        f"penalty {_range_words(fit.penalties, 'g')} of the mean eigenvalue and amplitude "
        f"{_range_words(fit.amplitudes, '.2f')}, chosen for each contrast by {len(fit.fold_models)}-fold "
        f"cross-validation over families; seed {seed}",
        "coefficients shared by all voxels"
        + (f", except in {n_own} of {fit.own_parcels.size} parcels of all contrasts" if n_own else ""),
        f"cross-validated r of the deviations {mean_r_words(fit)}",
    ]
    if weights is not None:
        words.append("calibrated by the same cross-validation")
    if n_typical:
        words.append(f"typicality from {n_typical} of {n_train} training participants")
    return "; ".join([*words, f"bids-deeptaskgen {version('bids-deeptaskgen')}"])


def mean_r_words(fit: RidgeFit) -> str:
    """Format the cross-validated r of the contrasts: their mean and range.

    Parameters
    ----------
    fit : RidgeFit

    Returns
    -------
    str
    """
    r = fit.cross_validated_r[np.isfinite(fit.cross_validated_r)]
    if not r.size:
        return "not available"
    return f"{r.mean():.3f}" + (f" ({r.min():.3f} to {r.max():.3f} over contrasts)" if r.size > 1 else "")


def _range_words(values: NDArray[np.float64], form: str) -> str:
    """Format the range of values, or the value if all are equal."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "n/a"
    smallest, largest = (format(float(value), form) for value in (finite.min(), finite.max()))
    return smallest if smallest == largest else f"{smallest} to {largest}"


def write_fit_table(path: Path, fit: RidgeFit, labels: Sequence[str]) -> None:
    """Write what was chosen for each contrast.

    Parameters
    ----------
    path : Path
    fit : RidgeFit
    labels : sequence of str
        Labels of the contrasts.
    """
    columns = {
        "contrast": list(labels),
        "penalty": [float(value) for value in fit.penalties],
        "amplitude": [float(value) for value in fit.amplitudes],
        "cross_validated_r": [float(value) for value in fit.cross_validated_r],
        "n_participants": [int(value) for value in fit.n_participants],
        "n_own_parcels": [int(value) for value in fit.own_parcels.sum(axis=1)],
    }
    write_tsv(path, columns)


def _report(bundle: Bundle, folder: Path, data: TrainingData, fit: RidgeFit) -> None:
    sys.stdout.write(
        f"Fitted to {data.n_participants(TRAIN)} participants; {data.n_participants(TEST)} test participants "
        "are reserved for evaluation.\n"
        f"Cross-validated r of deviations from the mean map: {mean_r_words(fit)}\n"
        f"Split and table of the fit: {folder}\n"
        f"Model: {bundle.folder}\n"
    )
