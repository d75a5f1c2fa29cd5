"""Learning curves: more training participants, and more minutes of rest."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

from benchmarks.accuracy.cohort import FIRST, SimulatedParticipant, cohort
from benchmarks.accuracy.long_runs import MINUTES, long_runs, with_minutes
from benchmarks.accuracy.models import train, wrap_network
from benchmarks.accuracy.predictors import (
    Predict,
    TrainingCohort,
    calibrated,
    constant_predictor,
    fit_ridge_model,
    linear_predictor,
    mean_maps,
    network_predictor,
    ridge_predictor,
)
from benchmarks.accuracy.steps import Steps
from benchmarks.accuracy.test_set import Row, TestSet
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nn.unet import new_network
from bids_deeptaskgen.training.fit_records import FitSettings
from bids_deeptaskgen.training.losses import LossSettings
from bids_deeptaskgen.training.masked_unet import MaskedUNet

SIZES = (10, 20, 50, 100, 200)
EPOCHS = (60, 40, 30, 24, 24)
AVERAGE, RETEST, LINEAR, RIDGE, NETWORK = "group average", "retest", "linear model", "ridge", "network"
CALIBRATED = ", calibrated"
Rows = dict[str, dict[str, Row]]  # scores by size or length, and by predictor


@dataclass(frozen=True)
class CurveSettings:
    """Settings of the learning curves and of the shifts.

    Attributes
    ----------
    sizes, epochs : tuple of int
        Sizes of the cohorts, validation participants included; epochs of the network of each.
    first_test : int
        Number of the first test participant, the same as in the comparison of two cohorts.
    n_test : int
        Number of test participants.
    fdim : int
        Channels of the networks at full resolution.
    tuning_sizes, tuning_epochs : tuple of int
        Sizes of the shifted cohorts; epochs of fine-tuning for each.
    scratch_epochs : int
        Epochs of a network that is trained from random weights on the largest shifted cohort.
    minutes_size : int
        Size of the cohort with long runs, one of `sizes`.
    """

    sizes: tuple[int, ...] = SIZES
    epochs: tuple[int, ...] = EPOCHS
    first_test: int = 220
    n_test: int = 40
    fdim: int = 8
    tuning_sizes: tuple[int, ...] = (10, 30, 100)
    tuning_epochs: tuple[int, ...] = (15, 8, 4)
    scratch_epochs: int = 10
    minutes_size: int = 50

    @property
    def architecture(self) -> Architecture:
        """Return the architecture of the networks."""
        return Architecture(fdim=self.fdim)

    @property
    def test_numbers(self) -> range:
        """Return the numbers of the test participants within the first cohort."""
        return range(self.first_test, self.first_test + self.n_test)

    def fit(self, n_epochs: int, *, strategy: str = "everything", learning_rate: float = 2e-3) -> FitSettings:
        """Return the settings of a fit.

        Parameters
        ----------
        n_epochs : int
        strategy : str
            Trained parts.
        learning_rate : float

        Returns
        -------
        FitSettings
        """
        return FitSettings(
            loss=LossSettings("mse"),
            strategy=strategy,
            n_epochs=n_epochs,
            batch_size=2,
            learning_rate=learning_rate,
            schedule="cosine",
        )


def train_on(
    name: str, participants: TrainingCohort, settings: CurveSettings, fit: FitSettings, work: Path
) -> MaskedUNet:
    """Train a network from random weights, or load it if it was trained before.

    Parameters
    ----------
    name : str
        Name of the network.
    participants : TrainingCohort
    settings : CurveSettings
    fit : FitSettings
    work : Path
        Folder of the benchmark.

    Returns
    -------
    MaskedUNet
    """

    def start() -> MaskedUNet:
        return wrap_network(new_network(settings.architecture, 1))

    return train(name, start, participants.training, participants.validation, fit, networks_folder(work))[0]


def network_of(size: int, participants: TrainingCohort, settings: CurveSettings, work: Path) -> MaskedUNet:
    """Train the network of the first participants of a cohort, or load it if it was trained before.

    Parameters
    ----------
    size : int
        Number of participants; one of the sizes of `settings`.
    participants : TrainingCohort
        The largest cohort.
    settings : CurveSettings
    work : Path
        Folder of the benchmark.

    Returns
    -------
    MaskedUNet
    """
    fit = settings.fit(settings.epochs[settings.sizes.index(size)])
    return train_on(f"participants-{size}", participants.first(size), settings, fit, work)


def networks_folder(work: Path) -> Path:
    """Return the folder of the networks of curves and shifts."""
    return work / "curves" / "networks"


def simulated_participants(settings: CurveSettings, work: Path) -> TrainingCohort:
    """Simulate the largest cohort of the learning curve.

    Parameters
    ----------
    settings : CurveSettings
    work : Path
        Folder of the benchmark.

    Returns
    -------
    TrainingCohort
    """
    return TrainingCohort(cohort(FIRST, max(settings.sizes), work / "participants"))


def test_participants(settings: CurveSettings, work: Path) -> list[SimulatedParticipant]:
    """Simulate the test participants of the first cohort."""
    return cohort(FIRST, settings.test_numbers, work / "participants")


def curve_over_participants(settings: CurveSettings, work: Path) -> Rows:
    """Score all predictors of each size of the cohort.

    Parameters
    ----------
    settings : CurveSettings
    work : Path
        Folder of the benchmark.

    Returns
    -------
    dict of str to dict
        Scores by size and predictor; the retest has the size 0.
    """
    participants = simulated_participants(settings, work)
    test_set = TestSet(test_participants(settings, work), mean_maps(participants.participants))
    steps = Steps(work / "curves" / "participants", asdict(settings))
    rows: Rows = {"0": {RETEST: steps.score(RETEST, lambda: test_set.score(lambda person: person.retest))}}
    for size in settings.sizes:
        chosen = participants.first(size)
        train_network = partial(network_of, size, participants, settings, work)
        rows[str(size)] = {
            name: steps.score(f"{name}, {size}", partial(score_predictor, test_set, make))
            for name, make in _predictors(chosen, train_network)
        }
    return rows


def _predictors(
    participants: TrainingCohort, train_network: Callable[[], MaskedUNet]
) -> Iterator[tuple[str, Callable[[], Predict]]]:
    """List the predictors that a cohort makes possible, each with the function that fits it."""
    linear = cache(lambda: linear_predictor(participants))
    network = cache(lambda: network_predictor(train_network()))
    yield AVERAGE, lambda: constant_predictor(mean_maps(participants.participants))
    yield RIDGE, lambda: ridge_predictor(fit_ridge_model(participants.participants).model)
    for name, make in ((LINEAR, linear), (NETWORK, network)):
        yield name, make
        yield f"{name}{CALIBRATED}", partial(_calibrated, make, participants)


def _calibrated(make: Callable[[], Predict], participants: TrainingCohort) -> Predict:
    return calibrated(make(), participants.validation, participants)


def curve_over_minutes(settings: CurveSettings, work: Path) -> Rows:
    """Score linear models and a network for each length of the resting-state run.

    Ridge and linear model are trained and tested with the same length. The network is that of as many
    participants with a run of 8 minutes.

    Parameters
    ----------
    settings : CurveSettings
    work : Path
        Folder of the benchmark.

    Returns
    -------
    dict of str to dict
        Scores by minutes and predictor.
    """
    folder, size = work / "participants", settings.minutes_size
    network = cache(lambda: network_of(size, simulated_participants(settings, work), settings, work))
    all_training, all_test = long_runs(range(size), folder), long_runs(settings.test_numbers, folder)
    test_set = TestSet(all_test, mean_maps(all_training))
    steps = Steps(work / "curves" / "minutes", asdict(settings))
    rows: Rows = {}
    for minutes in MINUTES:
        chosen = TrainingCohort(with_minutes(all_training, minutes))
        of_length = test_set.with_participants(with_minutes(all_test, minutes))
        rows[str(minutes)] = {
            name: steps.score(f"{name}, {minutes}", partial(score_predictor, of_length, make))
            for name, make in _predictors(chosen, network)
            if name != AVERAGE
        }
    return rows


def score_predictor(test_set: TestSet, make: Callable[[], Predict]) -> Row:
    """Fit a predictor and score it.

    Parameters
    ----------
    test_set : TestSet
    make : function
        Returns the fitted predictor.

    Returns
    -------
    dict of str to list of float
        See `TestSet.score`.
    """
    return test_set.score(make())
