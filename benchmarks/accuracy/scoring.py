"""Scores of all models on people whom none of them has seen."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cohort import Floats, Simulated
from benchmarks.accuracy.models import Maps, calibrated, linear_maps, predictions
from bids_deeptaskgen.stats.identification import match, match_constant
from bids_deeptaskgen.stats.linear_model import LinearModel
from bids_deeptaskgen.stats.paired_tests import bootstrap_interval
from bids_deeptaskgen.stats.scores import residual_correlations
from bids_deeptaskgen.training.masked_unet import MaskedUNet

Table = dict[str, dict[str, list[float]]]  # model to score to mean and interval
SCORES = ("r", "difference", "residual r", "identified")


def score(measured: Maps, predicted: Maps, average: Floats) -> dict[str, NDArray[np.float64]]:
    """Score a prediction (or one for all): for each score an array of shape (n_people, n_contrasts)."""
    rows: dict[str, list[NDArray[np.float64]]] = {name: [] for name in SCORES}
    for contrast in range(measured.shape[1]):
        of_all = measured[:, contrast]
        if predicted.ndim == 2:
            found = match_constant(of_all, predicted[contrast])
            residual = np.full(len(of_all), 0.0)
        else:
            found = match(of_all, predicted[:, contrast], np.random.default_rng(0))
            residual = residual_correlations(of_all, predicted[:, contrast], average[contrast])
        values = (found.own, found.difference, residual, (found.rank == 1).astype(float))
        for row, value in zip(rows.values(), values, strict=True):
            row.append(value)
    return {name: np.stack(row, axis=1) for name, row in rows.items()}


def table(measured: Maps, predicted: dict[str, Maps], average: Floats) -> Table:
    """Score every prediction: the mean over contrasts and people, and its 95% interval over people."""
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
    participants: Sequence[Sequence[Simulated]],
    networks: dict[str, MaskedUNet],
    model: LinearModel,
    more: dict[str, LinearModel] | None = None,
) -> Table:
    """Score all models on a cohort's test people, plain and calibrated on its validation people."""
    training, validation, test = participants
    average = np.mean([participant.task for participant in training], axis=0, dtype=np.float64).astype(
        np.float32
    )
    measured = np.stack([participant.task for participant in test])
    predicted: dict[str, Maps] = {
        "group average": average,
        "second measurement": np.stack([participant.retest for participant in test]),
    }
    makers = {"linear model": partial(linear_maps, model)}
    makers |= {name: partial(linear_maps, other) for name, other in (more or {}).items()}
    makers |= {name: partial(predictions, module) for name, module in networks.items()}
    for name, make in makers.items():
        plain, of_validation = make(test), make(validation)
        predicted[name] = plain
        predicted[f"{name}, calibrated"] = calibrated(plain, of_validation, validation, average)
    return table(measured, predicted, average)
