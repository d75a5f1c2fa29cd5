"""Seconds and memory of a command: of all its processes, from its start to its exit code."""

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

# Number of Linux's prctl by which orphans among our descendants become our children.
_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes
    ----------
    code : int
        Exit code.
    lines : tuple of (float, str)
        What it said on either stream, and how many seconds after its start.
    first_gib : float
        Largest resident memory of its first process, and of those for which that one waited.
    """

    code: int
    lines: tuple[tuple[float, str], ...]
    first_gib: float


def of_command(words: Sequence[str]) -> Timing:
    """Run a command and time it.

    Parameters
    ----------
    words : sequence of str

    Returns
    -------
    Timing
        The wall time ends with the exit code. CPU seconds are those of all its processes, also of those that
        outlived it; the peak is that of the largest one of them, not of all together. The result is an
        `Ended`.
    """
    # A new process, since a process is told of the largest of all children it ever had.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_of_command, tuple(words)).result()


def _of_command(words: Sequence[str]) -> Timing:
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
    lines: list[tuple[float, str]] = []
    began = time.perf_counter()
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )

    def listen() -> None:
        for line in process.stdout or ():
            lines.append((time.perf_counter() - began, line.rstrip("\n")))

    # Its workers hold the other end of the pipe too, and may end later than it.
    listener = threading.Thread(target=listen)
    listener.start()
    _, status, first = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    listener.join()
    with suppress(ChildProcessError):
        while True:
            os.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = Ended(process.returncode, tuple(lines), first.ru_maxrss / KIB_PER_GIB)
    return Timing(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / KIB_PER_GIB, ended)
