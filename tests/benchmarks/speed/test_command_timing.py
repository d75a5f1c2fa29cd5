"""Tests of timing a command: all its processes count, and the wall time ends with its exit code."""

import sys

from benchmarks.speed.command_timing import of_command

PYTHON = (sys.executable, "-c")


def test_output_exit_code_and_seconds_of_a_command():
    timing = of_command([*PYTHON, "import sys, time; print('a', flush=True); time.sleep(0.3); sys.exit('b')"])
    result = timing.result
    assert result.code == 1
    assert [line for _, line in result.lines] == ["a", "b"]
    (first, _), (second, _) = result.lines
    assert 0 < first <= second - 0.25 < timing.wall_s
    assert timing.cpu_s < timing.wall_s + 0.3


def test_the_peak_is_that_of_the_largest_process_and_the_first_process_is_separate():
    child = "bytearray(300 << 20)"
    code = f"import subprocess, sys; {{}}([sys.executable, '-c', {child!r}])"
    waited = of_command([*PYTHON, code.format("subprocess.run")])
    orphan = of_command([*PYTHON, code.format("subprocess.Popen")])
    assert 0.29 < waited.peak_gib < 0.5
    assert 0.29 < orphan.peak_gib < 0.5
    assert orphan.result.first_gib < 0.2


def test_a_process_that_ends_after_the_command_adds_cpu_time_but_no_wall_time():
    busy = "import time\nwhile time.process_time() < 1: pass"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {busy!r}])"
    timing = of_command([*PYTHON, code])
    assert timing.cpu_s > 0.95
    assert timing.wall_s < timing.cpu_s


def test_one_command_does_not_inherit_the_peak_of_another():
    large = of_command([*PYTHON, "bytearray(300 << 20)"])
    small = of_command([*PYTHON, "pass"])
    assert small.peak_gib < large.peak_gib - 0.1
