"""Seconds and memory of a function, measured in a separate process."""

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
    """Seconds, memory and result of a function call.

    Attributes
    ----------
    wall_s : float
        Elapsed time in seconds.
    cpu_s : float
        CPU time in seconds of all its threads and of the processes that it waited for.
    peak_gib : float
        Peak resident memory of its process in GiB, including libraries and preparation.
    result : object
        Return value.
    """

    wall_s: float
    cpu_s: float
    peak_gib: float
    result: Any = None


@dataclass(frozen=True)
class Comparison:
    """Timings of several variants of one task.

    Attributes
    ----------
    name : str
        Name of the task.
    reference : str
        Variant that the ratios refer to.
    timings : dict of str to list of Timing
        Timings of each variant, one per repeat.
    facts : dict of str to str or float
        Further results, e.g. the largest difference between variants.
    """

    name: str
    reference: str
    timings: dict[str, list[Timing]]
    facts: dict[str, str | float] = field(default_factory=dict)


def measure_call(work: Callable[[], Any]) -> Timing:
    """Run a function in this process and measure its time and memory.

    Parameters
    ----------
    work : function without arguments

    Returns
    -------
    Timing
    """
    start_wall, start_cpu = time.perf_counter(), _cpu_seconds()
    result = work()
    wall, cpu = time.perf_counter() - start_wall, _cpu_seconds() - start_cpu
    return Timing(wall, cpu, peak_gib(), result)


def peak_gib() -> float:
    """Measure the peak resident memory of this process in GiB."""
    # In a new process, the value of getrusage starts with the memory of its parent.
    with suppress(OSError), Path("/proc/self/status").open(encoding="ascii") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / KIB_PER_GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_GIB


def measure_in_new_process(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> Timing:
    """Run a function in a new process and measure its time and memory.

    Parameters
    ----------
    prepare : function
        Called there with the arguments, not measured; returns the function to measure. A new process must be
        able to import it.
    *arguments
        Arguments that can be pickled.

    Returns
    -------
    Timing
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_prepare_and_measure, prepare, arguments).result()


def measure_alternately(ways: Mapping[str, Callable[[], Timing]], n_repeats: int) -> dict[str, list[Timing]]:
    """Measure several variants alternately, so that a noisy machine affects all alike.

    Parameters
    ----------
    ways : mapping of str to function
        Function that returns a `Timing`, by variant.
    n_repeats : int
        Number of measurements of each variant.

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
    """Compute the medians of the seconds and the largest peak, with the last result."""
    values = ((timing.wall_s, timing.cpu_s, timing.peak_gib) for timing in timings)
    walls, cpus, peaks = zip(*values, strict=True)
    return Timing(statistics.median(walls), statistics.median(cpus), max(peaks), timings[-1].result)


def ratio(timings: Sequence[Timing], reference: Sequence[Timing]) -> float:
    """Compute the median over repeats of the ratio of two wall times.

    Parameters
    ----------
    timings, reference : sequence of Timing
        Numerator and denominator, one per repeat.

    Returns
    -------
    float
    """
    return statistics.median(a.wall_s / b.wall_s for a, b in zip(timings, reference, strict=True))


def _prepare_and_measure(prepare: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> Timing:
    return measure_call(prepare(*arguments))


def _cpu_seconds() -> float:
    usages = (resource.getrusage(scope) for scope in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
