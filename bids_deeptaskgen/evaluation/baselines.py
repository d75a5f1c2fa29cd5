"""Predictors of a contrast: the models and the baselines, with the group average and the linear model."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.measured_map_selection import StatmapFile
from bids_deeptaskgen.bids.output.connectome_files import (
    ConnectomeFile,
    check_connectomes,
    find_connectomes,
    read_window,
)
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.participant_ids import align_labels
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.evaluation.map_reader import average_participants, read_participant
from bids_deeptaskgen.evaluation.reliability import RETEST
from bids_deeptaskgen.evaluation.scoring import Predictor
from bids_deeptaskgen.evaluation.study import Study
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.io.work_array import allocate
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.stats.calibration import apply_calibration
from bids_deeptaskgen.stats.linear_model import LinearModel, winner_take_all
from bids_deeptaskgen.stats.map_rows import LeaveOneOut, Maps

logger = logging.getLogger("bids_deeptaskgen")

GROUP_AVERAGE, LINEAR, RIDGE = "group average", "linear model", "ridge model"


def choose_averages(
    settings: EvaluateSettings, study: Study, means: NDArray[np.float32] | None
) -> list[tuple[NDArray[np.float32] | None, str]]:
    """Choose the group average of each contrast, and describe its source.

    The first available source is used: the training baseline, the mean maps of the model, the tested
    participants.

    Parameters
    ----------
    settings : EvaluateSettings
        Settings of the evaluation.
    study : Study
        Data of the evaluation.
    means : array of shape (n_model_contrasts, n_voxels), or None
        Mean maps of the model.

    Returns
    -------
    list of (array of shape (n_voxels,) or None, str)
        Average of each contrast, None for leave-one-out averages of the tested participants; and its source.
    """
    bundle = study.bundle
    # A fine-tuned model may have contrasts without measured maps, whose mean map is 0 throughout.
    model_means: dict[str, NDArray[np.float32]] = {}
    if bundle and means is not None:
        contrasts = zip(bundle.card.contrasts, means, strict=True)
        model_means = {contrast.label: mean for contrast, mean in contrasts if mean.any()}
    averages, n_participants = (
        average_participants(study.baseline_train, study.labels, study.mask)
        if study.baseline_train
        else (None, [0] * len(study.labels))
    )
    choices: list[tuple[NDArray[np.float32] | None, str]] = []
    for number, label in enumerate(study.labels):
        if averages is not None and n_participants[number]:
            source = f"mean of {n_participants[number]} other participants in {settings.baseline_train}"
            choices.append((averages[number], source))
        elif bundle and label in model_means:
            source = f"mean of the training participants of {bundle.card.name}"
            choices.append((model_means[label], source))
        else:
            choices.append((None, "leave-one-out mean of the tested participants"))
    return choices


def predictors(
    study: Study,
    contrast: str,
    maps: Mapping[str, NDArray[np.float32]],
    average: Maps | LeaveOneOut,
    means: NDArray[np.float32] | None,
    voxels: NDArray[np.bool_],
) -> Iterator[Predictor]:
    """Yield the models and baselines of a contrast.

    A model's maps are calibrated in place after they were yielded uncalibrated, so each predictor must be
    used before the next one is requested.

    Parameters
    ----------
    study : Study
        Data of the evaluation.
    contrast : str
        Label of the contrast.
    maps : dict of str to array of shape (n_participants, n_voxels)
        Maps by the name of the predictor.
    average : array of shape (n_voxels,), or LeaveOneOut
        Group average.
    means : array of shape (n_model_contrasts, n_mask_voxels), or None
        Mean maps of the model.
    voxels : boolean array of shape (n_mask_voxels,)
        Voxels of `maps`.

    Yields
    ------
    Predictor
    """
    for name in study.predicted:
        if name in maps:
            yield Predictor(name, is_baseline=False, maps=maps[name])
            if means is not None and _calibrate(study, contrast, name, maps[name], means[:, voxels]):
                yield Predictor(f"{name}, calibrated", is_baseline=False, maps=maps[name])
    yield Predictor(GROUP_AVERAGE, is_baseline=True, maps=average)
    for name in (LINEAR, RIDGE, RETEST):
        if name in maps:
            yield Predictor(name, is_baseline=True, maps=maps[name])


def _calibrate(
    study: Study, contrast: str, name: str, maps: NDArray[np.float32], means: NDArray[np.float32]
) -> bool:
    """Apply the calibration of the model to its maps in place; return whether there is one."""
    bundle, files = study.bundle, study.predicted[name][contrast]
    if bundle is None or bundle.card.calibration is None or not is_uncalibrated_output(bundle, files):
        return False
    number = [entry.label for entry in bundle.card.contrasts].index(contrast)
    weight = np.array([bundle.card.calibration[number]])
    for row in maps:
        row[:] = apply_calibration(row[None], means[None, number], weight)[0]
    return True


def is_uncalibrated_output(bundle: Bundle, files: Mapping[str, Sequence[StatmapFile]]) -> bool:
    """Return whether maps are uncalibrated predictions of a model, according to the first sidecar.

    Parameters
    ----------
    bundle : Bundle
        Model bundle.
    files : dict of str to sequence of StatmapFile
        Maps of one contrast, by participant.

    Returns
    -------
    bool
        False if there is no readable sidecar.
    """
    first = next(iter(files.values()))[0]
    try:
        sidecar = read_json(sidecar_path(first.path))["DeepTaskGen"]
        is_same_model: bool = sidecar["Model"]["WeightsSha256"] == bundle.weights_sha256
        return is_same_model and not sidecar["Settings"].get("calibrated")
    except (InputError, KeyError, TypeError, AttributeError):
        return False


def linear_predictions(
    study: Study, sources: Sequence[Path], rng: np.random.Generator, scratch: Path
) -> tuple[NDArray[np.float32], int]:
    """Fit the linear model to the training baseline and predict the maps of the tested participants.

    Parameters
    ----------
    study : Study
        Data of the evaluation, with a model bundle and a training baseline.
    sources : sequence of Path
        Datasets with connectomes.
    rng : Generator
        Source of the random choice of one window per training participant, as in the published evaluation.
    scratch : Path
        Folder for predictions that are too large for the memory.

    Returns
    -------
    array of shape (n_contrasts, n_participants, n_voxels)
        Predictions averaged over windows; NaN for participants without a connectome.
    int
        Number of training participants.

    Raises
    ------
    InputError
        If no participant with connectomes has measured maps, if the connectomes do not fit the model, or if
        two datasets contain the same session.
    ValueError
        If the study has no model bundle.
    """
    bundle = study.bundle
    if bundle is None:
        message = "The linear model needs the ROI maps of a model, but `study.bundle` is None."
        raise ValueError(message)
    by_subject = connectomes_by_participant(sources, study, bundle)
    model = _fit_linear_model(study, bundle, by_subject, rng)
    voxels = bundle.brain_mask[study.mask]
    predictions = allocate((len(study.contrasts), len(study.participants), len(voxels)), scratch)
    for number, participant in enumerate(study.participants):
        files = by_subject.get(participant, ())
        windows = [(file, window) for file in files for window in range(file.n_windows)]
        if not windows:
            predictions[:, number] = np.nan
            continue
        predictions[:, number] = 0
        for file, window in windows:
            maps = model.predict(_read_connectome(study, bundle, file, window))
            predictions[:, number, voxels] += maps / np.float32(len(windows))
    return predictions, int(model.n_participants.max())


def connectomes_by_participant(
    sources: Sequence[Path], study: Study, bundle: Bundle
) -> dict[str, list[ConnectomeFile]]:
    """Find the connectomes of each participant, and refuse sessions that are in two datasets.

    Parameters
    ----------
    sources : sequence of Path
        Datasets with connectomes.
    study : Study
        Its labels of participants are used, however these datasets spell them.
    bundle : Bundle
        Model with whose ROI maps and masks the connectomes were computed.

    Returns
    -------
    dict of str to list of ConnectomeFile
        Sessions of each participant.

    Raises
    ------
    InputError
        If the connectomes do not fit the model, or two datasets contain the same session.
    """
    baseline_files = (study.baseline_train or {}).values()
    labels = {*study.participants, *(subject for files in baseline_files for subject in files)}
    by_subject: dict[str, list[ConnectomeFile]] = {}
    source_of: dict[str, Path] = {}
    for source in sources:
        files = find_connectomes(source, task=study.task)
        aligned_labels = align_labels((file.subject for file in files), labels, source)
        for file in (replace(file, subject=aligned_labels[file.subject]) for file in files):
            if file.name in source_of:
                message = (
                    f"`connectomes`: {file.name} is in both {source_of[file.name]} and {source}.\n"
                    "Participants are identified by their labels. Name only one dataset with this "
                    "participant, or change one label if these are two participants."
                )
                raise InputError(message)
            source_of[file.name] = source
            by_subject.setdefault(file.subject, []).append(file)
    check_connectomes([file for files in by_subject.values() for file in files], bundle.card)
    return by_subject


def _fit_linear_model(
    study: Study, bundle: Bundle, by_subject: dict[str, list[ConnectomeFile]], rng: np.random.Generator
) -> LinearModel:
    measured = study.baseline_train or {}
    is_scored = study.mask[bundle.brain_mask]
    labels = winner_take_all(bundle.rois()[:, is_scored])
    model = LinearModel(labels, bundle.card.architecture.in_channels, len(study.contrasts))
    voxels = bundle.brain_mask[study.mask]
    with_maps = {participant for participants in measured.values() for participant in participants}
    for participant in sorted(with_maps & set(by_subject)):
        file = by_subject[participant][int(rng.integers(len(by_subject[participant])))]
        connectome = _read_connectome(study, bundle, file, int(rng.integers(file.n_windows)))
        files = [measured.get(label, {}).get(participant, ()) for label in study.labels]
        model.add(connectome, read_participant(files, study.mask)[:, voxels])
        logger.debug("Linear model: added sub-%s.", participant)
    if not model.n_participants.any():
        message = (
            "`connectomes`: no participant with connectomes has measured maps in `baseline_train`.\n"
            "Compute connectomes of those participants with `save_connectome`, and add that dataset."
        )
        raise InputError(message)
    return model


def _read_connectome(study: Study, bundle: Bundle, file: ConnectomeFile, window: int) -> NDArray[np.float32]:
    """Read the connectome at the scored voxels inside the brain mask."""
    return read_window(file, window)[:, study.mask[bundle.brain_mask]]
