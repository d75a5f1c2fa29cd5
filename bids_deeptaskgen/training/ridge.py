"""Fit of a ridge model: participants, calibration, bundle and report. Needs neither torch nor Lightning."""

import logging
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.typicality import ConnectomeDistribution
from bids_deeptaskgen.grid import unmask
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
from bids_deeptaskgen.stats.ridge import RidgeFit, fit_ridge
from bids_deeptaskgen.training.cached_participants import (
    CachedParticipant,
    read_cached_participants,
    usable_pairs,
)
from bids_deeptaskgen.training.card_words import calibration_words, science_status
from bids_deeptaskgen.training.data import TrainingData
from bids_deeptaskgen.training.environment import is_first_process
from bids_deeptaskgen.training.ridge_participants import (
    RidgeParticipant,
    check_contrasts,
    check_groups,
    with_usable_connectomes,
)
from bids_deeptaskgen.training.sampling import TEST, TRAIN
from bids_deeptaskgen.training.split_file import write_split
from bids_deeptaskgen.training.typicality import training_distribution
from bids_deeptaskgen.training.work_folder import SPLIT, TARGETS, open_folder, work_folder

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]

FIT_TABLE = "ridge_fit.tsv"


def train(settings: TrainSettings, out: Path, data: TrainingData, base: Bundle) -> int:
    """Fit a ridge model to all training participants and write its bundle.

    Parameters
    ----------
    settings : TrainSettings
    out : Path
        Folder of the bundle.
    data : TrainingData
        The pairs of the validation participants are among its training pairs.
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
        If there are too few unrelated participants, also of a single contrast.
    """
    if not is_first_process():
        return 0
    n_test = data.n_participants(TEST)
    check_groups([pair.group for pair in data.pairs[TRAIN]], n_test)
    folder = work_folder(settings, out)
    open_folder(settings, folder, data.facts())
    write_split(folder / SPLIT, data.split)
    logger.info("reading the measured maps of %d sessions", len(data.pairs[TRAIN]))
    read_cached_participants(data, folder / TARGETS)
    participants = with_usable_connectomes(
        [
            RidgeParticipant(CachedParticipant(pair, data, folder / TARGETS), base)
            for pair in usable_pairs(data, TRAIN, folder / TARGETS)
        ]
    )
    groups = [participant.group for participant in participants]
    check_groups(groups, n_test)
    check_contrasts(participants, data.labels)
    data = data.restrict({TRAIN: tuple(participant.cached.pair for participant in participants)})
    logger.info("fitting the ridge model to %d sessions, %d contrasts", len(participants), len(data.labels))
    parcels = winner_take_all(at_output_voxels(base.rois(), base.brain_mask, base.output_mask))
    with log_duration("ridge fit"):
        fit = fit_ridge(participants, parcels, groups, seed=settings.seed)
    write_fit_table(folder / FIT_TABLE, fit, data.labels)
    if settings.calibration:
        logger.info("calibrating by cross-validation")
    calibration = calibrate(fit, participants) if settings.calibration else None
    bundle = write_bundle(out, settings, data, base, fit, calibration)
    shutil.rmtree(folder / TARGETS)
    _report(bundle, folder, data, fit)
    return 0


def calibrate(fit: RidgeFit, participants: Sequence[RidgeParticipant]) -> Calibration:
    """Compare the predicted map of each left-out participant with the mean map of the other folds.

    Parameters
    ----------
    fit : RidgeFit
    participants : sequence of RidgeParticipant
        Those of the fit, in order.

    Returns
    -------
    Calibration
    """
    calibration = Calibration(len(fit.model.mean_maps))
    for participant, fold in zip(participants, fit.folds, strict=True):
        model = fit.fold_models[fold]
        connectome, measured = participant()
        calibration.add(model.predict(connectome), measured, model.mean_maps)
    return calibration


def write_bundle(
    out: Path,
    settings: TrainSettings,
    data: TrainingData,
    base: Bundle,
    fit: RidgeFit,
    calibration: Calibration | None,
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
    calibration : Calibration or None

    Returns
    -------
    Bundle
    """
    distribution = training_distribution(data.pairs[TRAIN], base.card.architecture.in_channels)
    return save_bundle(
        out,
        make_card(out, settings, data, base, fit, calibration, distribution),
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
    calibration: Calibration | None,
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
    calibration : Calibration or None
    distribution : ConnectomeDistribution, or None
        Of the training participants' ROI-by-ROI connectomes.

    Returns
    -------
    Card
    """
    card = base.card
    for_science, notice = science_status(settings.statmaps, card, uses_weights=False)
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
            data, fit, settings.seed, calibration, distribution.n_participants if distribution else 0
        ),
        licence=settings.licence or "not stated",
        citation=card.citation,
        for_science=for_science,
        notice=notice,
        mean_roi_connectome=distribution.mean_roi_connectome if distribution else None,
        calibration=None
        if calibration is None
        else tuple(round(float(weight), 2) for weight in calibration.weights),
    )


def training_words(
    data: TrainingData,
    fit: RidgeFit,
    seed: int,
    calibration: Calibration | None,
    n_typical: int = 0,
) -> str:
    """Describe for the card the participants, the choices and the cross-validation of a ridge model.

    Parameters
    ----------
    data : TrainingData
    fit : RidgeFit
    seed : int
        Of the split and the folds.
    calibration : Calibration or None
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
    if calibration is not None:
        method = (
            f"on the {n_train} participants, each predicted without their fold, against mean maps without it"
        )
        words.append(calibration_words(calibration, method))
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
