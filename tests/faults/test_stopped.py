"""A run that is asked to stop tidies up, takes its workers along and says so."""

import random
import signal

import pytest

from tests.processes import finished_files, first_map, leftovers, map_in_the_making, reader_of_bold, results

pytestmark = pytest.mark.slow
TOLD = {
    signal.SIGTERM: (
        143,
        "stopped by SIGTERM; results that are finished are kept, start again for the rest.",
    ),
    signal.SIGINT: (130, "interrupted; results that are finished are kept, start again for the rest."),
}


def assert_ended_well(app, number, alone):
    code, words = TOLD[number]
    assert app.wait() == code, app.words
    # The fork server and the resource tracker end by themselves when their parent has.
    assert app.wait_for_silence(10) == {}
    assert words in app.words
    assert "Traceback" not in app.words
    assert not list(app.output.rglob("*.tmp"))
    assert not list(app.output.glob("work/run-*"))
    assert finished_files(app.output).items() <= alone.items()


def assert_next_run_completes(start, alone, *options):
    app = start(*options)
    assert app.wait() == 0, app.words
    assert results(app.output) == alone
    assert leftovers(app.output) == []


# A scheduler may tell the parent alone; a terminal, and other schedulers, tell all of them.
@pytest.mark.parametrize(("n_procs", "whom"), [("1", "parent"), ("2", "parent"), ("2", "all")])
@pytest.mark.parametrize("sign", [reader_of_bold, map_in_the_making])
@pytest.mark.parametrize("number", TOLD)
def test_a_run_that_is_stopped_leaves_nothing_half_written(start, alone, n_procs, number, sign, whom):
    app = start("--nprocs", n_procs)
    app.wait_for(sign)
    (app.signal if whom == "parent" else app.signal_all)(number)
    assert_ended_well(app, number, alone)
    assert_next_run_completes(start, alone, "--nprocs", n_procs)


@pytest.mark.parametrize("n_procs", ["1", "2"])
def test_the_moment_of_sigterm_does_not_matter(start, alone, duration, n_procs):
    took = duration("--nprocs", n_procs)
    chance = random.Random(7)
    for sixth in range(6):
        app = start("--nprocs", n_procs)
        if app.runs_for((sixth + chance.random()) / 6 * took):
            app.signal(signal.SIGTERM)
            if app.wait() != -signal.SIGTERM:  # before there was anything to tidy up
                assert_ended_well(app, signal.SIGTERM, alone)
    assert_next_run_completes(start, alone, "--nprocs", n_procs)


@pytest.mark.parametrize("sign", [reader_of_bold, first_map])
def test_workers_do_not_outlive_a_parent_that_was_killed(start, alone, sign):
    app = start("--nprocs", "2")
    app.wait_for(sign)
    app.signal(signal.SIGKILL)
    assert app.wait() == -signal.SIGKILL
    assert app.wait_for_silence(10) == {}
    assert finished_files(app.output).items() <= alone.items()
    assert_next_run_completes(start, alone, "--nprocs", "2")
