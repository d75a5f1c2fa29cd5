"""The scripts of docs/cluster with paths of this machine, and the jobs that they submit."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.processes import ROOT, SMALL, results

SCRIPTS = ROOT / "docs" / "cluster"
# Other jobs may occupy the node.
PATIENCE_S = 900
ACTIVE = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED", "SUSPENDED"}
# The resources of each job, since the node of the tests is small.
RESOURCES = {"cpus-per-task": "1", "mem": "1500M", "time": "00:10:00"}


class Cluster:
    """A folder with edited scripts, as that of a user, and an output dataset.

    Parameters
    ----------
    folder : Path
        New folder.
    derivatives, model : Path
    image : Path or None
        SIF of the program; None runs this checkout by a stand-in for Apptainer.
    """

    def __init__(self, folder, derivatives, model, image):
        self.folder, self.output, self.scratch = folder, folder / "out", folder / "scratch"
        shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("*.md"))
        self.scratch.mkdir()
        self._jobs = []
        self._write_apptainer(image)
        self.edit(
            "settings.sh",
            IMAGE=image or self._stand_in_image(),
            DERIVATIVES=derivatives,
            OUTPUT=self.output,
            MODEL=model,
            OPTIONS=f"({shlex.join(SMALL)})",
            SCRATCH=self.scratch,
        )
        self.edit("store.sh", STORE=folder / "store")
        for script in folder.glob("*.sh"):
            self._shrink(script)

    def _write_apptainer(self, image):
        """Write a program apptainer that runs images with the extension sh, and others by Apptainer."""
        programs = self.folder / "bin"
        programs.mkdir()
        stand_in = shlex.join([sys.executable, str(Path(__file__).with_name("stand_in.py"))])
        real = f'exec {shutil.which("apptainer")} "$@"' if image else f'exec {stand_in} "$@"'
        program = programs / "apptainer"
        program.write_text(f'#!/bin/bash\ncase " $* " in *.sh\\ *) exec {stand_in} "$@" ;; esac\n{real}\n')
        program.chmod(0o755)
        path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}

    def _stand_in_image(self):
        path = self.folder / "deeptaskgen_image.sh"
        path.write_text("# The stand-in for Apptainer runs commands of this image from the checkout.\n")
        return path

    def _shrink(self, script):
        """Request few resources of the only partition, whatever the script requests."""
        text = script.read_text("utf-8")
        for name, value in RESOURCES.items():
            text = re.sub(rf"--{name}=\S+", f"--{name}={value}", text)
        script.write_text(re.sub(r"--partition=\S+ ", "", text), "utf-8")

    def edit(self, script, **variables):
        """Give variables of a script other values, as its user does."""
        path = self.folder / script
        text = path.read_text("utf-8")
        for name, value in variables.items():
            text, n = re.subn(rf"(?m)^{name}=.*$", lambda _: f"{name}={value}", text)  # noqa: B023
            assert n == 1, f"{script} has {n} lines that set {name}"
        path.write_text(text, "utf-8")

    def insert(self, script, line, *, ahead_of):
        """Insert a line into a script."""
        path = self.folder / script
        text = path.read_text("utf-8")
        assert text.count(ahead_of) == 1
        path.write_text(text.replace(ahead_of, f"{line}\n{ahead_of}"), "utf-8")

    def call(self, *words, **variables):
        """Run a command in the folder."""
        process = subprocess.run(
            [str(word) for word in words],
            cwd=self.folder,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        self._jobs += re.findall(r"(?m)(?:^|job )(\d+)\b", process.stdout)
        return process

    def cancel(self):
        """Cancel the jobs that have not ended."""
        for job in {*self._jobs}:
            self.call("scancel", "--quiet", job)

    def submit(self, *words, **variables):
        """Run a command that prints the number of a job, and return this number."""
        process = self.call(*words, **variables)
        assert process.returncode == 0, process.stdout + process.stderr
        assert re.fullmatch(r"\d+\n", process.stdout), process.stdout + process.stderr
        return process.stdout.strip()

    def direct(self, command, options=""):
        """Run a command in the container without Slurm, and return its output."""
        script = f'source ./settings.sh; "${{APPTAINER[@]}}" {options} "$IMAGE" {command}'
        process = self.call("bash", "-euc", script)
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout

    def states(self, job):
        """Return the state of each task of a job, by its name such as 7_1; pending tasks are in one row."""
        words = "squeue --noheader --states=all --array --format=%i|%T --jobs"
        process = self.call(*words.split(), job)
        if process.returncode != 0 and "Invalid job id" not in process.stderr:
            return {job: "PENDING"}  # the controller is busy
        rows = dict(line.split("|") for line in process.stdout.splitlines())
        words = "sacct --allocations --noheader --parsable2 --format=JobID,State%40 --jobs"
        process = self.call(*words.split(), job)
        assert process.returncode == 0, f"Slurm has no accounting, which these tests need: {process.stderr}"
        for line in process.stdout.splitlines():
            name, state = line.split("|")
            # The queue forgets a task some minutes after its end; the accounting is some seconds late.
            rows.setdefault(name, state.split()[0])
        return rows

    def wait(self, job, *, until=None):
        """Wait until all tasks of a job have ended, or `until` holds of their states; return the states."""
        until = until or (lambda rows: rows and not set(rows.values()) & ACTIVE)
        end = time.monotonic() + PATIENCE_S
        while not until(rows := self.states(job)):
            assert time.monotonic() < end, f"job {job}: {rows}\n{self.logs()}"
            time.sleep(1)
        return rows

    def finish(self, job, *states):
        """Wait for the end of a job, and check the states of its tasks."""
        rows = self.wait(job)
        expected = {"COMPLETED"} if not states else set(states)
        assert set(rows.values()) == expected, f"{rows}\n{self.logs()}"
        return rows

    def results(self):
        """Read the files of the output dataset, as `tests.processes.results`, but only the names of links.

        The page of the group states when it was made.
        """
        contents = {name: content for name, content in results(self.output).items() if name != "group.html"}
        description = json.loads(contents["dataset_description.json"])
        description["DatasetLinks"] = sorted(description["DatasetLinks"])
        return contents | {"dataset_description.json": json.dumps(description).encode()}

    def logs(self):
        """Join the logs of all jobs."""
        files = sorted((self.folder / "slurm_logs").glob("*-*_*.txt"))
        return "\n".join(f"--- {file.name}\n{file.read_text('utf-8')}" for file in files)
