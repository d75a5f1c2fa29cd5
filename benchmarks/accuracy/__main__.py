"""How well the network predicts, beside what it must beat, on simulated people: ``make benchmark-accuracy``.

    python -m benchmarks.accuracy WORK [--n-train 200] [--n-epochs 24] ...

Two cohorts of one population are simulated at 4 mm, the second one measured otherwise (other repetition time,
noisier, smoother). Networks are trained on the first with two losses, fine-tuned on the second in several
ways, and scored on people of both whom no model has seen, beside the group average, the linear model and a
second measurement of the same people. Everything is a function of the numbers given here; a call that was
broken off goes on where it was.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from bids_deeptaskgen.connectome.accumulator import correlate_windows
from bids_deeptaskgen.connectome.regressors import FMRIPREP_HIGH_PASS_HZ, cosine_basis
from bids_deeptaskgen.connectome.roi_projection import roi_projection
from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
from bids_deeptaskgen.grid import MODEL_GRID, Grid
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nn.unet import new_network
from bids_deeptaskgen.simulation.coordinate_rois import coordinate_rois
from bids_deeptaskgen.simulation.participant import simulate_person
from bids_deeptaskgen.simulation.resting_state import RestSettings
from bids_deeptaskgen.stats.calibration import Calibration, apply_calibration
from bids_deeptaskgen.stats.linear_model import LinearModel, winner_take_all
from bids_deeptaskgen.stats.paired_tests import bootstrap_interval
from bids_deeptaskgen.stats.scores import match, match_same, residual_correlations
from bids_deeptaskgen.training.devices import make_fabric
from bids_deeptaskgen.training.fit import Epoch, Fit, FitSettings, fit, predict_person
from bids_deeptaskgen.training.losses import LossSettings
from bids_deeptaskgen.training.masked_unet import MaskedUNet

Floats = NDArray[np.float32]
Maps = NDArray[np.float32]  # (n_people, n_contrasts, n_voxels)

GRID = Grid.of((38, 47, 39), MODEL_GRID.matrix @ np.diag([2, 2, 2, 1]))
BRAIN, GREY = brain_mask(GRID), grey_matter_mask(GRID)
SCORES = ("r", "difference", "residual r", "identified")


@dataclass(frozen=True)
class Site:
    """How a cohort is measured.

    Attributes
    ----------
    seed : int
        Of its people.
    rest : RestSettings
    more_noise : float
        SD of white noise that is added to each voxel, in units of brightness (the simulator's own has 90).
    smoothing_mm : float
        Full width at half maximum of a kernel that each volume is smoothed with.
    task_noise : float
        SD of the noise of measured task maps in units of each map's SD.
    """

    seed: int
    rest: RestSettings
    more_noise: float = 0.0
    smoothing_mm: float = 0.0
    task_noise: float = 0.8


FIRST = Site(7_001, RestSettings(n_volumes=240, t_r=2.0))
SECOND = Site(
    7_002, RestSettings(n_volumes=420, t_r=0.8, motion=2.0), more_noise=60.0, smoothing_mm=6.0, task_noise=1.0
)


@dataclass(frozen=True)
class Simulated:
    """A simulated person as training reads one; see `nn.fit.Person`."""

    name: str
    rest: Floats
    task: Floats
    retest: Floats
    n_windows: int = 1

    def connectome(self, window: int) -> Floats:  # noqa: ARG002 - there is one
        """Give the connectome, (n_rois, n_brain_voxels)."""
        return self.rest

    def statmaps(self) -> Floats:
        """Give the measured maps, (n_contrasts, n_grey_voxels)."""
        return self.task


@cache
def rois() -> NDArray[np.float64]:
    """ROI maps at the brain's voxels, (n_rois, n_brain_voxels)."""
    return coordinate_rois()[:, ::2, ::2, ::2][:, BRAIN].astype(np.float64)


@cache
def projection() -> NDArray[np.float64]:
    """Turn voxels into ROI series by this, (n_rois, n_brain_voxels)."""
    return roi_projection(rois())


def simulate(site: Site, index: int, folder: Path) -> Simulated:
    """Measure a person at rest and twice in the tasks, or read what an earlier call measured."""
    path = folder / f"{site.seed}-{index}.npz"
    if not path.exists():
        person = simulate_person(site.seed, index, grid=GRID)
        rest = person.rest_run(site.rest)
        voxels = np.concatenate([block.copy() for block in rest.blocks()])
        rng = np.random.default_rng((site.seed, index))
        voxels += site.more_noise * rng.standard_normal(voxels.shape, dtype=np.float32)
        if site.smoothing_mm:
            voxels = np.stack([_smoothed(volume, site.smoothing_mm) for volume in voxels])
        # As acompcor without the components: head movement, its derivatives, slow cosines.
        moved = np.column_stack([rest.motion, np.gradient(rest.motion, axis=0)])
        slow = cosine_basis(len(voxels), site.rest.t_r, FMRIPREP_HIGH_PASS_HZ)
        regressors = np.column_stack([np.ones(len(voxels)), slow, moved / moved.std(axis=0)])
        basis = np.linalg.qr(regressors)[0]
        connectome = correlate_windows(voxels, projection(), basis).connectome[0]
        grey = GREY[BRAIN]
        maps = [person.statmaps(site.task_noise, session=session)[:, grey] for session in (0, 1)]
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(file, rest=connectome, task=maps[0], retest=maps[1])
        temporary.rename(path)
    with np.load(path) as kept:
        return Simulated(path.stem, *(kept[name] for name in ("rest", "task", "retest")))


def _smoothed(values: Floats, fwhm_mm: float) -> Floats:
    """Smooth a volume inside the brain; (n_brain_voxels,)."""
    sigma = fwhm_mm / 2.3548 / np.array(GRID.voxel_sizes_mm)
    volume = np.zeros(GRID.shape, np.float32)
    volume[BRAIN] = values
    weight = gaussian_filter(BRAIN.astype(np.float32), sigma)
    return np.asarray(gaussian_filter(volume, sigma)[BRAIN] / weight[BRAIN])


def cohort(site: Site, n_people: int, folder: Path) -> list[Simulated]:
    """Simulate people side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(simulate, site, folder=folder), range(n_people)))


def masked(network: torch.nn.Module) -> MaskedUNet:
    """Put a network between the masks."""
    return MaskedUNet(network, BRAIN, GREY)  # type: ignore[arg-type]


def train(
    name: str,
    start: Callable[[], MaskedUNet],
    people: Sequence[Simulated],
    validation: Sequence[Simulated],
    settings: FitSettings,
    work: Path,
) -> tuple[MaskedUNet, Fit]:
    """Fit a network, and give it with the weights of its best epoch."""

    def watch(line: Epoch) -> None:
        print(
            f"{name} epoch {line.epoch}: loss {line.train_loss:.3f} / {line.validation_loss:.3f}, "
            f"r {line.r:.4f}, difference {line.difference:.4f}, {line.seconds:.0f} s",
            flush=True,
        )

    module = start()
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    made = fit(make_fabric("cpu"), module, people, validation, settings, folder, watch)
    module.network.load_state_dict(made.best)
    return module.eval(), made


def predictions(module: MaskedUNet, people: Sequence[Simulated]) -> Maps:
    """Predict people, (n_people, n_contrasts, n_voxels)."""
    return np.stack([predict_person(module, person, torch.device("cpu")) for person in people])


def linear(people: Sequence[Simulated]) -> LinearModel:
    """Fit the linear model of Tavor et al. (2016)."""
    model = LinearModel(winner_take_all(rois())[GREY[BRAIN]], len(rois()), len(people[0].task))
    for person in people:
        model.add(person.rest[:, GREY[BRAIN]], person.task)
    return model


def linear_maps(model: LinearModel, people: Sequence[Simulated]) -> Maps:
    """Predict people by the linear model."""
    return np.stack([model.predict(person.rest[:, GREY[BRAIN]]) for person in people])


def calibrated(predicted: Maps, of_validation: Maps, validation: Sequence[Simulated], mean: Floats) -> Maps:
    """Bring predictions nearer to the mean map, as far as pays on validation people."""
    calibration = Calibration(mean)
    for maps, person in zip(of_validation, validation, strict=True):
        calibration.add(maps, person.task)
    return np.stack([apply_calibration(maps, mean, calibration.weights) for maps in predicted])


def score(measured: Maps, predicted: Maps, average: Floats) -> dict[str, NDArray[np.float64]]:
    """Score a prediction (or one for all): for each score an array of shape (n_people, n_contrasts)."""
    rows: dict[str, list[NDArray[np.float64]]] = {name: [] for name in SCORES}
    for contrast in range(measured.shape[1]):
        of_all = measured[:, contrast]
        if predicted.ndim == 2:
            found = match_same(of_all, predicted[contrast])
            residual = np.full(len(of_all), 0.0)
        else:
            found = match(of_all, predicted[:, contrast], np.random.default_rng(0))
            residual = residual_correlations(of_all, predicted[:, contrast], average[contrast])
        values = (found.own, found.difference, residual, (found.rank == 1).astype(float))
        for row, value in zip(rows.values(), values, strict=True):
            row.append(value)
    return {name: np.stack(row, axis=1) for name, row in rows.items()}


def table(measured: Maps, predicted: dict[str, Maps], average: Floats) -> dict[str, dict[str, list[float]]]:
    """Score every prediction: the mean over contrasts and people, and its 95% interval over people."""
    people = np.arange(len(measured))
    results = {}
    for name, maps in predicted.items():
        of_person = {key: value.mean(axis=1) for key, value in score(measured, maps, average).items()}
        results[name] = {
            key: [
                float(value.mean()),
                *map(float, bootstrap_interval(value, people, np.random.default_rng(0))),
            ]
            for key, value in of_person.items()
        }
    return results


def run(options: argparse.Namespace) -> dict[str, object]:
    """Simulate, train, fine-tune and score both cohorts."""
    began = time.monotonic()
    work: Path = options.work
    n_first = (options.n_train, options.n_validation, options.n_test)
    n_second = (options.n_second, options.n_validation, options.n_test)
    first = _divided(cohort(FIRST, sum(n_first), work / "people"), n_first)
    second = _divided(cohort(SECOND, sum(n_second), work / "people"), n_second)
    seconds = {"simulation": time.monotonic() - began}
    settings = FitSettings(
        LossSettings("crr"),
        n_epochs=options.n_epochs,
        batch_size=4,
        learning_rate=2e-3,
        schedule="cosine",
    )
    architecture = Architecture(fdim=options.fdim)
    models = {}
    for loss in ("crr", "mse"):
        chosen = replace(settings, loss=LossSettings(loss))
        models[loss] = train(
            loss, lambda: masked(new_network(architecture, 1)), first[0], first[1], chosen, work
        )
        seconds[f"training {loss}"] = _seconds_of(models[loss][1])
    best = max(models, key=lambda loss: max(line.r for line in models[loss][1].log))
    tuned = {}
    for strategy in ("backbone", "batchnorm", "everything"):
        chosen = replace(
            settings,
            loss=LossSettings(best),
            strategy=strategy,
            n_epochs=options.n_tuning_epochs,
            learning_rate=1e-3,
        )
        tuned[strategy] = train(
            f"tuned-{best}-{strategy}",
            partial(_copy_of, models[best][0], architecture),
            second[0],
            second[1],
            chosen,
            work,
        )
        seconds[f"fine-tuning {strategy}"] = _seconds_of(tuned[strategy][1])
    since = time.monotonic()
    networks = {f"network, {loss}": made[0] for loss, made in models.items()}
    results = {
        "first": _score_cohort(first, networks, linear(first[0])),
        "second": _score_cohort(
            second,
            {
                f"network, {best}, not fine-tuned": models[best][0],
                **{f"network, fine-tuned ({strategy})": made[0] for strategy, made in tuned.items()},
            },
            linear(second[0]),
            {"linear model of the first cohort": linear(first[0])},
        ),
    }
    seconds["scoring"] = time.monotonic() - since
    logs = {loss: [asdict(line) for line in made[1].log] for loss, made in models.items()}
    logs |= {f"tuned {name}": [asdict(line) for line in made[1].log] for name, made in tuned.items()}
    n_people = {"first": n_first, "second": n_second}
    return {
        "results": results,
        "best": best,
        "logs": logs,
        "seconds": seconds,
        "n_people": n_people,
        "options": {key: str(value) for key, value in vars(options).items()},
    }


def _seconds_of(made: Fit) -> float:
    """Sum the epochs' seconds, those of an earlier call that was broken off too."""
    return sum(line.seconds for line in made.log)


def _divided(people: Sequence[Simulated], sizes: Sequence[int]) -> list[Sequence[Simulated]]:
    ends = np.cumsum(sizes)
    return [people[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _copy_of(module: MaskedUNet, architecture: Architecture) -> MaskedUNet:
    network = new_network(architecture, 0)
    network.load_state_dict(module.network.state_dict())
    return masked(network)


def _score_cohort(
    people: Sequence[Sequence[Simulated]],
    networks: dict[str, MaskedUNet],
    model: LinearModel,
    more: dict[str, LinearModel] | None = None,
) -> dict[str, dict[str, list[float]]]:
    """Score all models on a cohort's test people, plain and calibrated on its validation people."""
    training, validation, test = people
    average = np.mean([person.task for person in training], axis=0, dtype=np.float64).astype(np.float32)
    measured = np.stack([person.task for person in test])
    predicted: dict[str, Maps] = {
        "group average": average,
        "second measurement": np.stack([person.retest for person in test]),
    }
    makers = {"linear model": partial(linear_maps, model)}
    makers |= {name: partial(linear_maps, other) for name, other in (more or {}).items()}
    makers |= {name: partial(predictions, module) for name, module in networks.items()}
    for name, make in makers.items():
        plain, of_validation = make(test), make(validation)
        predicted[name] = plain
        predicted[f"{name}, calibrated"] = calibrated(plain, of_validation, validation, average)
    return table(measured, predicted, average)


def main() -> None:
    """Run, and write what came out as JSON and as a page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for people, networks and results")

    parser.add_argument("--n-train", type=int, default=200)
    parser.add_argument("--n-second", type=int, default=30, help="people of the second cohort to tune on")
    parser.add_argument("--n-validation", type=int, default=20)
    parser.add_argument("--n-test", type=int, default=40)
    parser.add_argument("--n-epochs", type=int, default=24)
    parser.add_argument("--n-tuning-epochs", type=int, default=12)
    parser.add_argument("--fdim", type=int, default=16)
    options = parser.parse_args()
    found = run(options)
    (options.work / "results.json").write_text(json.dumps(found, indent=1), "utf-8")
    print(json.dumps(found["results"], indent=1))


if __name__ == "__main__":
    main()
