"""Seconds and memory of a command with all its processes, from its start to its exit code."""

import ctypes
import multiprocessing
import os
import resource
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.speed.timing import KIB_PER_GIB, Timing

# Option of Linux's prctl that makes orphaned descendants children of this process.
_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class CommandResult:
    """Exit code, output and memory of a finished command.

    Attributes
    ----------
    code : int
        Exit code.
    lines : tuple of (float, str)
        Seconds after the start, and text, of each line on stdout and stderr.
    first_gib : float
        Peak resident memory of its first process and of the processes that it waited for, in GiB.
    """

    code: int
    lines: tuple[tuple[float, str], ...]
    first_gib: float


def of_command(words: Sequence[str]) -> Timing:
    """Run a command and measure its time and memory.

    Parameters
    ----------
    words : sequence of str
        Program and arguments.

    Returns
    -------
    Timing
        The wall time ends with the exit code. CPU seconds include all its processes, also those that ended
        later. Peak memory is that of the largest process, not the sum. The result is a `CommandResult`.
    """
    # In a new process, because getrusage reports the peak over all children that a process ever had.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_of_command, tuple(words)).result()


def _of_command(words: Sequence[str]) -> Timing:
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
    lines: list[tuple[float, str]] = []
    start = time.perf_counter()
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )

    def read_output() -> None:
        for line in process.stdout or ():
            lines.append((time.perf_counter() - start, line.rstrip("\n")))

    # In a thread, because its workers also hold the pipe open and may end later than the first process.
    reader = threading.Thread(target=read_output)
    reader.start()
    _, status, first = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    with suppress(ChildProcessError):
        while True:
            os.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = CommandResult(process.returncode, tuple(lines), first.ru_maxrss / KIB_PER_GIB)
    return Timing(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / KIB_PER_GIB, result)
