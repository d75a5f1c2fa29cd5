"""Resources of this process, versions of installed software, and durations."""

import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

from bids_deeptaskgen import slurm_job
from bids_deeptaskgen.errors import UserError

logger = logging.getLogger("bids_deeptaskgen")

CGROUPS = Path("/sys/fs/cgroup")
PROCESS_GROUPS = Path("/proc/self/cgroup")


def available_cpus() -> int:
    """Count the CPU cores that this process may use, at least 1.

    The affinity of the process and the CPU quotas of its control group and of all groups above it count;
    a quota (``docker run --cpus 2``) limits CPU time and not the number of visible cores. Fractions are
    rounded down. `joblib.cpu_count` reads the quota of the root group only, which does not include the limits
    of Slurm, and rounds up. Clusters whose jobs have no control groups limit them by what Slurm states in
    variables; see `slurm_job`.
    """
    cores = len(os.sched_getaffinity(0))
    for words in _limits("cpu.max"):
        with suppress(ValueError):
            quota, period = map(int, words.split())
            cores = min(cores, max(quota // period, 1))
    if (limit := slurm_job.job_cpus(os.environ)) and limit[0] < cores:
        cores, source = limit
        _log_once(f"CPUs of the Slurm job: {cores} ({source}).")
    return cores


def available_gb() -> float:
    """Return the memory in GiB that this process may use.

    This is the memory of the machine, or the lowest limit of the process's control groups and of its Slurm
    job.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for words in (*_limits("memory.max"), *_limits("memory.limit_in_bytes", "memory")):
        with suppress(ValueError):
            limits.append(int(words))
    available = min(limits) / 2**30
    if (limit := slurm_job.job_memory_mb(os.environ)) and limit[0] / 1024 < available:
        available = limit[0] / 1024
        _log_once(f"Memory of the Slurm job: {available:.1f} GB ({limit[1]}).")
    return available


def may_use_gpu() -> bool:
    """Return whether ``--device auto`` may use a GPU, which a Slurm job without GPUs may not."""
    if slurm_job.may_use_gpu(os.environ):
        return True
    _log_once("The Slurm job has no GPU (SLURM_JOB_GPUS is not set), so `device` auto uses the CPU.")
    return False


def warn_of_unused_gpu() -> None:
    """Warn once that a Slurm job has a GPU that cannot be used; it is charged for, and the CPU is slower."""
    if slurm_job.has_gpu(os.environ):
        _log_once(
            "The Slurm job has a GPU (SLURM_JOB_GPUS), but torch cannot use it; the CPU is used. In a "
            "container, pass the GPU on (apptainer --nv).",
            logging.WARNING,
        )


@cache
def _log_once(message: str, level: int = logging.INFO) -> None:
    logger.log(level, "%s", message)


def _limits(name: str, controller: str = "") -> Iterator[str]:
    """Read a limit from this process's control group and from all groups above it.

    Version 2 of control groups has one tree, version 1 one tree per controller.
    """
    top = CGROUPS / controller
    group = top
    with suppress(OSError):
        for line in PROCESS_GROUPS.read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                group = top / path.lstrip("/")
    # In a container, the path may be that of the host and not exist.
    for folder in (group, *(folder for folder in group.parents if folder.is_relative_to(top))):
        with suppress(OSError):
            yield (folder / name).read_text("ascii")


# Libraries that affect the values of the maps.
LIBRARIES = ("torch", "numpy", "scipy", "nibabel", "pybids", "nipype")


@cache
def software_versions(*, with_torch: bool = True) -> dict[str, str]:
    """List the versions of this software and of the libraries that affect the values of the maps.

    Parameters
    ----------
    with_torch : bool
        Whether a network predicts the maps; a ridge model does not use torch.

    Returns
    -------
    dict of str to str
        Version by name.
    """
    from importlib.metadata import version  # slow to import

    names = ("bids-deeptaskgen", *LIBRARIES)
    return {name: version(name) for name in names if with_torch or name != "torch"}


def require_library(library: str, purpose: str, requirement: str) -> None:
    """Require that an optional library is installed.

    Parameters
    ----------
    library : str
        Name of the module to import.
    purpose : str
        Feature that requires the library, for the error message.
    requirement : str
        Argument of ``pip install``.

    Raises
    ------
    UserError
        If the library is not installed.
    """
    from importlib.util import find_spec

    if find_spec(library) is None:
        message = (
            f"{purpose} needs {library}, which is not installed.\nInstall it: pip install '{requirement}'"
        )
        raise UserError(message)


Item = TypeVar("Item")


@contextmanager
def log_duration(part: str) -> Iterator[None]:
    """Log the duration of a block at debug level (``-v``), unless the block raises.

    Parameters
    ----------
    part : str
        Name of the block, e.g. ``sub-01: connectome``.
    """
    start = time.perf_counter()
    yield
    logger.debug("%s: %.2f s", part, time.perf_counter() - start)


def log_each_duration(part: str, items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, and log how long the iterator took to produce each of them; see `log_duration`.

    Parameters
    ----------
    part : str
        Name in the log.
    items : iterable

    Yields
    ------
    object
        The items.
    """
    iterator = iter(items)
    while True:
        try:
            with log_duration(part):
                item = next(iterator)
        except StopIteration:
            return
        yield item
