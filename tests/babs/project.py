"""A user's project of BABS: datasets of input and image, an edited descriptor, the steps of its page."""

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tests.babs.descriptors import LEVELS, edited_descriptor
from tests.processes import ROOT
from tests.slurm import stand_in

# Other jobs may occupy the node.
PATIENCE_S = 900
# The node of the tests is small.
RESOURCES = {"number_of_cpus": "1", "hard_memory_limit": "1500M", "hard_runtime_limit": "00:20:00"}
# Seen when several jobs copied the same image at the same time.
FAILED_COPY = "get(error)"
IDENTITY = "[user]\n\tname = Test\n\temail = test@example.org\n"


class Project:
    """A folder with everything that a user of BABS has.

    Parameters
    ----------
    folder : Path
        New folder.
    fmriprep, models : Path
        Output of fMRIPrep, and the folder for DEEPTASKGEN_HOME.
    tools : Path
        Folder of the programs babs, datalad and git-annex.
    image : Path or None
        SIF of the program; None runs this checkout by a stand-in for Apptainer.
    level : {"participant", "session"}
    is_zipped : bool
        Whether the input is zipped.
    name : str
        Name of the container.
    """

    def __init__(self, folder, fmriprep, models, *, tools, image, level, is_zipped, name):
        self.folder, self.level, self.name = folder, level, name
        self.analysis = folder / "project" / "analysis"
        self._fmriprep, self._models, self._tools, self._is_zipped = fmriprep, models, tools, is_zipped
        folder.mkdir(parents=True)
        self._write_environment(image)
        self.image = image or self._stand_in_image()
        self.descriptor = self._edit_descriptor()

    def _write_environment(self, image):
        """Write the program singularity and the home of a user with an identity for git."""
        programs, home = self.folder / "bin", self.folder / "home"
        programs.mkdir()
        home.mkdir()
        (home / ".gitconfig").write_text(IDENTITY, "utf-8")
        python = shlex.quote(sys.executable)
        # The variables of the checkout do not enter the environment of BABS.
        exports = f"export PATH={Path(python).parent}:$PATH PYTHONPATH={ROOT}"
        command = (
            f"exec {shutil.which('apptainer')}" if image else f"{exports}\nexec {python} {stand_in.__file__}"
        )
        program = programs / "singularity"
        program.write_text(f'#!/bin/bash\n{command} "$@"\n', "utf-8")
        program.chmod(0o755)
        self._variables = {"PATH": f"{programs}:{self._tools}:{os.environ['PATH']}", "HOME": str(home)}
        unset = {"PYTHONPATH", "TEMPLATEFLOW_HOME", "DEEPTASKGEN_HOME"}
        self._environment = {key: value for key, value in os.environ.items() if key not in unset}
        self._environment |= {"USER": os.environ.get("USER", "root")} | self._variables

    def _stand_in_image(self):
        path = self.folder / "deeptaskgen_image.sh"
        path.write_text('exec bids-deeptaskgen "$@"\n', "utf-8")
        return path

    def _edit_descriptor(self):
        """Change the lines with the comment edit, as a user does, and request few resources."""
        descriptor = edited_descriptor(self.level, is_zipped=self._is_zipped)
        descriptor["input_datasets"]["fmriprep"]["origin_url"] = str(self.folder / "input")
        descriptor["singularity_args"] = [
            re.sub(r"^-B [^:]+:", f"-B {self._models}:", flag) for flag in descriptor["singularity_args"]
        ]
        exports = [f"export {key}={shlex.quote(value)}" for key, value in self._variables.items()]
        descriptor["script_preamble"] = "\n".join(exports)
        scratch = self.folder / "scratch"
        scratch.mkdir()
        descriptor["job_compute_space"] = str(scratch)
        descriptor["cluster_resources"] |= RESOURCES
        return descriptor

    def call(self, *words, folder=None):
        """Run a program in the user's environment and return its output."""
        process = subprocess.run(
            [str(word) for word in words],
            cwd=folder or self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, f"{shlex.join(map(str, words))}\n{process.stdout}\n{process.stderr}"
        return process.stdout

    def init(self):
        """Create the datasets of input and image, and the project."""
        self._create_input()
        self._create_image()
        path = self.folder / "descriptor.yaml"
        path.write_text(yaml.safe_dump(self.descriptor, sort_keys=False), "utf-8")
        datasets = ("--container_ds", self.folder / "images", "--container_name", self.name)
        options = (*datasets, "--container_config", path, "--processing_level", LEVELS[self.level])
        return self.call("babs", "init", *options, "--queue", "slurm", self.analysis.parent)

    def _create_input(self):
        dataset = self.folder / "input"
        self.call("datalad", "create", dataset)
        if self._is_zipped:
            for name, paths in self._zips().items():
                self.call("7z", "a", dataset / name, *paths, folder=self._fmriprep.parent)
        else:
            shutil.copytree(self._fmriprep, dataset, dirs_exist_ok=True)
        self.call("datalad", "save", "--dataset", dataset, "--message", "Add the output of fMRIPrep")

    def _zips(self):
        """Return the content of the zip files of fMRIPrep's jobs by name."""
        root = self._fmriprep
        description = f"{root.name}/dataset_description.json"
        pattern = "sub-*" if self.level == "participant" else "sub-*/ses-*"
        folders = [path.relative_to(root) for path in sorted(root.glob(pattern))]
        return {
            f"{'_'.join(folder.parts)}_fmriprep-25-0-0.zip": (description, f"{root.name}/{folder}")
            for folder in folders
        }

    def _create_image(self):
        dataset = self.folder / "images"
        self.call("datalad", "create", dataset)
        self.call("datalad", "containers-add", "--dataset", dataset, "--url", self.image, self.name)

    def app_command(self):
        """Return the words behind the image in the script that BABS wrote, with variables of bash."""
        script = (self.analysis / "code" / f"{self.name}_zip.sh").read_text("utf-8").replace("\\\n", " ")
        (command,) = re.findall(r"(?m)^singularity run (.*)$", script)
        return shlex.split(command.partition('/image"')[2])

    def singularity_flags(self):
        """Return the words between ``singularity run`` and the image in the script that BABS wrote."""
        script = (self.analysis / "code" / f"{self.name}_zip.sh").read_text("utf-8").replace("\\\n", " ")
        (command,) = re.findall(r"(?m)^singularity run (.*)$", script)
        return shlex.split(command.partition('"containers/')[0])

    def run_jobs(self):
        """Check the project, submit one job, then all others; return the table of BABS about them.

        Jobs that git-annex failed to copy their inputs for are submitted again, as its page advises.
        """
        self.call("babs", "check-setup", self.analysis.parent, "--job-test")
        for options in (("--count", "1"), (), (), ()):
            self.call("babs", "submit", self.analysis.parent, *options)
            self._wait(self.job())
            self.call("babs", "status", self.analysis.parent)
            rows = self._table("job_status.csv")
            failed = [row for row in rows if row["has_results"] != "True" and row["submitted"] == "True"]
            for row in failed:
                (log,) = (self.analysis / "logs").glob(f"*.o{row['job_id']}_{row['task_id']}")
                assert FAILED_COPY in log.read_text("utf-8"), f"{row}\n{self.logs()}"
            if not failed and all(row["has_results"] == "True" for row in rows):
                break
        return rows

    def _wait(self, job):
        end = time.monotonic() + PATIENCE_S
        while self.call("squeue", "--noheader", "--me", "--format=%A").split().count(job):
            assert time.monotonic() < end, f"job {job} has not ended:\n{self.logs()}"
            time.sleep(1)

    def job(self):
        """Return the number of the submitted array, None if nothing was submitted."""
        rows = self._table("job_submit.csv") if (self.analysis / "code" / "job_submit.csv").exists() else []
        return next((row["job_id"] for row in rows if row.get("job_id")), None)

    def _table(self, name):
        with (self.analysis / "code" / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def cancel(self):
        """Cancel the jobs that have not ended, and make the files of git-annex removable."""
        if job := self.job():
            self.call("scancel", "--quiet", job)
        self.call("chmod", "--recursive", "u+w", self.folder)

    def merge(self):
        """Merge the results, fetch and unpack them all into one folder, and return the dataset."""
        root, results, merged = self.analysis.parent, self.folder / "results", self.folder / "merged"
        self.call("babs", "merge", root)
        self.call("datalad", "clone", f"ria+file://{root}/output_ria#~data", results)
        names = sorted(path.name for path in results.glob("*_deeptaskgen-*.zip"))
        self.call("datalad", "get", *names, folder=results)
        for name in names:
            self.call("7z", "x", "-aoa", f"-o{merged}", name, folder=results)
        return merged / "deeptaskgen"

    def app(self, *words):
        """Run the program of the image without BABS."""
        flags = [word for flag in self.descriptor["singularity_args"] for word in shlex.split(flag)]
        return self.call(
            "singularity", "run", "-B", self.folder, "-B", self._fmriprep, *flags, self.image, *words
        )

    def logs(self):
        """Join the ends of the logs of all jobs."""
        files = sorted((self.analysis / "logs").glob("*"))
        return "\n".join(f"--- {path.name}\n{path.read_text('utf-8')[-3000:]}" for path in files)
