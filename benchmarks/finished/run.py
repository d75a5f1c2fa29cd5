"""Measurements of runs over finished participants."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.finished.dataset import make_finished, options_of
from benchmarks.speed.participant_run import app
from benchmarks.speed.results import machine
from bids_deeptaskgen.io.atomic import write_json

# Further options of the command, by row of the tables.
WAYS: dict[str, tuple[str, ...]] = {
    "run": (),
    "run without reports": ("--reports", "none"),
    "dry run": ("--dry-run",),
}


@dataclass(frozen=True)
class Measurement:
    """Time and memory of one command.

    Attributes
    ----------
    n_participants : int
        All finished.
    layout : str
        ``3d`` or ``4d``.
    way : str
        A key of `WAYS`.
    wall_s, cpu_s : float
        Seconds from start to exit code; CPU seconds (user and system) of all processes.
    peak_mib : float
        Peak resident memory of the largest process.
    """

    n_participants: int
    layout: str
    way: str
    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(
    work: Path, sizes: Sequence[int], layout: str = "3d", ways: Sequence[str] = tuple(WAYS)
) -> dict[str, Any]:
    """Measure runs over datasets of several sizes, and write ``results.json``.

    Parameters
    ----------
    work : Path
        Folder of datasets and results. Datasets are kept for the next call.
    sizes : sequence of int
        Numbers of participants.
    layout : {"3d", "4d"}
    ways : sequence of str
        Keys of `WAYS`.

    Returns
    -------
    dict
        Content of ``results.json``.

    Raises
    ------
    RuntimeError
        If a participant counts as unfinished.
    """
    measurements = []
    for n_participants in sizes:
        datasets = make_finished(work, n_participants, layout)
        words = (str(datasets.derivatives), str(datasets.output), *options_of(datasets.bundle, layout))
        command = partial(app, *words)
        for way in ways:
            timing = command(*WAYS[way])
            lines = [line for _, line in timing.result.lines]
            sentence = (
                f"Done already: {n_participants} participants"
                if way == "dry run"
                else f"{n_participants} of {n_participants} participants are finished"
            )
            if not any(sentence in line for line in lines):
                message = f"not all participants are finished: {' '.join(lines[-5:])}"
                raise RuntimeError(message)
            measurement = Measurement(
                n_participants, layout, way, timing.wall_s, timing.cpu_s, timing.peak_gib * 1024
            )
            measurements.append(asdict(measurement))
    results = {"machine": machine(), "measurements": measurements}
    write_json(work / "results.json", results)
    return results
