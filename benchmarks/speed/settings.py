"""Settings of the speed benchmarks."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.steps import STEPS
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import option
from bids_deeptaskgen.settings.value_types import at_least, parse_device


@dataclass(frozen=True)
class BenchmarkSettings(Settings):
    """Measure speed and memory of this package on this machine, next to straightforward implementations."""

    out: Path = option(
        positional=True, help="folder for results and simulated participants, which later calls reuse"
    )
    steps: tuple[str, ...] = option(
        (),
        metavar="STEP",
        choices=tuple(STEPS),
        default_meaning="all",
        help="steps to measure: from BOLD file to connectome (reading); decompression (readers); the network "
        "(prediction); writing maps (writing); the whole command for one participant (run); 40 participants, "
        "and reruns with up to 1,000 (cohort); start-up of commands (startup)",
    )
    n_repeats: int = option(
        5, check=at_least(1), help="number of measurements of each variant; the variants alternate"
    )
    n_volumes: int = option(490, check=at_least(90), help="number of volumes of the run in the reading steps")
    device: str = option(
        "cpu", parse=parse_device, expected="auto, cpu, cuda or cuda:N", help="device of the network"
    )
