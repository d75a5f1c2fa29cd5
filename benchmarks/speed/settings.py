"""Settings of the speed benchmarks."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.steps import STEPS
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import option
from bids_deeptaskgen.settings.value_types import at_least, read_device


@dataclass(frozen=True)
class BenchmarkSettings(Settings):
    """Time what this software does on this machine, beside the plain way of doing it."""

    out: Path = option(
        positional=True, help="where results are written, and simulated people kept for the next time"
    )
    steps: tuple[str, ...] = option(
        (),
        metavar="STEP",
        choices=tuple(STEPS),
        unset="all",
        help="what is timed: a run becoming a connectome; ways to inflate its file; the network; the maps' "
        "files; the whole command for one person; forty people, and a thousand with next to nothing to do; "
        "how soon a command is there",
    )
    n_repeats: int = option(5, check=at_least(1), help="how often each way is timed, in turn with the others")
    n_volumes: int = option(490, check=at_least(90), help="volumes of the run that is read")
    device: str = option(
        "cpu", read=read_device, words="auto, cpu, cuda or cuda:N", help="where the network computes"
    )
