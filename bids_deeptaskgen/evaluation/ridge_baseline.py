"""Baseline of a ridge regression that is fitted to the training baseline."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.connectome_files import ConnectomeFile, read_mean_connectome
from bids_deeptaskgen.bids.participants_table import participants_table
from bids_deeptaskgen.evaluation.baselines import connectomes_by_participant
from bids_deeptaskgen.evaluation.map_reader import read_participant
from bids_deeptaskgen.evaluation.study import Study, read_families
from bids_deeptaskgen.io.npy import save_array
from bids_deeptaskgen.io.work_array import allocate
from bids_deeptaskgen.machine import log_duration
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.models.ridge_arrays import at_output_voxels
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.stats.linear_model import winner_take_all
from bids_deeptaskgen.stats.ridge import MIN_GROUPS, RidgeModel, fit_ridge
from bids_deeptaskgen.stats.ridge_products import MIN_VOXELS

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class BaselineParticipant:
    """A participant of the training baseline, as `fit_ridge` reads it: from files, since it reads twice.

    Attributes
    ----------
    connectome, statmaps : Path
        Arrays of shape (n_rois, n_voxels) and (n_all_contrasts, n_voxels).
    contrasts : array of int
        Rows of the maps to use.
    """

    connectome: Path
    statmaps: Path
    contrasts: NDArray[np.intp]

    def __call__(self) -> tuple[Floats, Floats]:
        """Read the mean connectome and the measured maps of the chosen contrasts."""
        return np.load(self.connectome), np.load(self.statmaps)[self.contrasts]


def ridge_predictions(settings: EvaluateSettings, study: Study, scratch: Path) -> tuple[Floats | None, str]:
    """Fit a ridge model to the training baseline and predict the maps of the tested participants.

    Parameters
    ----------
    settings : EvaluateSettings
    study : Study
        Data of the evaluation, with a model bundle and a training baseline.
    scratch : Path
        Folder for large arrays.

    Returns
    -------
    array of shape (n_contrasts, n_participants, n_voxels), or None
        NaN for participants without a connectome, and contrasts without a map in the training baseline. None
        if there are too few unrelated participants; the log says so.
    str
        Description of the training participants; empty without a model.

    Raises
    ------
    InputError
        If the connectomes do not fit the model, or two datasets contain the same session.
    ValueError
        If the study has no model bundle.
    """
    bundle = study.bundle
    if bundle is None:
        message = "The ridge model needs the ROI maps of a model, but `study.bundle` is None."
        raise ValueError(message)
    by_subject = connectomes_by_participant(settings.connectomes, study, bundle)
    with_maps = {subject for files in (study.baseline_train or {}).values() for subject in files}
    training = {subject: by_subject[subject] for subject in sorted(with_maps & set(by_subject))}
    participants, contrasts = _prepare(study, bundle, training, scratch)
    table = participants_table(settings.participants_tsv, settings.baseline_train or settings.measured)
    families, _ = read_families(table, settings.family_column, list(participants))
    n_families = len(set(families))
    if n_families < MIN_GROUPS:
        logger.warning(
            "The ridge model is left out: %d unrelated participants of `baseline_train` have connectomes and "
            "usable maps, but its cross-validation needs at least %d.", n_families, MIN_GROUPS,
        )  # fmt: skip
        return None, ""
    parcels = winner_take_all(at_output_voxels(bundle.rois(), bundle.brain_mask, study.mask))
    with log_duration("ridge baseline"):
        fit = fit_ridge(list(participants.values()), parcels, families.tolist(), seed=settings.seed)
    predictions = allocate((len(study.contrasts), len(study.participants), parcels.size), scratch)
    predictions[:] = np.nan
    for number, participant in enumerate(study.participants):
        if participant in by_subject:
            maps = _predict(fit.model, by_subject[participant], bundle, study)
            predictions[contrasts, number] = maps
    return predictions, f"fitted to {len(participants)} participants of {settings.baseline_train}"


def _prepare(
    study: Study, bundle: Bundle, by_subject: Mapping[str, Sequence[ConnectomeFile]], scratch: Path
) -> tuple[dict[str, BaselineParticipant], NDArray[np.intp]]:
    """Write the arrays of participants with usable maps, and find the contrasts that any of them has."""
    measured = study.baseline_train or {}
    participants: dict[str, BaselineParticipant] = {}
    is_measured = np.zeros(len(study.contrasts), bool)
    for subject, files in by_subject.items():
        contrasts = [measured.get(label, {}).get(subject, ()) for label in study.labels]
        maps = read_participant(contrasts, study.mask)
        has_map = np.isfinite(maps).mean(axis=1) > MIN_VOXELS
        if not has_map.any():
            continue
        is_measured |= has_map
        paths = [scratch / f"{subject}_{kind}.npy" for kind in ("connectome", "statmaps")]
        save_array(paths[0], read_mean_connectome(files, bundle.brain_mask, study.mask))
        save_array(paths[1], maps)
        participants[subject] = BaselineParticipant(paths[0], paths[1], np.empty(0, np.intp))
    rows = np.flatnonzero(is_measured)
    return {
        subject: replace(participant, contrasts=rows) for subject, participant in participants.items()
    }, rows


def _predict(model: RidgeModel, files: Sequence[ConnectomeFile], bundle: Bundle, study: Study) -> Floats:
    return model.predict(read_mean_connectome(files, bundle.brain_mask, study.mask))
