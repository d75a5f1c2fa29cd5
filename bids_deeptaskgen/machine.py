"""What this process may use of the machine, which software is installed, and how long things take."""

import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

from bids_deeptaskgen.errors import UserError

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def available_cpus() -> int:
    """Count the CPU cores that this process may use, at least 1.

    A quota of a container (``docker run --cpus 2``) limits time, not the cores that are seen.
    """
    cores = len(os.sched_getaffinity(0))
    for words in _limits("cpu.max"):
        with suppress(ValueError):
            quota, period = map(int, words.split())
            cores = min(cores, max(quota // period, 1))
    return cores


def available_gb() -> float:
    """Memory in GiB that this process may use: the machine's, or the lowest limit of its control groups."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for words in (*_limits("memory.max"), *_limits("memory.limit_in_bytes", "memory")):
        with suppress(ValueError):
            limits.append(int(words))
    return min(limits) / 2**30


def _limits(name: str, controller: str = "") -> Iterator[str]:
    """Read a limit from this process's control group and from all that it is in.

    Version 2 of control groups has one tree, version 1 a tree for each controller.
    """
    top = CGROUPS / controller
    own = top
    with suppress(OSError):
        for line in OWN_GROUPS.read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                own = top / path.lstrip("/")
    # In a container, the path may be that of the host and not be there.
    for folder in (own, *(folder for folder in own.parents if folder.is_relative_to(top))):
        with suppress(OSError):
            yield (folder / name).read_text("ascii")


# Libraries that the numbers depend on.
LIBRARIES = ("torch", "numpy", "scipy", "nibabel", "pybids", "nipype")


@cache
def software_versions() -> dict[str, str]:
    """List the versions of this software and of the libraries that the numbers depend on."""
    from importlib.metadata import version  # slow to import

    return {name: version(name) for name in ("bids-deeptaskgen", *LIBRARIES)}


def require_library(library: str, purpose: str, requirement: str) -> None:
    """Check that an optional library is installed.

    Parameters
    ----------
    library : str
        Name of its package.
    purpose : str
        What needs it, for the error.
    requirement : str
        What ``pip install`` takes.

    Raises
    ------
    UserError
        If it is not installed.
    """
    from importlib.util import find_spec

    if find_spec(library) is None:
        message = (
            f"{purpose} needs {library}, which is not installed here.\n"
            f"Install it: pip install '{requirement}'"
        )
        raise UserError(message)


Item = TypeVar("Item")
logger = logging.getLogger("bids_deeptaskgen")


@contextmanager
def log_duration(part: str) -> Iterator[None]:
    """Tell the log, where ``-v`` asks for details, how long a block took; nothing if it raises.

    Parameters
    ----------
    part : str
        What is done, e.g. ``sub-01: connectome``.
    """
    began = time.perf_counter()
    yield
    logger.debug("%s: %.2f s", part, time.perf_counter() - began)


def log_each_duration(part: str, items: Iterable[Item]) -> Iterator[Item]:
    """Go through items, and tell how long each of them was waited for; see `log_duration`."""
    iterator = iter(items)
    while True:
        try:
            with log_duration(part):
                item = next(iterator)
        except StopIteration:
            return
        yield item
