"""nipype's SLURM plugin on a real Slurm: jobs that die, runs that are stopped, a controller that is away."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from tests.conftest import small_dataset
from tests.processes import ROOT, App, leftovers, results

pytestmark = pytest.mark.slow

# The jobs wait for each other and for those of other users.
PATIENCE_S = 3600
# Loaded by the Python of jobs; acts by the name of the job.
SITE = """
import os, subprocess, time
name = os.environ.get("SLURM_JOB_NAME", "")
act = dict(word.split("=") for word in os.environ.get("ACTS", "").split()).get(name.rpartition("-")[0])
if act == "memory":
    block = bytearray(3_000_000_000)
    block[::4096] = b"1" * len(block[::4096])
    time.sleep(60)
elif act:
    if act == "time":
        # Other jobs may need more than the shortest limit, a minute.
        subprocess.run(["scontrol", "update", "jobid=" + os.environ["SLURM_JOB_ID"], "timelimit=1"])
    time.sleep(600)
"""
# Writes down each call, and fails as many times as a file has lines.
WRAPPER = """#!/bin/bash
echo "$(date +%s.%N) {name} $*" >> {folder}/calls.txt
if [ -s {folder}/{name}.failures ]; then
  sed -i 1d {folder}/{name}.failures
  echo "{name}: error: Socket timed out on send/recv operation" >&2
  exit 1
fi
exec {program} "$@"
"""


def queue(*states):
    """List the jobs of the plugin in the queue: names by id."""
    words = ["squeue", "--noheader", "--format=%i %j", *(f"--states={state}" for state in states)]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    jobs = dict(line.split() for line in lines)
    return {job_id: name for job_id, name in jobs.items() if name.startswith("deeptaskgen-")}


def wait_until(condition):
    end = time.monotonic() + PATIENCE_S
    while not (seen := condition()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return seen


class Submitter:
    """Runs with the plugin.

    Parameters
    ----------
    dataset, model, folder : Path
    """

    def __init__(self, dataset, model, folder):
        if shutil.which("sbatch") is None:
            pytest.fail(
                "Slurm was not found (no sbatch on the PATH). Run these tests on a node of a cluster."
            )
        self.dataset, self.model, self.folder = dataset, model, folder
        self.output = folder / "out"
        self._apps = []
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(SITE)
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in ("sbatch", "squeue", "scancel"):
            program = self.bin / name
            program.write_text(WRAPPER.format(name=name, folder=self.bin, program=shutil.which(name)))
            program.chmod(0o755)
        self.plugin = folder / "plugin.yml"
        self.plugin.write_text("plugin: SLURM\nplugin_args:\n  sbatch_args: --time=30\n")

    def start(self, acts=""):
        environment = {
            "PYTHONPATH": f"{self.folder / 'site'}:{ROOT}",
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "ACTS": acts,
            "LOGNAME": None,
        }
        words = ("--use-plugin", str(self.plugin), "--chunk-size", "3")
        app = App(self.dataset, self.output, self.model, *words, environment=environment)
        self._apps.append(app)
        return app

    def finish(self, app, code=0):
        """Wait for the end of a run, and check that it leaves neither jobs nor files behind."""
        wait_until(lambda: not app.running())
        assert app.wait() == code, app.words
        assert set(queue().values()) & self.names() == set()
        assert leftovers(self.output) == []
        return app.words

    def calls(self, name):
        """List the times and words of the calls of a command."""
        path = self.bin / "calls.txt"
        text = path.read_text() if path.exists() else ""
        lines = [line.split(maxsplit=2) for line in text.splitlines()]
        return [(float(line[0]), line[2]) for line in lines if line[1] == name]

    def names(self):
        """Return the names of all submitted jobs."""
        words = [word for _, line in self.calls("sbatch") for word in line.split()]
        return {word.partition("=")[2] for word in words if word.startswith("--job-name=")}

    def running_jobs(self):
        return set(queue("RUNNING").values()) & self.names()

    def close(self):
        for app in self._apps:
            app.__exit__()
        for job_id, name in queue().items():
            if name in self.names():
                subprocess.run(["scancel", job_id], check=False)


@pytest.fixture(scope="session")
def six(tmp_path_factory):
    return small_dataset(tmp_path_factory.mktemp("six") / "fmriprep", n_participants=6, n_volumes=30)


@pytest.fixture(scope="session")
def linear(six, model, tmp_path_factory):
    """Files of a run without Slurm."""
    output = tmp_path_factory.mktemp("linear") / "out"
    with App(six, output, model, "--nprocs", "1") as app:
        assert app.wait() == 0, app.words
    return results(output)


@pytest.fixture
def submitter(six, model, tmp_path):
    made = Submitter(six, model, tmp_path)
    yield made
    made.close()


def test_jobs_that_are_cancelled_or_killed_cost_their_participants_only(submitter, linear):
    acts = "deeptaskgen-sub-03-connectomes=memory deeptaskgen-sub-04-connectomes=time"
    app = submitter.start(acts=f"{acts} deeptaskgen-sub-05-connectomes=sleep")

    def job_of_sub_05():
        return next((job_id for job_id, name in queue("RUNNING").items() if "sub-05-" in name), None)

    cancelled = wait_until(job_of_sub_05)
    subprocess.run(["scancel", cancelled], check=True)
    words = submitter.finish(app, code=1)
    table = words[words.rindex("participant  status") :].splitlines()
    rows = {line.split()[0]: line for line in table if line.startswith("sub-")}
    assert {name for name, row in rows.items() if " done " in row} == {"sub-01", "sub-02", "sub-06"}
    for subject, state, option in (
        ("sub-03", "OUT_OF_MEMORY", "--mem"),
        ("sub-04", "TIMEOUT", "--time"),
        ("sub-05", "CANCELLED", "start again"),
    ):
        assert state in rows[subject]
        assert option in rows[subject]
    assert f"job {cancelled} " in rows["sub-05"]
    assert "`sbatch_args`" in rows["sub-03"]
    lost = next(submitter.output.glob("logs/*_failed.txt")).read_text().split()
    assert lost == ["sub-03", "sub-04", "sub-05"]
    # The logs of these jobs only.
    logs = sorted(path.name.split("_")[1] for path in submitter.output.glob("logs/slurm-*"))
    assert [name[:18] for name in logs] == [f"deeptaskgen-{name}" for name in lost]
    maps = {name: content for name, content in results(submitter.output).items() if name.startswith("sub-0")}
    assert maps == {name: linear[name] for name in maps}
    assert len(maps) == sum(name.startswith("sub-0") for name in linear) // 2
    # One call of squeue per poll, for all jobs.
    times = [second for second, line in submitter.calls("squeue") if "--states=all" in line]
    minutes = (times[-1] - times[0]) / 60
    assert len(times) - 1 <= minutes * 12 + 1
    app = submitter.start()
    submitter.finish(app)
    assert results(submitter.output) == linear


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_cancels_its_jobs_and_no_job_writes_afterwards(submitter, linear, number):
    app = submitter.start(acts=" ".join(f"deeptaskgen-sub-0{i}-connectomes=sleep" for i in range(1, 7)))
    wait_until(submitter.running_jobs)
    app.signal(number)
    submitter.finish(app, code=143 if number == signal.SIGTERM else 130)
    time.sleep(10)
    assert leftovers(submitter.output) == []
    submitter.finish(submitter.start())
    assert results(submitter.output) == linear


def test_the_run_that_follows_a_killed_one_cancels_its_jobs(submitter, linear):
    app = submitter.start(acts=" ".join(f"deeptaskgen-sub-0{i}-connectomes=sleep" for i in range(1, 7)))
    wait_until(lambda: len(set(queue().values()) & submitter.names()) == 6)
    app.kill()
    earlier = submitter.names()
    assert set(queue().values()) & earlier
    submitter.finish(submitter.start())
    assert set(queue().values()) & earlier == set()
    assert results(submitter.output) == linear


def test_jobs_of_a_killed_run_do_not_create_its_removed_folder(submitter):
    app = submitter.start(acts="deeptaskgen-sub-01-connectomes=sleep")
    wait_until(lambda: len(submitter.names()) == 6 and submitter.running_jobs())
    app.kill()
    shutil.rmtree(submitter.output / "work")
    # Those that run end when they see it, and those that start do nothing.
    wait_until(lambda: len(set(queue().values()) & submitter.names()) <= 1)
    assert not (submitter.output / "work").exists()


def test_commands_that_fail_for_a_while_do_not_end_the_run(submitter, linear):
    (submitter.bin / "sbatch.failures").write_text("1\n2\n")
    (submitter.bin / "squeue.failures").write_text("1\n2\n3\n")
    words = submitter.finish(submitter.start())
    assert "Socket timed out" in words
    assert results(submitter.output) == linear
