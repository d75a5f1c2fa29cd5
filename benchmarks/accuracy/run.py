"""Steps of the benchmark in order: simulate, train, fine-tune, score."""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks.accuracy.cohort import FIRST, SECOND, SimulatedParticipant, Site, cohort
from benchmarks.accuracy.models import copy_of, linear, train, wrap_network
from benchmarks.accuracy.scoring import Table, score_cohort
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nn.unet import new_network
from bids_deeptaskgen.training.fit_records import Fit, FitSettings
from bids_deeptaskgen.training.losses import LossSettings
from bids_deeptaskgen.training.masked_unet import MaskedUNet

LOSSES = ("crr", "mse")
STRATEGIES = ("backbone", "batchnorm", "everything")
TrainedModel = tuple[MaskedUNet, Fit]


class Split(NamedTuple):
    """Participants of a cohort for training, validation and test."""

    train: Sequence[SimulatedParticipant]
    validation: Sequence[SimulatedParticipant]
    test: Sequence[SimulatedParticipant]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the number of participants of each part."""
        return tuple(map(len, self))


def run(options: argparse.Namespace) -> dict[str, object]:
    """Run the benchmark: simulate, train, fine-tune and score both cohorts.

    Parameters
    ----------
    options : argparse.Namespace
        Options of `benchmarks.accuracy.__main__`.

    Returns
    -------
    dict
        Scores, logs, seconds and numbers of participants, for JSON.
    """
    start = time.monotonic()
    first = simulate_split(FIRST, options.n_train, options)
    second = simulate_split(SECOND, options.n_second, options)
    simulation_s = time.monotonic() - start
    models = train_models(first, options)
    best_loss = max(models, key=lambda loss: max(line.r for line in models[loss][1].log))
    tuned = fine_tune(second, models[best_loss][0], best_loss, options)
    scoring_start = time.monotonic()
    results = score_all(first, second, models, best_loss, tuned)
    logs = {
        **{loss: result.log for loss, (_, result) in models.items()},
        **{f"fine-tuned {name}": result.log for name, (_, result) in tuned.items()},
    }
    seconds = {
        "simulation": simulation_s,
        **{f"training {loss}": _seconds_of(result) for loss, (_, result) in models.items()},
        **{f"fine-tuning {name}": _seconds_of(result) for name, (_, result) in tuned.items()},
        "scoring": time.monotonic() - scoring_start,
    }
    return {
        "results": results,
        "best": best_loss,
        "logs": {name: [asdict(line) for line in log] for name, log in logs.items()},
        "seconds": seconds,
        "n_participants": {"first": first.sizes, "second": second.sizes},
        "options": {key: str(value) for key, value in vars(options).items()},
    }


def simulate_split(site: Site, n_train: int, options: argparse.Namespace) -> Split:
    """Simulate a cohort and split it.

    Parameters
    ----------
    site : Site
        Acquisition.
    n_train : int
        Number of training participants.
    options : argparse.Namespace
        Options of the benchmark.

    Returns
    -------
    Split
    """
    sizes = (n_train, options.n_validation, options.n_test)
    participants, ends = cohort(site, sum(sizes), options.work / "participants"), np.cumsum(sizes)
    return Split(*(participants[end - size : end] for size, end in zip(sizes, ends, strict=True)))


def fit_settings(options: argparse.Namespace) -> FitSettings:
    """Return the settings for training from random weights."""
    return FitSettings(n_epochs=options.n_epochs, batch_size=4, learning_rate=2e-3, schedule="cosine")


def train_models(participants: Split, options: argparse.Namespace) -> dict[str, TrainedModel]:
    """Train a network with each loss.

    Parameters
    ----------
    participants : Split
    options : argparse.Namespace
        Options of the benchmark.

    Returns
    -------
    dict of str to (MaskedUNet, Fit)
        Network and log by loss.
    """
    architecture = Architecture(fdim=options.fdim)

    def start() -> MaskedUNet:
        return wrap_network(new_network(architecture, 1))

    return {
        loss: train(
            loss,
            start,
            participants.train,
            participants.validation,
            replace(fit_settings(options), loss=LossSettings(loss)),
            options.work,
        )
        for loss in LOSSES
    }


def fine_tune(
    participants: Split, parent: MaskedUNet, loss: str, options: argparse.Namespace
) -> dict[str, TrainedModel]:
    """Train copies of a network further, one with each fine-tuning strategy.

    Parameters
    ----------
    participants : Split
    parent : MaskedUNet
        Network to start from; not changed.
    loss : str
        Loss of fine-tuning.
    options : argparse.Namespace
        Options of the benchmark.

    Returns
    -------
    dict of str to (MaskedUNet, Fit)
        Network and log by strategy.
    """
    base = replace(
        fit_settings(options),
        loss=LossSettings(loss),
        n_epochs=options.n_tuning_epochs,
        learning_rate=1e-3,
    )
    return {
        strategy: train(
            f"tuned-{loss}-{strategy}",
            partial(copy_of, parent, Architecture(fdim=options.fdim)),
            participants.train,
            participants.validation,
            replace(base, strategy=strategy),
            options.work,
        )
        for strategy in STRATEGIES
    }


def score_all(
    first: Split,
    second: Split,
    models: Mapping[str, TrainedModel],
    best_loss: str,
    tuned: Mapping[str, TrainedModel],
) -> dict[str, Table]:
    """Score all networks and linear models on the test participants of both cohorts.

    Parameters
    ----------
    first, second : Split
        Participants of both cohorts.
    models : mapping of str to (MaskedUNet, Fit)
        Networks of the first cohort by loss.
    best_loss : str
        Loss of the network that was fine-tuned.
    tuned : mapping of str to (MaskedUNet, Fit)
        Networks fine-tuned on the second cohort by strategy.

    Returns
    -------
    dict of str to Table
        Scores of "first" and "second".
    """
    networks = {f"network, {loss}": network for loss, (network, _) in models.items()}
    tuned_networks = {
        f"network, fine-tuned ({strategy})": network for strategy, (network, _) in tuned.items()
    }
    first_linear, second_linear = linear(first.train), linear(second.train)
    return {
        "first": score_cohort(first, networks, first_linear),
        "second": score_cohort(
            second,
            {f"network, {best_loss}, not fine-tuned": models[best_loss][0], **tuned_networks},
            second_linear,
            {"linear model of the first cohort": first_linear},
        ),
    }


def _seconds_of(result: Fit) -> float:
    """Sum the seconds of all epochs, including those of an interrupted call."""
    return sum(line.seconds for line in result.log)
