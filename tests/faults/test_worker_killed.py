"""A worker that is killed, as by the kernel for its memory, neither hangs the run nor hides who is lost."""

import os
import signal
from contextlib import suppress

import pytest

from tests.processes import (
    finished_files,
    leftovers,
    map_in_the_making,
    reader_of_bold,
    results,
)

pytestmark = pytest.mark.slow


def writer_of_map(app):
    """A sign: the process that writes a map."""
    path = map_in_the_making(app)
    return path and next((pid for pid, name in app.open_files() if name == str(path)), None)


@pytest.mark.parametrize("sign", [reader_of_bold, writer_of_map])
def test_who_was_not_over_is_done_again(start, alone, sign):
    app = start("--nprocs", "2")
    worker = app.wait_for(sign)
    assert worker != app.pid
    os.kill(worker, signal.SIGKILL)
    assert app.wait() == 0, app.words
    assert "A process was killed" in app.words
    assert results(app.output) == alone
    assert leftovers(app.output) == []


def test_who_kills_every_process_is_lost_alone_and_the_next_run_completes(start, alone):
    app = start("--nprocs", "2")
    # Each process that has a file of the first participant open is ended, until no process tries again.
    while app.running():
        for pid, name in list(app.open_files()):
            if pid != app.pid and "sub-01_" in name:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    assert app.wait() == 1, app.words
    assert app.wait_for_silence(10) == {}
    assert not list(app.output.rglob("*.tmp"))
    assert finished_files(app.output).items() <= alone.items()
    lost = next(app.output.glob("logs/*_failed.txt")).read_text().split()
    assert lost == ["sub-01"]
    table = app.words[app.words.rindex("participant  status") :]
    for participant in lost:
        row = next(line for line in table.splitlines() if line.startswith(participant))
        assert "its process ended before it was done" in row
        assert "--nprocs" in row
    assert "--participant-label @" in table
    app = start("--nprocs", "2")
    assert app.wait() == 0, app.words
    assert results(app.output) == alone
    assert leftovers(app.output) == []
