"""Steps of the speed benchmarks. Each step imports its libraries when it starts."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from benchmarks.speed.timing import Comparison


class Request(NamedTuple):
    """Parameters of a step.

    Attributes
    ----------
    work : Path
        Folder for datasets and models, reused by later calls.
    n_repeats : int
        Number of measurements of each variant.
    n_volumes : int
        Number of volumes of the run.
    device : str
        Device of the network.
    """

    work: Path
    n_repeats: int
    n_volumes: int
    device: str


def _reading(request: Request) -> Iterable[Comparison]:
    from benchmarks.speed.reading import measure_reading

    return measure_reading(request.work, _published_size(request), request.n_repeats, request.n_volumes)


def _readers(request: Request) -> Iterable[Comparison]:
    from benchmarks.speed.reading import measure_readers

    return measure_readers(request.work, request.n_repeats, request.n_volumes)


def _prediction(request: Request) -> Iterable[Comparison]:
    from benchmarks.speed.prediction import measure_forward

    return measure_forward(_published_size(request), request.device, request.n_repeats)


def _writing(request: Request) -> Iterable[Comparison]:
    from benchmarks.speed.writing import measure_writing

    return measure_writing(request.work, request.n_repeats)


def _run(request: Request) -> Iterable[Comparison]:
    from benchmarks.speed.participant_run import measure

    return measure(request.work, request.n_repeats)


def _cohort(request: Request) -> Iterable[Comparison]:
    from benchmarks.speed.cohort import measure

    return measure(request.work, request.n_repeats)


def _startup(request: Request) -> Iterable[Comparison]:
    from benchmarks.speed.startup import measure

    return measure(request.work, request.n_repeats)


def _published_size(request: Request) -> Path:
    """Return the folder of a model of the published size."""
    from bids_deeptaskgen.simulation.random_model import random_bundle

    return random_bundle(request.work / "published-size")


STEPS: dict[str, Callable[[Request], Iterable[Comparison]]] = {
    "reading": _reading,
    "readers": _readers,
    "prediction": _prediction,
    "writing": _writing,
    "run": _run,
    "cohort": _cohort,
    "startup": _startup,
}
