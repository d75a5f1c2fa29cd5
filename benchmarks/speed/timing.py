"""Seconds and memory of a piece of work, measured in a process of its own."""

import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

KIB_PER_GIB = 2**20


@dataclass(frozen=True)
class Timing:
    """What a piece of work took.

    Attributes
    ----------
    wall_s, cpu_s : float
        Seconds by the clock, and of all its threads and of processes that it waited for.
    peak_gib : float
        Largest resident memory of its process, libraries and preparation included.
    result : object
        What it returned.
    """

    wall_s: float
    cpu_s: float
    peak_gib: float
    result: Any = None


@dataclass(frozen=True)
class Comparison:
    """Several ways of doing something, timed in turn.

    Attributes
    ----------
    name : str
        What is done.
    reference : str
        The way that the others are held against.
    timings : dict of str to list of Timing
        For each way, one for each repeat.
    facts : dict of str to str or float
        What else is worth knowing, e.g. the largest difference of the results.
    """

    name: str
    reference: str
    timings: dict[str, list[Timing]]
    facts: dict[str, str | float] = field(default_factory=dict)


def timed(work: Callable[[], Any]) -> Timing:
    """Do a piece of work in this process, and time it.

    Parameters
    ----------
    work : function without arguments

    Returns
    -------
    Timing
    """
    began, before = time.perf_counter(), _cpu_seconds()
    result = work()
    wall, cpu = time.perf_counter() - began, _cpu_seconds() - before
    return Timing(wall, cpu, peak_gib(), result)


def peak_gib() -> float:
    """Tell the largest resident memory that this process has had."""
    # What getrusage says begins, in a new process, with the memory of the one that started it.
    with suppress(OSError), Path("/proc/self/status").open(encoding="ascii") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / KIB_PER_GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_GIB


def in_new_process(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> Timing:
    """Time a piece of work in a new process.

    Parameters
    ----------
    prepare : function
        Called there with the arguments, not timed; gives the work. One that a new process can import.
    *arguments
        Such as can be pickled.

    Returns
    -------
    Timing
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_prepared_and_timed, prepare, arguments).result()


def side_by_side(ways: Mapping[str, Callable[[], Timing]], n_repeats: int) -> dict[str, list[Timing]]:
    """Time several ways of doing something in turn, so that a noisy machine disturbs all alike.

    Parameters
    ----------
    ways : mapping of str to function
        Each gives a `Timing`.
    n_repeats : int

    Returns
    -------
    dict of str to list of Timing
    """
    timings: dict[str, list[Timing]] = {name: [] for name in ways}
    for _ in range(n_repeats):
        for name, way in ways.items():
            timings[name].append(way())
    return timings


def median(timings: Sequence[Timing]) -> Timing:
    """Take medians of seconds, and the largest peak; the result is that of the last."""
    walls, cpus, peaks = zip(*((one.wall_s, one.cpu_s, one.peak_gib) for one in timings), strict=True)
    return Timing(statistics.median(walls), statistics.median(cpus), max(peaks), timings[-1].result)


def ratio(slow: Sequence[Timing], fast: Sequence[Timing]) -> float:
    """How many times as long one way takes as another: the median over the repeats."""
    return statistics.median(a.wall_s / b.wall_s for a, b in zip(slow, fast, strict=True))


def _prepared_and_timed(prepare: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> Timing:
    return timed(prepare(*arguments))


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
