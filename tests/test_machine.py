"""Limits of schedulers and containers are kept, whichever of the nested groups sets them."""

import os

import pytest

from bids_deeptaskgen import machine
from bids_deeptaskgen.machine import available_cpus, available_gb


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Create control groups of at least four cores and 8 GiB, with this process in /slurm/job."""
    monkeypatch.setattr(machine, "CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4))
    monkeypatch.setattr(os, "sysconf", lambda name: 2**21 if "PHYS" in name else 2**12)
    (tmp_path / "own").write_text("4:cpuacct,memory:/old\n0::/slurm/job\n")
    for folder in ("slurm/job", "memory/old"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def test_without_limits_all_is_the_machines(groups):
    for name in ("cpu.max", "memory.max"):
        (groups / "slurm/job" / name).write_text("max 100000\n" if name == "cpu.max" else "max\n")
    assert (available_cpus(), available_gb()) == (4, 8.0)


@pytest.mark.parametrize("folder", ["slurm/job", "slurm", "."])
@pytest.mark.parametrize(("quota", "cores"), [(250_000, 2), (50_000, 1), (900_000, 4)])
def test_a_quota_of_time_limits_the_cores(groups, folder, quota, cores):
    (groups / folder / "cpu.max").write_text(f"{quota} 100000\n")
    assert available_cpus() == cores


@pytest.mark.parametrize(
    "path", ["slurm/job/memory.max", "slurm/memory.max", "memory/old/memory.limit_in_bytes"]
)
def test_the_lowest_limit_of_memory_counts(groups, path):
    (groups / path).write_text(f"{3 * 2**30}\n")
    assert available_gb() == 3.0
