"""Limits of schedulers and containers are kept, whichever of the nested groups sets them."""

import logging
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen import machine
from bids_deeptaskgen.machine import available_cpus, available_gb, may_use_gpu
from bids_deeptaskgen.slurm_job import job_memory_mb

JOB = {"SLURM_JOB_ID": "7"}


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Create control groups of a machine with 4 cores and 8 GiB; this process is in /slurm/job."""
    monkeypatch.setattr(machine, "CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "PROCESS_GROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4))
    monkeypatch.setattr(os, "sysconf", lambda name: 2**21 if "PHYS" in name else 2**12)
    (tmp_path / "own").write_text("4:cpuacct,memory:/old\n0::/slurm/job\n")
    for folder in ("slurm/job", "memory/old"):
        (tmp_path / folder).mkdir(parents=True)
    for name in [name for name in os.environ if name.startswith(("SLURM_", "CUDA_", "GPU_"))]:
        monkeypatch.delenv(name)
    machine._log_once.cache_clear()
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


@pytest.fixture
def slurm(groups, monkeypatch):
    """Set variables of a Slurm job, on the machine of `groups`."""

    def set_variables(**variables):
        for name, value in (JOB | variables).items():
            monkeypatch.setenv(name, value)

    return set_variables


@pytest.mark.parametrize(
    ("variables", "cpus", "memory_gb"),
    [
        ({}, 4, 8.0),
        ({"SLURM_CPUS_PER_TASK": "2", "SLURM_CPUS_ON_NODE": "3"}, 2, 8.0),
        ({"SLURM_CPUS_ON_NODE": "3"}, 3, 8.0),
        ({"SLURM_CPUS_PER_TASK": "64", "SLURM_MEM_PER_NODE": "512000"}, 4, 8.0),
        ({"SLURM_MEM_PER_NODE": "2048"}, 4, 2.0),
        ({"SLURM_MEM_PER_NODE": "0"}, 4, 8.0),
        ({"SLURM_MEM_PER_CPU": "1024", "SLURM_CPUS_PER_TASK": "2"}, 2, 2.0),
        ({"SLURM_MEM_PER_CPU": "1024", "SLURM_CPUS_ON_NODE": "3"}, 3, 3.0),
        ({"SLURM_MEM_PER_CPU": "1024"}, 4, 8.0),
        ({"SLURM_CPUS_PER_TASK": "2(x3)", "SLURM_MEM_PER_NODE": "2G"}, 4, 8.0),
        ({"SLURM_CPUS_PER_TASK": "", "SLURM_MEM_PER_NODE": "-1"}, 4, 8.0),
    ],
)
def test_a_slurm_job_without_control_groups_is_limited_by_its_variables(slurm, variables, cpus, memory_gb):
    slurm(**variables)
    assert (available_cpus(), available_gb()) == (cpus, memory_gb)


def test_a_lower_limit_of_control_groups_counts_in_a_slurm_job_too(groups, slurm):
    (groups / "slurm/job/cpu.max").write_text("100000 100000\n")
    (groups / "slurm/job/memory.max").write_text(f"{2**30}\n")
    slurm(SLURM_CPUS_PER_TASK="2", SLURM_MEM_PER_NODE="2048")
    assert (available_cpus(), available_gb()) == (1, 1.0)


def test_variables_of_slurm_count_only_in_a_job(groups, monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1024")
    assert (available_cpus(), available_gb(), may_use_gpu()) == (4, 8.0, True)


def test_the_log_names_the_variables_once(slurm, caplog):
    slurm(SLURM_CPUS_PER_TASK="2", SLURM_MEM_PER_CPU="1024")
    with caplog.at_level(logging.INFO, logger="bids_deeptaskgen"):
        for _ in range(3):
            available_cpus(), available_gb(), may_use_gpu()
    assert [record.getMessage() for record in caplog.records] == [
        "CPUs of the Slurm job: 2 (SLURM_CPUS_PER_TASK).",
        "Memory of the Slurm job: 2.0 GB (SLURM_MEM_PER_CPU).",
        "The Slurm job has no GPU (SLURM_JOB_GPUS is not set), so `device` auto uses the CPU.",
    ]


@pytest.mark.parametrize(
    ("variables", "may_use"),
    [
        ({}, False),
        ({"SLURM_JOB_GPUS": "0"}, True),
        ({"SLURM_STEP_GPUS": "1,3"}, True),
        ({"CUDA_VISIBLE_DEVICES": "GPU-3a7b"}, True),
        ({"SLURM_JOB_GPUS": "", "CUDA_VISIBLE_DEVICES": ""}, False),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, False),
    ],
)
def test_a_slurm_job_uses_only_its_gpus(slurm, variables, may_use):
    slurm(**variables)
    assert may_use_gpu() == may_use


NUMBERS = st.integers(-(10**6), 10**9).map(str)
VALUES = NUMBERS | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
NAMES = (
    "SLURM_JOB_ID",
    "SLURM_CPUS_PER_TASK",
    "SLURM_CPUS_ON_NODE",
    "SLURM_MEM_PER_NODE",
    "SLURM_MEM_PER_CPU",
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, VALUES)))
def test_no_value_of_a_variable_raises_or_gives_more_than_the_machine(variables):
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.delenv(name, raising=False)
        cpus, memory_gb = available_cpus(), available_gb()
        for name, value in variables.items():
            patch.setenv(name, value)
        assert 1 <= available_cpus() <= cpus
        assert 0 < available_gb() <= memory_gb


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_memory_per_cpu_is_multiplied_by_the_cpus(n_cpus, memory_mb):
    per_cpu = {"SLURM_CPUS_PER_TASK": str(n_cpus), "SLURM_MEM_PER_CPU": str(memory_mb)}
    per_node = {"SLURM_MEM_PER_NODE": str(n_cpus * memory_mb)}
    assert job_memory_mb(JOB | per_cpu)[0] == job_memory_mb(JOB | per_node)[0] == n_cpus * memory_mb
