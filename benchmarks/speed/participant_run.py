"""How long one person takes, from the shell's prompt to the exit code, and where the seconds go."""

import re
import shutil
import statistics
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.speed.command_timing import Ended, of_command
from benchmarks.speed.datasets import N_VOLUMES, one_participant
from benchmarks.speed.timing import Comparison, Timing, side_by_side
from bids_deeptaskgen.simulation.random_model import random_bundle

# Nobody will look at the maps.
ANY_LENGTH = ("--min-minutes", "0.1", "--min-dof", "1")
# As `log_duration` writes it with -v.
_PART = re.compile(r" DEBUG (?:sub-\S+(?: \S+)*: )?(?P<part>[^:]+): (?P<seconds>\d+\.\d+) s$")


def measure(work: Path, n_repeats: int, *, n_volumes: int = N_VOLUMES, fdim: int = 64) -> list[Comparison]:
    """Time the participant level for one person.

    Parameters
    ----------
    work : Path
        Where person and model are kept for the next time.
    n_repeats : int
    n_volumes : int
    fdim : int
        Channels of the network at full resolution; 64 are the published ones.

    Returns
    -------
    list of Comparison
        One. Its facts are the seconds of each part of the run.
    """
    bundle = random_bundle(work / ("published-size" if fdim == 64 else f"fdim-{fdim}"), fdim)  # noqa: PLR2004
    participants = one_participant(work, "float32", n_volumes)
    out = work / "one-person-maps"
    ways = {"whole run": partial(participant, participants, out, bundle, "-v", *ANY_LENGTH)}
    timings = side_by_side(ways, n_repeats)
    parts = [parts_of(timing) for timing in timings["whole run"]]
    facts: dict[str, str | float] = {
        f"{part} (s)": statistics.median(one.get(part, 0.0) for one in parts) for part in parts[0]
    }
    return [Comparison(f"one person of {n_volumes} volumes, to the exit code", "whole run", timings, facts)]


def participant(participants: Path, out: Path, bundle: Path, *options: str) -> Timing:
    """Run the participant level into a folder that is empty, in processes of its own.

    Parameters
    ----------
    participants, out, bundle : Path
    *options : str

    Returns
    -------
    Timing
        Its result is an `Ended`.

    Raises
    ------
    RuntimeError
        If the run does not end well.
    """
    shutil.rmtree(out, ignore_errors=True)
    return app(
        str(participants), str(out), "participant", "--model", str(bundle), "--device", "cpu", *options
    )


def app(*words: str) -> Timing:
    """Time the BIDS App, which must end well; see `of_command`."""
    timing = of_command([sys.executable, "-m", "bids_deeptaskgen", *words])
    if timing.result.code:
        said = "\n".join(line for _, line in timing.result.lines[-10:])
        message = f"the run that was timed ended with exit code {timing.result.code}:\n{said}"
        raise RuntimeError(message)
    return timing


def parts_of(timing: Timing) -> dict[str, float]:
    """Tell how many seconds each part of a run took, in order: by its log, and by when it began and ended.

    Parameters
    ----------
    timing : Timing
        Of one person's run with ``-v`` in a single process.

    Returns
    -------
    dict of str to float
        "start-up" until the first word, "the rest" what no part is about, "end" after the last word.
    """
    ended: Ended = timing.result
    told = parts_told([line for _, line in ended.lines])
    start, end = ended.lines[0][0], timing.wall_s - ended.lines[-1][0]
    return (
        {"start-up": start}
        | told
        | {"the rest": timing.wall_s - start - end - sum(told.values()), "end": end}
    )


def parts_told(lines: Sequence[str]) -> dict[str, float]:
    """Read the seconds of the parts of a run from its log; those of the same name are added up."""
    parts: dict[str, float] = {}
    for found in filter(None, map(_PART.search, lines)):
        parts[found["part"]] = parts.get(found["part"], 0.0) + float(found["seconds"])
    return parts
