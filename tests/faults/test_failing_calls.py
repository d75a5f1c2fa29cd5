"""System calls that fail: each command says so, leaves no torn file, and the next run has the same bytes."""

import errno
from dataclasses import dataclass

import pytest

from tests.faults.circumstances import assert_refused, start_under
from tests.faults.command_cases import CASE_BY_NAME, CASES

PERSISTENT = 10**9


@dataclass(frozen=True)
class Failure:
    """A kind of call that fails once, or from some moment on, at a share of the calls of the run.

    Reads are those of the inputs, all other calls those of the outputs.
    """

    kind: str
    error: int
    share: float
    count: int = 1

    def __str__(self):
        return f"{errno.errorcode[self.error]} {self.kind}"


FAILURES = (
    Failure("write", errno.EIO, 0.1),
    Failure("mkdir", errno.EDQUOT, 0.2, PERSISTENT),
    Failure("read", errno.EIO, 0.3),
    Failure("close", errno.EIO, 0.4),
    Failure("rename", errno.EIO, 0.5),
    Failure("write", errno.ENOSPC, 0.6, PERSISTENT),
    Failure("fsync", errno.EIO, 0.7),
    Failure("write", errno.EDQUOT, 0.8, PERSISTENT),
    Failure("read", errno.ESTALE, 0.9),
    Failure("write", errno.EIO, 1.0),
)
FAST = (FAILURES[0], FAILURES[4], FAILURES[7])


# These read files of the folder to which they write.
IN_PLACE = {"reports_only", "group", "store_check"}


def source_of(stage):
    """Return the folder from which a command reads."""
    return stage.place if stage.case.name in IN_PLACE else stage.inputs


def count_calls(stage, library):
    """Run the command undisturbed, and return the number of calls of each kind."""
    library.reset()
    run = start_under(stage, library.circumstance(stage, source=source_of(stage)))
    assert run.wait() == 0, run.words
    stage.assert_complete()
    return library.n_calls


def run_with(stage, library, failure, n_calls):
    """Run the command with a failure, from an empty place if the rest of the work has too few calls."""
    first = 1 + round(failure.share * (n_calls - 1))
    while True:
        library.reset()
        circumstance = library.circumstance(
            stage, failure.kind, failure.error, first, failure.count, source=source_of(stage)
        )
        run = start_under(stage, circumstance)
        code = run.wait()
        if library.n_faults:
            return run, code, first
        assert code == 0, run.words
        stage.assert_complete()
        stage.reset()
        first = max(1, first - 1 - first // 10)


def assert_failures_change_no_byte(stage, library, failures, faults):
    n_all_calls = count_calls(stage, library)
    stage.reset()
    for failure in failures:
        n_calls = n_all_calls[failure.kind]
        if not n_calls:
            continue
        run, code, number = run_with(stage, library, failure, n_calls)
        moment = f"call {number} of {n_calls}"
        # An error that ends a worker process leaves its trace; the participant is repeated.
        if code:
            assert_refused(run, code)
        n_kept, n_lost = stage.assert_nothing_torn()
        faults.add(stage.case.name, str(failure), moment, exit_code=code, n_kept=n_kept, n_lost=n_lost)
        if not code:
            # An error of an optional file may not matter.
            stage.assert_complete()
            stage.reset()
    stage.assert_restart_completes()


@pytest.mark.parametrize("case", [CASE_BY_NAME["export"]], ids=lambda case: case.name)
def test_failing_calls_are_reported_and_change_no_byte(stage, library, faults):
    assert_failures_change_no_byte(stage, library, FAST, faults)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_failing_calls_of_each_kind_are_reported_and_change_no_byte(stage, library, faults):
    assert_failures_change_no_byte(stage, library, FAILURES, faults)
