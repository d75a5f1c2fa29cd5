"""What is scored of a contrast: the models, and the baselines beside them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.connectome_files import (
    ConnectomeFile,
    check_connectomes,
    find_connectomes,
    read_window,
)
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.evaluation.map_reader import allocate, averages_of, read_participant
from bids_deeptaskgen.evaluation.scoring import Predictor
from bids_deeptaskgen.evaluation.study import Study, made_plainly_by
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.stats.calibration import apply_calibration
from bids_deeptaskgen.stats.linear_model import LinearModel, winner_take_all
from bids_deeptaskgen.stats.map_rows import LeaveOneOut, Maps

GROUP_AVERAGE, LINEAR, RETEST = "group average", "linear model", "retest"


def choose_averages(
    settings: EvaluateSettings, study: Study, means: NDArray[np.float32] | None
) -> list[tuple[NDArray[np.float32] | None, str]]:
    """Choose each contrast's group average, and say whose it is.

    It is of other people where there are such, else of the model's; None leaves out each tested person.
    """
    bundle = study.bundle
    # A fine-tuned model may have contrasts that nobody was measured in: their mean map is 0 throughout.
    known = (
        {one.label: mean for one, mean in zip(bundle.card.contrasts, means, strict=True) if mean.any()}
        if bundle and means is not None
        else {}
    )
    others, n_participants = (
        averages_of(study.others, study.labels, study.mask)
        if study.others
        else (None, [0] * len(study.labels))
    )
    chosen: list[tuple[NDArray[np.float32] | None, str]] = []
    for number, label in enumerate(study.labels):
        if others is not None and n_participants[number]:
            whose = f"of {n_participants[number]} other people of {settings.baseline_train}"
            chosen.append((others[number], whose))
        elif bundle and label in known:
            whose = f"of the people that {bundle.card.name} was trained on"
            chosen.append((known[label], whose))
        else:
            chosen.append((None, "of the tested people themselves, without the one at hand"))
    return chosen


def predictors(
    study: Study,
    contrast: str,
    maps: Mapping[str, NDArray[np.float32]],
    average: Maps | LeaveOneOut,
    means: NDArray[np.float32] | None,
    voxels: NDArray[np.bool_],
) -> Iterator[Predictor]:
    """Give models and baselines in turn; a model's maps are calibrated once they are scored as they are."""
    for name in study.predicted:
        if name in maps:
            yield Predictor(name, is_baseline=False, maps=maps[name])
            if means is not None and _calibrate(study, contrast, name, maps[name], means[:, voxels]):
                yield Predictor(f"{name}, calibrated", is_baseline=False, maps=maps[name])
    yield Predictor(GROUP_AVERAGE, is_baseline=True, maps=average)
    for name in (LINEAR, RETEST):
        if name in maps:
            yield Predictor(name, is_baseline=True, maps=maps[name])


def _calibrate(
    study: Study, contrast: str, name: str, maps: NDArray[np.float32], means: NDArray[np.float32]
) -> bool:
    """Calibrate predictions in place, if the model that made them knows how; tell whether it does."""
    bundle, files = study.bundle, study.predicted[name][contrast]
    if bundle is None or bundle.card.calibration is None or not made_plainly_by(bundle, files):
        return False
    number = [one.label for one in bundle.card.contrasts].index(contrast)
    weight = np.array([bundle.card.calibration[number]])
    for row in maps:
        row[:] = apply_calibration(row[None], means[None, number], weight)[0]
    return True


logger = logging.getLogger("bids_deeptaskgen")


def linear_predictions(
    study: Study, sources: Sequence[Path], rng: np.random.Generator, scratch: Path
) -> tuple[NDArray[np.float32], int]:
    """Fit the linear model and predict.

    Parameters
    ----------
    study : Study
        With a bundle and other people's maps.
    sources : sequence of Path
        Datasets with connectomes.
    rng : Generator
        Draws one window for each person it is fitted to, as published.
    scratch : Path
        Where predictions lie that are too many for the memory.

    Returns
    -------
    array of shape (n_contrasts, n_people, n_voxels)
        NaN for who has no connectome. Mean over windows.
    int
        Number of people it was fitted to.

    Raises
    ------
    InputError
        If nobody with connectomes has measured maps, the connectomes are not the model's, or two datasets
        hold the same session.
    """
    bundle = study.bundle
    if bundle is None:
        message = "The linear model needs the ROI maps of a model."
        raise ValueError(message)
    of = _by_participant(sources, bundle)
    model = _fitted(study, bundle, of, rng)
    where = bundle.brain_mask[study.mask]
    predictions = allocate((len(study.contrasts), len(study.participants), len(where)), scratch)
    for number, participant in enumerate(study.participants):
        windows = [(file, window) for file in of.get(participant, ()) for window in range(file.n_windows)]
        if not windows:
            predictions[:, number] = np.nan
            continue
        predictions[:, number] = 0
        for file, window in windows:
            maps = model.predict(_seen(study, bundle, file, window))
            predictions[:, number, where] += maps / np.float32(len(windows))
    return predictions, int(model.n_participants.max())


def _by_participant(sources: Sequence[Path], bundle: Bundle) -> dict[str, list[ConnectomeFile]]:
    """Find everybody's connectomes; two datasets with a session of one label can't be of the same person."""
    of: dict[str, list[ConnectomeFile]] = {}
    seen: dict[str, Path] = {}
    for source in sources:
        for file in find_connectomes(source):
            if file.name in seen:
                message = (
                    f"--connectomes: {file.name} is in {seen[file.name]} and in {source}.\n"
                    "People are told apart by their labels. Name one dataset with this person; if they are "
                    "two people, one of both needs another label."
                )
                raise InputError(message)
            seen[file.name] = source
            of.setdefault(file.subject, []).append(file)
    check_connectomes([file for own in of.values() for file in own], bundle.card)
    return of


def _fitted(
    study: Study, bundle: Bundle, of: dict[str, list[ConnectomeFile]], rng: np.random.Generator
) -> LinearModel:
    others = study.others or {}
    inside = study.mask[bundle.brain_mask]
    labels = winner_take_all(bundle.rois()[:, inside])
    model = LinearModel(labels, bundle.card.architecture.in_channels, len(study.contrasts))
    where = bundle.brain_mask[study.mask]
    fitted = sorted(
        {participant for participants in others.values() for participant in participants} & set(of)
    )
    for participant in fitted:
        file = of[participant][int(rng.integers(len(of[participant])))]
        connectome = _seen(study, bundle, file, int(rng.integers(file.n_windows)))
        own = [others.get(label, {}).get(participant, ()) for label in study.labels]
        model.add(connectome, read_participant(own, study.mask)[:, where])
        logger.debug("linear model: sub-%s taken in", participant)
    if not model.n_participants.any():
        message = (
            "--connectomes: nobody with connectomes has measured maps in --baseline-train.\n"
            "Make those people's connectomes with --save-connectome too, and name that dataset."
        )
        raise InputError(message)
    return model


def _seen(study: Study, bundle: Bundle, file: ConnectomeFile, window: int) -> NDArray[np.float32]:
    """Read the connectome at the scored voxels that are in the brain mask."""
    return read_window(file, window)[:, study.mask[bundle.brain_mask]]
