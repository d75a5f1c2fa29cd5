"""A clock that jumps, dates in the future, a deleted work folder: the bytes stay those of a quiet machine."""

import os
import random
import shutil
import time

import pytest

from tests.faults.circumstances import assert_for_users, assert_refused, start_under
from tests.faults.command_cases import CASE_BY_NAME, CASES
from tests.faults.conditions import Circumstance
from tests.faults.fault_table import CONDITION

DAY_S = 86_400
JUMPS = {"back a year": -365 * DAY_S, "forward a day": DAY_S}
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
fast_case = pytest.mark.parametrize("case", [CASE_BY_NAME["store_pack"]], ids=lambda case: case.name)


def assert_jump_changes_no_byte(stage, library, jump, faults):
    """Assert that the bytes do not depend on a jump of the clock when some file is opened."""
    library.reset()
    first = max(1, stage.n_changes // 4)
    run = start_under(stage, library.circumstance(stage, "open", first=first, shift_s=JUMPS[jump]))
    code = run.wait()
    assert code == 0, run.words
    assert_for_users(run)
    assert library.n_faults == 1
    stage.assert_complete()
    faults.add(stage.case.name, "clock", jump, exit_code=code)


@fast_case
def test_a_clock_that_jumps_back_changes_no_byte(stage, library, faults):
    assert_jump_changes_no_byte(stage, library, "back a year", faults)


@pytest.mark.slow
@pytest.mark.parametrize("jump", JUMPS)
@each_case
def test_a_clock_that_jumps_changes_no_byte(stage, library, jump, faults):
    assert_jump_changes_no_byte(stage, library, jump, faults)


def assert_dates_change_no_byte(stage, faults):
    """Assert that results may have any dates, in the future or in reverse order."""
    assert start_under(stage, Circumstance()).wait() == 0
    numbers = random.Random(stage.case.name)
    # The dates of inputs are a part of what the records of results state.
    for path in sorted(stage.place.rglob("*")):
        date = numbers.choice((0, time.time() + 365 * DAY_S, time.time() - DAY_S))
        os.utime(path, (date, date), follow_symlinks=False)
    run = start_under(stage, Circumstance())
    code = run.wait()
    assert code == 0, run.words
    stage.assert_complete()
    faults.add(stage.case.name, "dates of files", exit_code=code, category=CONDITION)


@fast_case
def test_dates_of_files_change_no_byte(stage, faults):
    assert_dates_change_no_byte(stage, faults)


@pytest.mark.slow
@each_case
def test_dates_of_files_of_each_command_change_no_byte(stage, faults):
    assert_dates_change_no_byte(stage, faults)


WORK = ("work", ".work_*", "*.training", ".*.training", ".*.tmp")


def work_folders(place):
    """List the folders in which a command keeps unfinished work; empty ones only show that it may write."""
    return [
        path
        for folder in (place, place / "out")
        for pattern in WORK
        for path in folder.glob(pattern)
        if path.is_dir() and any(path.glob("*"))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.0, 2.0])
@each_case
def test_a_deleted_work_folder_is_named_and_the_next_run_completes(stage, delay_s, faults):
    run = start_under(stage, Circumstance())
    while run.running() and not work_folders(stage.place):
        time.sleep(0.001)
    run.runs_for(delay_s)
    folders = work_folders(stage.place)
    if not folders:
        assert run.wait() == 0, run.words
        stage.assert_complete()
        pytest.skip("this command has no work folder at this moment")
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    code = run.wait()
    if code:
        assert_refused(run, code)
    else:
        assert_for_users(run)
    n_kept, _ = stage.assert_nothing_torn()
    faults.add(stage.case.name, "work folder deleted", f"after {delay_s:g} s", exit_code=code, n_kept=n_kept)
    stage.assert_restart_completes()
