"""Runs of commands end their processes and no other."""

import sys

from tests.processes import Run


def test_the_number_of_an_ended_run_may_belong_to_another_process(tmp_path):
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with Run(sleep, tmp_path / "other") as other:
        with Run([sys.executable, "-c", ""], tmp_path / "ended") as ended:
            assert ended.wait() == 0
            ended.pid = other.pid
        ended.kill()
        assert ended.processes() == {}
        assert other.runs_for(0.2)


def test_processes_that_outlive_a_run_are_ended(tmp_path):
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with Run([sys.executable, "-c", child], tmp_path / "log") as run:
        assert run.wait() == 0
        assert len(run.processes()) == 1
    assert run.wait_for_silence(10) == {}
