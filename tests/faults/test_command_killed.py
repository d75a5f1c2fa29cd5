"""Whenever a command is killed or told to stop, the next run ends with the bytes of an undisturbed run."""

import signal

import pytest

from tests.faults.command_cases import CASE_BY_NAME, CASES
from tests.faults.command_stage import Watch
from tests.faults.moments import moments

N_KILLS, N_STOPS = 8, 4
ENDS = {
    signal.SIGTERM: (
        143,
        "stopped by SIGTERM; results that are finished are kept, start again for the rest.",
    ),
    signal.SIGINT: (130, "interrupted; results that are finished are kept, start again for the rest."),
}
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
fast_case = pytest.mark.parametrize("case", [CASE_BY_NAME["store_pack"]], ids=lambda case: case.name)


def interrupted(stage, moment, interrupt):
    """Start runs until one is interrupted, earlier each time.

    Returns
    -------
    run : Run
    code : int
        Its exit code.
    facts : dict
        What is recorded of the fault.
    """
    while True:
        watch, run = Watch(stage.place), stage.start()
        if moment.comes(stage, run):
            interrupt(run)
            code = run.wait()
            if code != 0:
                return run, code, {"moment": moment, "exit_code": code, "has_written": watch.look() > 0}
        assert run.wait() == 0, run.words
        stage.assert_complete()
        stage.reset()
        moment = moment.earlier()


def assert_kills_change_no_byte(stage, faults, n_kills):
    for moment in moments(stage.case.name, n_kills, stage):
        run, code, facts = interrupted(stage, moment, lambda run: run.kill())
        assert code == -signal.SIGKILL, run.words
        n_kept, n_lost = stage.assert_nothing_torn()
        faults.add(stage.case.name, "SIGKILL", n_kept=n_kept, n_lost=n_lost, **facts)
    stage.assert_restart_completes()


def assert_stopped(stage, run, code, number):
    """Assert that a run that was told to stop says so and leaves nothing behind."""
    end, words = ENDS[number]
    # Before the program has begun and when its work is done, Python or the kernel ends it.
    is_outside = code == -number and (" INFO " not in run.words or stage.results() == stage.expected)
    # After the message, Python ends by the signal if code that a library runs in its import was interrupted;
    # shells report the same exit code.
    assert code == end or is_outside or (code == -number and words in run.words), f"{code}: {run.words}"
    assert run.wait_for_silence(10) == {}
    if not is_outside:
        assert words in run.words
        assert "Traceback" not in run.words
    assert not stage.leftovers(), stage.leftovers()


def assert_stops_change_no_byte(stage, faults, number, n_stops):
    for moment in moments(f"{stage.case.name} {number}", n_stops, stage):
        run, code, facts = interrupted(stage, moment, lambda run: run.signal(number))
        assert_stopped(stage, run, code, number)
        n_kept, n_lost = stage.assert_nothing_torn()
        faults.add(stage.case.name, number.name, n_kept=n_kept, n_lost=n_lost, **facts)
    stage.assert_restart_completes()


@pytest.mark.slow
@each_case
def test_kills_at_random_moments_change_no_byte(stage, faults):
    assert_kills_change_no_byte(stage, faults, N_KILLS)


@pytest.mark.slow
@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
@each_case
def test_stops_at_random_moments_change_no_byte(stage, faults, number):
    assert_stops_change_no_byte(stage, faults, number, N_STOPS)


@fast_case
def test_a_killed_command_is_completed_by_the_next_run(stage, faults):
    assert_kills_change_no_byte(stage, faults, 1)


@fast_case
def test_a_stopped_command_is_completed_by_the_next_run(stage, faults):
    assert_stops_change_no_byte(stage, faults, signal.SIGTERM, 1)
