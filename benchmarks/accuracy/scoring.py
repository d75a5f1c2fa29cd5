"""Scores of all models on test participants."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cohort import Floats, SimulatedParticipant
from benchmarks.accuracy.models import Maps, calibrate, linear_maps, predictions
from bids_deeptaskgen.stats.identification import cross_match, match_constant
from bids_deeptaskgen.stats.linear_model import LinearModel
from bids_deeptaskgen.stats.paired_tests import bootstrap_interval
from bids_deeptaskgen.stats.scores import residual_correlations
from bids_deeptaskgen.training.masked_unet import MaskedUNet

Table = dict[str, dict[str, list[float]]]  # scores by model and name: mean, lower and upper bound
SCORES = ("r", "difference", "residual r", "identified")


def score(measured: Maps, predicted: Maps, average: Floats) -> dict[str, NDArray[np.float64]]:
    """Score a predictor per participant and contrast.

    Parameters
    ----------
    measured : array of shape (n_participants, n_contrasts, n_voxels)
    predicted : array of shape (n_participants, n_contrasts, n_voxels) or (n_contrasts, n_voxels)
        Two dimensions if the prediction is the same for every participant.
    average : array of shape (n_contrasts, n_voxels)
        Group average of the training participants.

    Returns
    -------
    dict of str to array of shape (n_participants, n_contrasts)
        An array for each of `SCORES`.
    """
    rows: dict[str, list[NDArray[np.float64]]] = {name: [] for name in SCORES}
    for contrast in range(measured.shape[1]):
        maps = measured[:, contrast]
        if predicted.ndim == 2:
            matches = match_constant(maps, predicted[contrast])
            residual = np.full(len(maps), 0.0)
        else:
            matches = cross_match(maps, predicted[:, contrast], np.random.default_rng(0))
            residual = residual_correlations(maps, predicted[:, contrast], average[contrast])
        values = (matches.self_r, matches.difference, residual, (matches.rank == 1).astype(float))
        for row, value in zip(rows.values(), values, strict=True):
            row.append(value)
    return {name: np.stack(row, axis=1) for name, row in rows.items()}


def table(measured: Maps, predicted: dict[str, Maps], average: Floats) -> Table:
    """Score every predictor: mean over contrasts and participants, and its 95% interval over participants.

    Parameters
    ----------
    measured : array of shape (n_participants, n_contrasts, n_voxels)
    predicted : dict of str to array
        Predictions by name, as for `score`.
    average : array of shape (n_contrasts, n_voxels)
        Group average of the training participants.

    Returns
    -------
    Table
    """
    participants = np.arange(len(measured))
    results = {}
    for name, maps in predicted.items():
        of_participant = {key: value.mean(axis=1) for key, value in score(measured, maps, average).items()}
        results[name] = {
            key: [
                float(value.mean()),
                *map(float, bootstrap_interval(value, participants, np.random.default_rng(0))),
            ]
            for key, value in of_participant.items()
        }
    return results


def score_cohort(
    participants: Sequence[Sequence[SimulatedParticipant]],
    networks: dict[str, MaskedUNet],
    model: LinearModel,
    further_models: dict[str, LinearModel] | None = None,
) -> Table:
    """Score all models on the test participants of a cohort, uncalibrated and calibrated.

    Parameters
    ----------
    participants : Split
        Training, validation and test participants; validation is for the calibration.
    networks : dict of str to MaskedUNet
        Networks by name.
    model : LinearModel
        Linear model of this cohort.
    further_models : dict of str to LinearModel, optional
        Linear models of other cohorts by name.

    Returns
    -------
    Table
    """
    training, validation, test = participants
    average = np.asarray(
        np.mean([participant.task for participant in training], axis=0, dtype=np.float64), np.float32
    )
    measured = np.stack([participant.task for participant in test])
    predicted: dict[str, Maps] = {
        "group average": average,
        "retest": np.stack([participant.retest for participant in test]),
    }
    makers = {"linear model": partial(linear_maps, model)}
    makers |= {name: partial(linear_maps, further) for name, further in (further_models or {}).items()}
    makers |= {name: partial(predictions, module) for name, module in networks.items()}
    for name, make in makers.items():
        test_maps, validation_maps = make(test), make(validation)
        predicted[name] = test_maps
        predicted[f"{name}, calibrated"] = calibrate(test_maps, validation_maps, validation, average)
    return table(measured, predicted, average)
