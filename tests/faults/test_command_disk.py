"""A disk that is full at any write: a message, no partial file, and the same bytes with more space."""

import os
import time
from contextlib import suppress

import pytest

from tests.faults.command_cases import CASE_BY_NAME, CASES
from tests.faults.command_stage import LOOK_EVERY_S
from tests.faults.moments import moments

# Shares of what an undisturbed run needs at its peak, beyond the inputs that are there already.
# Position in the usage of a disk, option of the file system, unit and shares of each kind of limit.
KINDS = {
    "full disk": (0, "size", "bytes", (0.0, 0.1, 0.3, 0.6, 0.9, 0.99)),
    "small disk": (0, "size", "bytes", (0.3,)),
    "no inodes": (1, "nr_inodes", "files", (0.1, 0.5, 0.9)),
}
N_FILLINGS = 3
N_ATTEMPTS = 50
PLENTY = "size=1g,nr_inodes=100k"
WRITING = [case for case in CASES if case.name != "store_check"]
each_case = pytest.mark.parametrize("case", WRITING, ids=lambda case: case.name)
fast_case = pytest.mark.parametrize("case", [CASE_BY_NAME["store_pack"]], ids=lambda case: case.name)


def usage(place):
    """Return the used bytes and the used inodes of a disk."""
    facts = os.statvfs(place)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize, facts.f_files - facts.f_ffree


def peak_usage(stage):
    """Return the usage of the disk without the command's files, and the highest during a run."""
    stage.reset()
    first = usage(stage.place)
    n_bytes, n_inodes = first
    run = stage.start()
    while run.running():
        current = usage(stage.place)
        n_bytes, n_inodes = max(n_bytes, current[0]), max(n_inodes, current[1])
        time.sleep(LOOK_EVERY_S)
    assert run.wait() == 0, run.words
    stage.assert_complete()
    stage.reset()
    return first, (n_bytes, n_inodes)


def is_reported(stage, run):
    """Assert that a run on a full disk says so and leaves nothing behind; False if there was enough space."""
    code = run.wait()
    # The maps do not depend on the pages, so that pages do not change the exit code; the next run makes them.
    lacks_pages = code == 0 and "the page could not be made" in run.words
    if code == 0 and not lacks_pages:
        # The limit was near the peak, or what earlier runs had left to do needs less.
        stage.assert_complete()
        stage.reset()
        return False
    # Some commands compare what they will write with the free space at the beginning.
    is_refused = code == 2 and " are free." in run.words
    if not is_refused:
        assert code == 1 or lacks_pages, run.words
        assert "the disk is full" in run.words
        assert "Free some space and start again; finished results are kept" in run.words
    assert "Free some space" in run.words
    assert "internal error" not in run.words
    assert "Traceback" not in run.words
    assert not stage.leftovers(), stage.leftovers()
    return True


def assert_limits_are_survived(stage, faults, disk, kind):
    """Run with more and more space, from nothing to almost enough, and then with plenty."""
    number, option, unit, shares = KINDS[kind]
    disk(stage.place, PLENTY)
    first, peak = (facts[number] for facts in peak_usage(stage))
    for share in shares:
        # At least 1, since 0 means no limit.
        disk(stage.place, f"{option}={max(1, first + int(share * (peak - first)))}")
        run = stage.start()
        if is_reported(stage, run):
            n_kept, n_lost = stage.assert_nothing_torn()
            moment = f"{100 * share:.0f}% of {peak - first} {unit}"
            faults.add(stage.case.name, kind, moment, exit_code=run.wait(), n_kept=n_kept, n_lost=n_lost)
    disk(stage.place, PLENTY)
    stage.assert_restart_completes()


def fill(place, disk):
    """Make a disk as small as its content."""
    for _ in range(N_ATTEMPTS):
        # Files may grow meanwhile.
        with suppress(OSError):
            disk(place, f"size={max(1, usage(place)[0])}", is_required=False)
            return True
    return False


def assert_filling_is_survived(stage, faults, disk):
    """Fill the disk in the middle of runs, as other programs do."""
    disk(stage.place, PLENTY)
    stage.reset()
    for moment in moments(f"{stage.case.name} disk", N_FILLINGS, stage):
        disk(stage.place, PLENTY)
        run = stage.start()
        while not (moment.comes(stage, run) and fill(stage.place, disk) and is_reported(stage, run)):
            assert run.wait() == 0, run.words
            disk(stage.place, PLENTY)
            stage.reset()
            moment, run = moment.earlier(), stage.start()
        n_kept, n_lost = stage.assert_nothing_torn()
        code = run.wait()
        faults.add(stage.case.name, "disk fills up", moment, exit_code=code, n_kept=n_kept, n_lost=n_lost)
    disk(stage.place, PLENTY)
    stage.assert_restart_completes()


@pytest.mark.slow
@each_case
def test_a_disk_that_is_full_at_any_write_is_reported_and_more_space_gives_the_same_bytes(
    stage, faults, disk
):
    assert_limits_are_survived(stage, faults, disk, "full disk")


@pytest.mark.slow
@each_case
def test_a_disk_that_others_fill_is_reported_and_more_space_gives_the_same_bytes(stage, faults, disk):
    assert_filling_is_survived(stage, faults, disk)


@pytest.mark.slow
@each_case
def test_a_disk_without_room_for_more_files_is_reported_and_more_room_gives_the_same_bytes(
    stage, faults, disk
):
    assert_limits_are_survived(stage, faults, disk, "no inodes")


@pytest.mark.slow
@pytest.mark.parametrize("case", [CASE_BY_NAME["store_check"]], ids=lambda case: case.name)
def test_a_check_needs_no_space(stage, faults, disk):
    disk(stage.place, PLENTY)
    stage.reset()
    disk(stage.place, f"size={usage(stage.place)[0]}")
    run = stage.start()
    assert run.wait() == 0, run.words
    stage.assert_complete()
    faults.add(stage.case.name, "full disk", "nothing fits", exit_code=0, n_kept=len(stage.expected))


@fast_case
def test_a_full_disk_is_reported_by_a_command(stage, faults, disk):
    assert_limits_are_survived(stage, faults, disk, "small disk")
