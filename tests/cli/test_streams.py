"""Laws of the standard streams: a run ends quietly if nobody reads its output."""

import os
import subprocess
import sys

import pytest

from bids_deeptaskgen.cli.main import run_with_exit_code
from bids_deeptaskgen.cli.streams import SafeStream

APP = f"{sys.executable} -m bids_deeptaskgen"
HELP = f"{APP} --help"
LIST = (
    f"{sys.executable} -c 'import sys; from bids_deeptaskgen.cli.workbench import main; sys.exit(main())' "
    "models list"
)
# Python's traces of an unhandled error of a stream.
TRACES = ("Traceback", "Exception ignored", "BrokenPipe", "Errno")


def shell(command):
    """Run a command of bash."""
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (f"{HELP} | head -1; exit ${{PIPESTATUS[0]}}", 0),
        (f"{LIST} | true; exit ${{PIPESTATUS[0]}}", 0),
        (f"{LIST} 2>&1 | true; exit ${{PIPESTATUS[0]}}", 0),
        (f"{LIST} >&-", 0),
        (f"{LIST} >/dev/null 2>&-", 0),
        (f"{LIST} <&- >&- 2>&-", 0),
        (f"{APP} --no-such-option 2>&-", 2),
        (f"{APP} --no-such-option 2>/dev/full", 2),
        (f"{APP} /none /out participant 2>&1 | true; exit ${{PIPESTATUS[0]}}", 3),
    ],
)
def test_a_closed_stream_neither_prints_a_trace_nor_changes_the_exit_code(command, code):
    end = shell(command)
    assert end.returncode == code
    assert not any(trace in end.stderr for trace in TRACES)


@pytest.mark.parametrize("command", [HELP, LIST])
def test_a_full_disk_under_the_output_is_named_with_exit_code_1(command):
    end = shell(f"{command} >/dev/full")
    assert end.returncode == 1
    assert "the disk is full (standard output)" in end.stderr
    assert not any(trace in end.stderr for trace in TRACES)


STARTS_ANOTHER = """
import subprocess, sys
from bids_deeptaskgen.cli.main import run_with_exit_code

child = [sys.executable, "-c", "import os; [os.fstat(number) for number in range(3)]"]
sys.exit(run_with_exit_code("program", lambda: subprocess.run(child).returncode))
"""


def test_programs_that_a_command_starts_have_streams_although_its_own_are_closed(tmp_path):
    (tmp_path / "program.py").write_text(STARTS_ANOTHER)
    assert shell(f"{sys.executable} {tmp_path / 'program.py'} <&- >&- 2>&-").returncode == 0


def closed_pipe():
    """Open a text stream whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def test_the_work_goes_on_after_the_reader_of_its_output_has_gone(monkeypatch):
    steps = []

    def work():
        for step in range(3):
            sys.stdout.write(f"{step}\n")
            sys.stdout.flush()
            steps.append(step)
        return 1

    with closed_pipe() as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert run_with_exit_code("program", work) == 1
    assert steps == [0, 1, 2]


def test_the_streams_of_the_process_are_restored():
    before = sys.stdout, sys.stderr
    during = []
    run_with_exit_code("program", lambda: during.extend((sys.stdout, sys.stderr)) or 0)
    assert all(isinstance(stream, SafeStream) for stream in during)
    assert (sys.stdout, sys.stderr) == before


def test_letters_that_a_terminal_lacks_are_escaped():
    end = shell(f"PYTHONIOENCODING=ascii {APP} $'/no\\u0161' /out participant")
    assert end.returncode == 3
    assert "/no\\u0161: no such folder" in end.stderr
