"""Time of a whole run of one participant, from start to exit code, and of its parts."""

import re
import shutil
import statistics
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.speed.command_timing import CommandResult, of_command
from benchmarks.speed.datasets import N_VOLUMES, one_participant
from benchmarks.speed.timing import Comparison, Timing, measure_alternately
from bids_deeptaskgen.simulation.random_model import random_bundle

# The maps are not used, so short runs are accepted.
ANY_LENGTH = ("--min-minutes", "0.1", "--min-dof", "1")
# Format of `log_duration` with -v.
_PART = re.compile(r" DEBUG (?:sub-\S+(?: \S+)*: )?(?P<part>[^:]+): (?P<seconds>\d+\.\d+) s$")


def measure(work: Path, n_repeats: int, *, n_volumes: int = N_VOLUMES, fdim: int = 64) -> list[Comparison]:
    """Measure the time of the participant level for one participant.

    Parameters
    ----------
    work : Path
        Folder for dataset and model, reused by later calls.
    n_repeats : int
        Number of measurements.
    n_volumes : int
        Number of volumes of the run.
    fdim : int
        Channels of the network at full resolution; the published network has 64.

    Returns
    -------
    list of Comparison
        One comparison of runs with and without page. Its facts are the seconds of each part of the run.
    """
    bundle = random_bundle(work / ("published-size" if fdim == 64 else f"fdim-{fdim}"), fdim)  # noqa: PLR2004
    participants = one_participant(work, "float32", n_volumes)
    out = work / "one-participant-maps"
    run = partial(participant, participants, out, bundle, "-v", *ANY_LENGTH)
    ways = {"whole run": run, "whole run without page": partial(run, "--reports", "none")}
    timings = measure_alternately(ways, n_repeats)
    parts = [parts_of(timing) for timing in timings["whole run"]]
    facts: dict[str, str | float] = {
        f"{part} (s)": statistics.median(seconds.get(part, 0.0) for seconds in parts) for part in parts[0]
    }
    return [
        Comparison(
            f"one participant of {n_volumes} volumes, from start to exit code", "whole run", timings, facts
        )
    ]


def participant(participants: Path, out: Path, bundle: Path, *options: str) -> Timing:
    """Run the participant level into an empty folder, in separate processes.

    Parameters
    ----------
    participants : Path
        Input dataset.
    out : Path
        Output folder; removed first if it exists.
    bundle : Path
        Folder of the model.
    *options : str
        Further options.

    Returns
    -------
    Timing
        The result is a `CommandResult`.

    Raises
    ------
    RuntimeError
        If the exit code is not 0.
    """
    shutil.rmtree(out, ignore_errors=True)
    return app(
        str(participants), str(out), "participant", "--model", str(bundle), "--device", "cpu", *options
    )


def app(*words: str) -> Timing:
    """Run the BIDS App, measure its time (see `of_command`) and raise RuntimeError if it fails."""
    timing = of_command([sys.executable, "-m", "bids_deeptaskgen", *words])
    if timing.result.code:
        output = "\n".join(line for _, line in timing.result.lines[-10:])
        message = f"The measured run failed with exit code {timing.result.code}. Its last lines:\n{output}"
        raise RuntimeError(message)
    return timing


def parts_of(timing: Timing) -> dict[str, float]:
    """Compute the seconds of each part of a run from its log, in order.

    Parameters
    ----------
    timing : Timing
        Timing of a run of one participant with ``-v`` in a single process.

    Returns
    -------
    dict of str to float
        "start-up" is the time until the first line of the log, "end" the time after the last line, and
        "other" the time that belongs to no part.
    """
    result: CommandResult = timing.result
    parts = logged_parts([line for _, line in result.lines])
    start, end = result.lines[0][0], timing.wall_s - result.lines[-1][0]
    remainder = timing.wall_s - start - end - sum(parts.values())
    return {"start-up": start} | parts | {"other": remainder, "end": end}


def logged_parts(lines: Sequence[str]) -> dict[str, float]:
    """Sum the seconds of the parts of a run in its log by their names."""
    parts: dict[str, float] = {}
    for entry in filter(None, map(_PART.search, lines)):
        parts[entry["part"]] = parts.get(entry["part"], 0.0) + float(entry["seconds"])
    return parts
