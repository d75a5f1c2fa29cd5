"""Start-up time of commands, before anything is computed."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.speed.command_timing import of_command
from benchmarks.speed.datasets import few_voxels
from benchmarks.speed.timing import Comparison, Timing, measure_alternately

APP = (sys.executable, "-m", "bids_deeptaskgen")
WORKBENCH = (
    sys.executable,
    "-c",
    "import sys; from bids_deeptaskgen.cli.workbench import main; sys.exit(main())",
)


def measure(work: Path, n_repeats: int) -> list[Comparison]:
    """Measure the time of commands that compute nothing, next to an empty Python program.

    Parameters
    ----------
    work : Path
        Folder for the dataset of ``--dry-run``, reused by later calls.
    n_repeats : int
        Number of measurements of each command.

    Returns
    -------
    list of Comparison
        One comparison.

    Raises
    ------
    RuntimeError
        If a command ends with an unexpected exit code.
    """
    commands = {
        "python -c pass": (0, (sys.executable, "-c", "pass")),
        "bids-deeptaskgen --version": (0, (*APP, "--version")),
        "bids-deeptaskgen --help": (0, (*APP, "--help")),
        "deeptaskgen --help": (0, (*WORKBENCH, "--help")),
        "an invalid option": (2, (*APP, "in", "out", "participant", "--wrong")),
        "--dry-run, one participant": (0, (*APP, *dry_run(work))),
    }
    ways = {name: partial(time_command, code, words) for name, (code, words) in commands.items()}
    return [Comparison("start-up of commands", "python -c pass", measure_alternately(ways, n_repeats))]


def dry_run(work: Path) -> tuple[str, ...]:
    """Return the arguments of a dry run for one participant, who is simulated if missing."""
    participants = few_voxels(work / "one-participant-coarse", n_participants=1)
    return (str(participants), str(work / "not-written"), "participant", "--model", "embedded", "--dry-run")


def time_command(code: int, words: tuple[str, ...]) -> Timing:
    """Measure the time of a command.

    Parameters
    ----------
    code : int
        Expected exit code.
    words : tuple of str
        Program and arguments.

    Returns
    -------
    Timing

    Raises
    ------
    RuntimeError
        If the command ends with another exit code.
    """
    timing = of_command(words)
    if timing.result.code != code:
        code_and_output = f"exit code {timing.result.code}, not {code}. Output: {timing.result.lines}"
        message = f"{words[-1]}: ended with {code_and_output}"
        raise RuntimeError(message)
    return replace(timing, result=None)
