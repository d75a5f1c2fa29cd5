"""The linear model: fitted to other people, one at a time, and applied to those who are tested."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.connectomes import ConnectomeFile, check_connectomes, find_connectomes, read_window
from bids_deeptaskgen.commands.maps import hold, read_person
from bids_deeptaskgen.commands.study import Study
from bids_deeptaskgen.core.linear_model import LinearModel, winner_take_all
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.nn.bundle import Bundle

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
    of = _by_person(sources, bundle)
    model = _fitted(study, bundle, of, rng)
    where = bundle.brain_mask[study.mask]
    predictions = hold((len(study.contrasts), len(study.people), len(where)), scratch)
    for number, person in enumerate(study.people):
        windows = [(file, window) for file in of.get(person, ()) for window in range(file.n_windows)]
        if not windows:
            predictions[:, number] = np.nan
            continue
        predictions[:, number] = 0
        for file, window in windows:
            maps = model.predict(_seen(study, bundle, file, window))
            predictions[:, number, where] += maps / np.float32(len(windows))
    return predictions, int(model.n_people.max())


def _by_person(sources: Sequence[Path], bundle: Bundle) -> dict[str, list[ConnectomeFile]]:
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
    fitted = sorted({person for people in others.values() for person in people} & set(of))
    for person in fitted:
        file = of[person][int(rng.integers(len(of[person])))]
        connectome = _seen(study, bundle, file, int(rng.integers(file.n_windows)))
        own = [others.get(label, {}).get(person, ()) for label in study.labels]
        model.add(connectome, read_person(own, study.mask)[:, where])
        logger.debug("linear model: sub-%s taken in", person)
    if not model.n_people.any():
        message = (
            "--connectomes: nobody with connectomes has measured maps in --baseline-train.\n"
            "Make those people's connectomes with --save-connectome too, and name that dataset."
        )
        raise InputError(message)
    return model


def _seen(study: Study, bundle: Bundle, file: ConnectomeFile, window: int) -> NDArray[np.float32]:
    """Read the connectome at the scored voxels that are in the brain mask."""
    return read_window(file, window)[:, study.mask[bundle.brain_mask]]
