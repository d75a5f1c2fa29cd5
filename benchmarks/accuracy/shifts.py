"""Fine-tuning under shifts that can be learned: definition of contrasts, amplitude, acquisition."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.accuracy.cohort import (
    CROPPED,
    FURTHER,
    Floats,
    SimulatedParticipant,
    Site,
    cohort,
    unchanged,
)
from benchmarks.accuracy.learning_curve import (
    AVERAGE,
    CALIBRATED,
    RETEST,
    RIDGE,
    CurveSettings,
    Rows,
    network_of,
    networks_folder,
    score_predictor,
    simulated_participants,
    test_participants,
    train_on,
)
from benchmarks.accuracy.models import train, wrap_network
from benchmarks.accuracy.predictors import (
    Predict,
    TrainingCohort,
    calibrated,
    constant_predictor,
    fit_ridge_model,
    mean_maps,
    network_predictor,
    ridge_predictor,
)
from benchmarks.accuracy.steps import Steps
from benchmarks.accuracy.test_set import Row, TestSet
from bids_deeptaskgen.nn.network_state import replace_head
from bids_deeptaskgen.nn.unet import new_network
from bids_deeptaskgen.training.masked_unet import MaskedUNet

PARENT, COMBINED, SCRATCH = "parent", "parent, its maps combined", "network from random weights"
# Of the 47 contrasts, the 23rd next belongs to another task.
CONTRAST_STEP = 23
AMPLITUDE = 0.5


def contrast_differences(maps: Floats) -> Floats:
    """Subtract from each contrast a contrast of another task.

    Parameters
    ----------
    maps : array of shape (n_contrasts, n_voxels)

    Returns
    -------
    array of shape (n_contrasts, n_voxels)
    """
    return np.asarray(maps - np.roll(maps, -CONTRAST_STEP, axis=0))


def smaller_maps(maps: Floats) -> Floats:
    """Multiply maps by `AMPLITUDE`.

    Parameters
    ----------
    maps : array of shape (n_contrasts, n_voxels)

    Returns
    -------
    array of shape (n_contrasts, n_voxels)
    """
    return np.float32(AMPLITUDE) * maps


@dataclass(frozen=True)
class Shift:
    """A difference between the cohort of the parent and a new cohort.

    Attributes
    ----------
    title : str
    site : Site
        Acquisition of the new cohort.
    definition : function
        Measured maps of the new cohort from simulated ones, (n_contrasts, n_voxels).
    strategies : tuple of str
        Strategies of fine-tuning.
    is_combination : bool
        Whether `definition` can be applied to the parent's maps, too.
    from_scratch : bool
        Whether to train a network from random weights on the largest cohort.
    """

    title: str
    site: Site
    definition: Callable[[Floats], Floats] = unchanged
    strategies: tuple[str, ...] = ("backbone",)
    is_combination: bool = False
    from_scratch: bool = True


SHIFTS = {
    "definition": Shift(
        "Definition of the contrasts",
        FURTHER,
        contrast_differences,
        strategies=("backbone", "new-head"),
        is_combination=True,
    ),
    "acquisition": Shift("Acquisition", CROPPED, from_scratch=False),
    "amplitude": Shift("Amplitude", FURTHER, smaller_maps, from_scratch=False),
}


def score_shift(name: str, settings: CurveSettings, work: Path) -> Rows:
    """Score parent, fine-tuned networks and models of the new cohort alone, for each of its sizes.

    Parameters
    ----------
    name : str
        A key of `SHIFTS`.
    settings : CurveSettings
    work : Path
        Folder of the benchmark.

    Returns
    -------
    dict of str to dict
        Scores by number of participants of the new cohort and by predictor; 0 participants for the retest
        and for the parent as it is.
    """
    shift = SHIFTS[name]
    new, test = _shifted_participants(shift, settings, work)
    test_set = TestSet(test, mean_maps(new.participants))
    steps = Steps(work / "curves" / name, asdict(settings))

    @cache
    def parent() -> MaskedUNet:
        largest = simulated_participants(settings, work)
        return network_of(max(settings.sizes), largest, settings, work)

    def rows_of(size: int, makers: Iterator[tuple[str, Callable[[], Predict]]]) -> dict[str, Row]:
        return {
            label: steps.score(f"{label}, {size}", partial(score_predictor, test_set, make))
            for label, make in makers
        }

    rows: Rows = {"0": rows_of(0, _without_participants(shift, parent))}
    for size, n_epochs in zip(settings.tuning_sizes, settings.tuning_epochs, strict=True):
        tune = partial(_fine_tune, name, new.first(size), n_epochs, parent, settings, work)
        rows[str(size)] = rows_of(size, _predictors(shift, new.first(size), parent, tune))
    if shift.from_scratch:
        fit = settings.fit(settings.scratch_epochs)
        network = cache(
            lambda: network_predictor(train_on(f"{name}-scratch-{size}", new, settings, fit, work))
        )
        rows[str(size)] |= rows_of(size, _with_calibrated(SCRATCH, network, new))
    return rows


def _shifted_participants(
    shift: Shift, settings: CurveSettings, work: Path
) -> tuple[TrainingCohort, list[SimulatedParticipant]]:
    """Simulate the new cohort and its test participants."""
    size, folder = max(settings.tuning_sizes), work / "participants"
    new = cohort(shift.site, size, folder)
    if shift.site is FURTHER:
        test = test_participants(settings, work)
    else:
        test = cohort(shift.site, range(size, size + settings.n_test), folder)
    new, test = (
        [replace(participant, definition=shift.definition) for participant in part] for part in (new, test)
    )
    return TrainingCohort(new), test


def _without_participants(
    shift: Shift, parent: Callable[[], MaskedUNet]
) -> Iterator[tuple[str, Callable[[], Predict]]]:
    yield RETEST, lambda: lambda participant: participant.retest
    yield PARENT, lambda: network_predictor(parent())
    if shift.is_combination:
        yield COMBINED, lambda: _combined(shift, parent())


def _combined(shift: Shift, parent: MaskedUNet) -> Predict:
    """Return the predictor that applies the definition of the new contrasts to the parent's maps."""
    predict = network_predictor(parent)
    return lambda participant: shift.definition(predict(participant))


def _predictors(
    shift: Shift,
    new: TrainingCohort,
    parent: Callable[[], MaskedUNet],
    tune: Callable[[str], MaskedUNet],
) -> Iterator[tuple[str, Callable[[], Predict]]]:
    """List the predictors of a new cohort, each with the function that fits it."""
    yield AVERAGE, lambda: constant_predictor(mean_maps(new.participants))
    yield RIDGE, lambda: ridge_predictor(fit_ridge_model(new.participants).model)
    # The parent has seen none of the new participants, so all of them calibrate it.
    yield PARENT + CALIBRATED, lambda: calibrated(network_predictor(parent()), new.participants, new)
    if shift.is_combination:
        yield COMBINED + CALIBRATED, lambda: calibrated(_combined(shift, parent()), new.participants, new)
    for strategy in shift.strategies:
        network = cache(partial(_tuned, tune, strategy))
        yield from _with_calibrated(f"fine-tuned ({strategy})", network, new)


def _tuned(tune: Callable[[str], MaskedUNet], strategy: str) -> Predict:
    return network_predictor(tune(strategy))


def _with_calibrated(
    name: str, network: Callable[[], Predict], new: TrainingCohort
) -> Iterator[tuple[str, Callable[[], Predict]]]:
    yield name, network
    yield name + CALIBRATED, lambda: calibrated(network(), new.validation, new)


def _fine_tune(
    name: str,
    new: TrainingCohort,
    n_epochs: int,
    parent: Callable[[], MaskedUNet],
    settings: CurveSettings,
    work: Path,
    strategy: str,
) -> MaskedUNet:
    """Fine-tune a copy of the parent, or load it if that was done before."""
    architecture = settings.architecture

    def start() -> MaskedUNet:
        state: dict[str, torch.Tensor] = dict(parent().network.state_dict())
        network = new_network(architecture, 2)
        if strategy == "new-head":
            state = replace_head(state, network.state_dict())
        network.load_state_dict(state)
        return wrap_network(network)

    label = f"{name}-{strategy}-{len(new.participants)}"
    fit = settings.fit(n_epochs, strategy=strategy, learning_rate=1e-3)
    return train(label, start, new.training, new.validation, fit, networks_folder(work))[0]
