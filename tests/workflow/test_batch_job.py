"""Programs of batch jobs: they end with their run, and leave no temporary file."""

import shutil
import subprocess
import sys
import time

import pytest

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
batch_job.main(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def start(folder, script):
    words = [sys.executable, "-c", PROGRAM, str(folder), str(script)]
    return subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def job(tmp_path):
    """Start a job that has written half of a file."""
    work, output = tmp_path / "run", tmp_path / "output"
    work.mkdir()
    script = work / "script.py"
    script.write_text(SCRIPT.format(path=str(output / "map.nii")))
    process = start(work, script)
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
    assert list((tmp_path / "output").iterdir()) == []


def test_a_job_ends_when_the_folder_of_its_run_is_removed(job, tmp_path):
    shutil.rmtree(tmp_path / "run")
    assert job.wait(PATIENCE_S) == 143
    assert list((tmp_path / "output").iterdir()) == []
    assert not (tmp_path / "run").exists()
    assert "was removed" in job.stderr.read()


def test_a_job_of_a_run_that_has_ended_does_nothing(tmp_path):
    process = start(tmp_path / "run", tmp_path / "run" / "script.py")
    assert "has ended" in process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []
