"""How soon a command is there: what a user waits for before anything is computed."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.speed.command_timing import of_command
from benchmarks.speed.datasets import few_voxels
from benchmarks.speed.timing import Comparison, Timing, side_by_side

APP = (sys.executable, "-m", "bids_deeptaskgen")
WORKBENCH = (
    sys.executable,
    "-c",
    "import sys; from bids_deeptaskgen.cli.workbench import main; sys.exit(main())",
)


def measure(work: Path, n_repeats: int) -> list[Comparison]:
    """Time what should be there at once, beside a Python that does nothing.

    Parameters
    ----------
    work : Path
        Where the person of ``--dry-run`` is kept for the next time.
    n_repeats : int

    Returns
    -------
    list of Comparison
        One.

    Raises
    ------
    RuntimeError
        If a command ends with another exit code than it should.
    """
    commands = {
        "python -c pass": (0, (sys.executable, "-c", "pass")),
        "bids-deeptaskgen --version": (0, (*APP, "--version")),
        "bids-deeptaskgen --help": (0, (*APP, "--help")),
        "deeptaskgen --help": (0, (*WORKBENCH, "--help")),
        "a wrong option": (2, (*APP, "in", "out", "participant", "--wrong")),
        "--dry-run, one person": (0, (*APP, *dry_run(work))),
    }
    ways = {name: partial(ends_with, code, words) for name, (code, words) in commands.items()}
    return [Comparison("until a command is there", "python -c pass", side_by_side(ways, n_repeats))]


def dry_run(work: Path) -> tuple[str, ...]:
    """Give the words of a command line that looks one person up; they are made if they are not there."""
    participants = few_voxels(work / "one-person-coarse", n_participants=1)
    return (str(participants), str(work / "not-written"), "participant", "--model", "embedded", "--dry-run")


def ends_with(code: int, words: tuple[str, ...]) -> Timing:
    """Time a command that ends with this exit code."""
    timing = of_command(words)
    if timing.result.code != code:
        message = f"{words[-1]}: ended with exit code {timing.result.code}, not {code}: {timing.result.lines}"
        raise RuntimeError(message)
    return replace(timing, result=None)
