"""The whole benchmark, in order: simulate, train, fine-tune, score."""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks.accuracy.cohort import FIRST, SECOND, Simulated, Site, cohort
from benchmarks.accuracy.models import copy_of, linear, masked, train
from benchmarks.accuracy.scoring import Table, score_cohort
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nn.unet import new_network
from bids_deeptaskgen.training.fit_records import Fit, FitSettings
from bids_deeptaskgen.training.losses import LossSettings
from bids_deeptaskgen.training.masked_unet import MaskedUNet

LOSSES = ("crr", "mse")
STRATEGIES = ("backbone", "batchnorm", "everything")
Trained = tuple[MaskedUNet, Fit]


class Divided(NamedTuple):
    """The participants of a cohort, by what they are for."""

    train: Sequence[Simulated]
    validation: Sequence[Simulated]
    test: Sequence[Simulated]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of participants of each part."""
        return tuple(map(len, self))


def run(options: argparse.Namespace) -> dict[str, object]:
    """Simulate, train, fine-tune and score both cohorts.

    Parameters
    ----------
    options : argparse.Namespace
        Of the command line; see `benchmarks.accuracy.__main__`.

    Returns
    -------
    dict
        Scores, logs, seconds and numbers of participants, as JSON can hold them.
    """
    began = time.monotonic()
    first = simulate_divided(FIRST, options.n_train, options)
    second = simulate_divided(SECOND, options.n_second, options)
    simulated = time.monotonic() - began
    models = train_models(first, options)
    best = max(models, key=lambda loss: max(line.r for line in models[loss][1].log))
    tuned = fine_tune(second, models[best][0], best, options)
    since = time.monotonic()
    results = score_all(first, second, models, best, tuned)
    logs = {
        **{loss: made[1].log for loss, made in models.items()},
        **{f"tuned {name}": made[1].log for name, made in tuned.items()},
    }
    seconds = {
        "simulation": simulated,
        **{f"training {loss}": _seconds_of(made[1]) for loss, made in models.items()},
        **{f"fine-tuning {name}": _seconds_of(made[1]) for name, made in tuned.items()},
        "scoring": time.monotonic() - since,
    }
    return {
        "results": results,
        "best": best,
        "logs": {name: [asdict(line) for line in log] for name, log in logs.items()},
        "seconds": seconds,
        "n_people": {"first": first.sizes, "second": second.sizes},
        "options": {key: str(value) for key, value in vars(options).items()},
    }


def simulate_divided(site: Site, n_train: int, options: argparse.Namespace) -> Divided:
    """Simulate a cohort and divide it."""
    sizes = (n_train, options.n_validation, options.n_test)
    participants, ends = cohort(site, sum(sizes), options.work / "people"), np.cumsum(sizes)
    return Divided(*(participants[end - size : end] for size, end in zip(sizes, ends, strict=True)))


def fit_settings(options: argparse.Namespace) -> FitSettings:
    """Return how a network is trained from the start."""
    return FitSettings(n_epochs=options.n_epochs, batch_size=4, learning_rate=2e-3, schedule="cosine")


def train_models(participants: Divided, options: argparse.Namespace) -> dict[str, Trained]:
    """Train a network with each loss."""
    architecture = Architecture(fdim=options.fdim)

    def start() -> MaskedUNet:
        return masked(new_network(architecture, 1))

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
    participants: Divided, parent: MaskedUNet, loss: str, options: argparse.Namespace
) -> dict[str, Trained]:
    """Fine-tune a network with each strategy."""
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
    first: Divided,
    second: Divided,
    models: Mapping[str, Trained],
    best: str,
    tuned: Mapping[str, Trained],
) -> dict[str, Table]:
    """Score all networks and linear models on the test participants of both cohorts."""
    networks = {f"network, {loss}": made[0] for loss, made in models.items()}
    others = {f"network, fine-tuned ({strategy})": made[0] for strategy, made in tuned.items()}
    plain, own = linear(first.train), linear(second.train)
    return {
        "first": score_cohort(first, networks, plain),
        "second": score_cohort(
            second,
            {f"network, {best}, not fine-tuned": models[best][0], **others},
            own,
            {"linear model of the first cohort": plain},
        ),
    }


def _seconds_of(made: Fit) -> float:
    """Sum the epochs' seconds, those of an earlier call that was broken off too."""
    return sum(line.seconds for line in made.log)
