"""Programs of batch jobs: they end with their run, and leave no temporary file."""

import shutil
import subprocess
import sys
import time

import pytest

from bids_deeptaskgen.bids.output.dataset_files import DESCRIPTION
from bids_deeptaskgen.io.active_runs import active_runs, register_run
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.pipeline.claim import RUNNING_FOLDER
from bids_deeptaskgen.workflow.registrations import remove_registrations
from tests.processes import PATIENCE_S, ROOT

# A node that writes a file, and the line that shows that it has begun.
SCRIPT = """
import time
from pathlib import Path
from bids_deeptaskgen.io.atomic import atomic_path
with atomic_path(Path({path!r})) as temporary:
    temporary.write_text("half")
    time.sleep(600)
"""
PROGRAM = """
import sys
from pathlib import Path
from bids_deeptaskgen.workflow import batch_job
batch_job.CHECK_S = 0.05
batch_job.main(*map(Path, sys.argv[1:4]), *sys.argv[4:])
"""
HASHES = ["ab" * 32, "cd" * 32]


def start(folder, script, *claim):
    words = [sys.executable, "-c", PROGRAM, *map(str, (folder, script, *claim))]
    return subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def write_script(work, output):
    work.mkdir()
    script = work / "script.py"
    script.write_text(SCRIPT.format(path=str(output / "map.nii")))
    return script


def describe(output, settings_hash):
    """Write the description of a dataset, whose maps have these settings."""
    write_json(output / DESCRIPTION, {"DeepTaskGen": {"SettingsHash": settings_hash}})


def other_files(output):
    return [path.name for path in output.rglob("*") if path.is_file() and path.name != DESCRIPTION]


@pytest.fixture
def job(tmp_path):
    """Start a job that has written half of a file."""
    work, output = tmp_path / "run", tmp_path / "output"
    script = write_script(work, output)
    describe(output, HASHES[0])
    process = start(work, script, output, HASHES[0])
    end = time.monotonic() + PATIENCE_S
    while not list(output.glob(".map.nii*")):
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()
    process.stderr.close()


def test_a_cancelled_job_removes_its_temporary_files(job, tmp_path):
    job.terminate()
    assert job.wait(PATIENCE_S) == 143
    assert other_files(tmp_path / "output") == []


def test_a_job_ends_when_the_folder_of_its_run_is_removed(job, tmp_path):
    shutil.rmtree(tmp_path / "run")
    assert job.wait(PATIENCE_S) == 143
    assert other_files(tmp_path / "output") == []
    assert not (tmp_path / "run").exists()
    assert "was removed" in job.stderr.read()


def test_a_job_of_a_run_that_has_ended_does_nothing(tmp_path):
    process = start(tmp_path / "run", tmp_path / "run" / "script.py")
    assert "has ended" in process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_runs_with_other_settings_see_a_job_although_its_run_was_killed(job, tmp_path):
    running = tmp_path / "output" / RUNNING_FOLDER
    (run,) = active_runs(running)
    assert run.pid == job.pid
    assert run.has_settings(HASHES[0])
    job.terminate()
    job.wait(PATIENCE_S)
    assert not running.exists()


def test_a_killed_job_is_no_longer_registered_once_its_folder_is_removed(job, tmp_path):
    running = tmp_path / "output" / RUNNING_FOLDER
    job.kill()
    job.wait(PATIENCE_S)
    assert len(list(running.iterdir())) == 1
    remove_registrations(tmp_path / "run")
    assert not running.exists()


def test_a_job_that_starts_when_another_run_has_the_dataset_does_nothing(tmp_path):
    output = tmp_path / "output"
    script = write_script(tmp_path / "run", output)
    describe(output, HASHES[0])
    with register_run(output / RUNNING_FOLDER, HASHES[1]):
        refused_while_running = finish_refused(tmp_path / "run", script, output)
    describe(output, HASHES[1])
    refused_later = finish_refused(tmp_path / "run", script, output)
    shutil.rmtree(output)
    refused_without_dataset = finish_refused(tmp_path / "run", script, output)
    assert "another run writes maps with other settings" in refused_while_running
    assert "or has other settings" in refused_later
    assert "was removed" in refused_without_dataset
    assert not output.exists()


def finish_refused(work, script, output):
    process = start(work, script, output, HASHES[0])
    message = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 1, message
    assert not output.exists() or other_files(output) in ([], [running_name(output)])
    return message


def running_name(output):
    return next((run.path.name for run in active_runs(output / RUNNING_FOLDER)), None)
