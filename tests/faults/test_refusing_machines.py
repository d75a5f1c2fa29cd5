"""Machines on which a command cannot end: it names what the machine refuses, and changes no file."""

import subprocess
import time

import pytest

from tests.faults import conditions
from tests.faults.circumstances import assert_for_users, assert_refused, scene_of, start_under
from tests.faults.command_cases import CASE_BY_NAME, CASES
from tests.faults.conditions import Circumstance
from tests.faults.fault_table import CONDITION

# These only read, or print what they find.
READERS = {"store_check"}
REFUSING = (
    conditions.place_read_only,
    conditions.place_locked,
    conditions.stdout_full,
    conditions.little_address_space,
    conditions.few_processes,
)
# Arrow, a library of C++, ends the process itself when memory is lacking.
IMPOSSIBLE = {("export", conditions.little_address_space)}
FAST = ((CASE_BY_NAME["store_pack"], conditions.place_read_only),)
each_writer = pytest.mark.parametrize(
    "case", [case for case in CASES if case.name not in READERS], ids=lambda case: case.name
)


def pairs(rows):
    return pytest.mark.parametrize(
        ("case", "condition"),
        [pytest.param(case, condition, id=f"{case.name}-{condition.__name__}") for case, condition in rows],
    )


def assert_refused_or_complete(stage, condition, scratch, faults):
    """Assert that a command ends with a message, or with all of its files; the next run always with those."""
    with condition(scene_of(stage, scratch)) as circumstance:
        run = start_under(stage, circumstance)
        code = run.wait()
    if code:
        assert_refused(run, code)
    else:
        assert_for_users(run)
        stage.assert_complete()
    n_kept, _ = stage.assert_nothing_torn()
    faults.add(stage.case.name, condition.__name__, exit_code=code, n_kept=n_kept, category=CONDITION)
    if code:
        stage.assert_restart_completes()
    return code


@pairs(FAST)
def test_a_read_only_folder_is_refused_and_the_next_run_completes(stage, condition, tmp_path, faults):
    assert assert_refused_or_complete(stage, condition, tmp_path, faults) == 2


@pytest.mark.slow
@pairs(
    (case, condition) for case in CASES for condition in REFUSING if (case.name, condition) not in IMPOSSIBLE
)
def test_what_a_machine_refuses_is_named_and_the_next_run_completes(stage, condition, tmp_path, faults):
    code = assert_refused_or_complete(stage, condition, tmp_path, faults)
    if condition in (conditions.place_read_only, conditions.place_locked):
        assert bool(code) != (stage.case.name in READERS)


@pytest.fixture
def remount():
    """Return a function that makes a folder read-only although a run writes there."""
    mounted = []

    def forbid(folder):
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=False, capture_output=True)
        return subprocess.run(["test", "-w", folder], check=False).returncode != 0

    def prepare(folder):
        done = subprocess.run(
            ["mount", "--bind", folder, folder], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no folder can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return forbid

    yield prepare
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.slow
@each_writer
def test_a_folder_that_becomes_read_only_is_named_and_the_next_run_completes(stage, remount, faults):
    forbid = remount(stage.place)
    n_files = len(list(stage.place.rglob("*")))
    run, is_forbidden = start_under(stage, Circumstance()), False
    # While a file is open for writing, the folder cannot become read-only.
    while run.running() and not is_forbidden:
        is_forbidden = len(list(stage.place.rglob("*"))) > n_files + 1 and forbid(stage.place)
        time.sleep(0.001)
    code = run.wait()
    if not is_forbidden:
        assert code == 0, run.words
        pytest.skip("the run ended before its folder could become read-only")
    if code:
        assert_refused(run, code)
    n_kept, _ = stage.assert_nothing_torn()
    faults.add(stage.case.name, "read-only midway", exit_code=code, n_kept=n_kept)
    subprocess.run(["mount", "-o", "remount,bind,rw", stage.place], check=True)
    if not code:
        stage.assert_complete()
    else:
        stage.assert_restart_completes()
