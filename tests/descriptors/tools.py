"""Programs of the environment of Boutiques and Nipoppy, and the engine that runs the image."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from bids_deeptaskgen.models.store import embedded_bundle
from tests.processes import ROOT

# The shortest series that the program accepts by default is 4 minutes; these have 4.3.
_SIMULATION = ("--n-participants", "2", "--n-volumes", "130", "--no-statmaps")
WORKBENCH = "import sys; from bids_deeptaskgen.cli.workbench import main; sys.exit(main())"


class Outcome(NamedTuple):
    """Exit code and output of a program."""

    code: int
    text: str


class Tools(NamedTuple):
    """Environment with bosh and nipoppy.

    Attributes
    ----------
    folder : Path
        Of its programs.
    home : Path
        Home folder, where both programs write.
    """

    folder: Path
    home: Path

    @classmethod
    def find(cls, home):
        """Find the environment of ``$DESCRIPTOR_TOOLS``."""
        name = os.environ.get("DESCRIPTOR_TOOLS", "DESCRIPTOR_TOOLS is not set")
        folder = Path(name, "bin")
        if not all((folder / program).is_file() for program in ("bosh", "nipoppy")):
            pytest.fail(
                f"No environment with bosh and nipoppy was found ({name}). Run these tests by "
                "make test-descriptors."
            )
        return cls(folder, home)

    def run(self, *words, engine=None, cwd=None):
        """Run a program of the environment; return its outcome.

        Parameters
        ----------
        words : sequence of str or Path
        engine : Engine or None
            Engine that the program finds on the PATH.
        cwd : Path or None
        """
        folders = [self.folder, *([engine.folder] if engine else []), *os.environ["PATH"].split(os.pathsep)]
        # Lines that are not broken.
        variables = os.environ | {"HOME": str(self.home), "COLUMNS": "1000"}
        variables |= {"PATH": os.pathsep.join(map(str, folders))}
        # The packages of this environment must not hide those of the other one.
        variables.pop("PYTHONPATH", None)
        process = subprocess.run(
            [str(self.folder / words[0]), *map(str, words[1:])],
            env=variables,
            cwd=cwd or self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Outcome(process.returncode, process.stdout)

    def succeed(self, *words, engine=None, cwd=None):
        """Run a program that must succeed; return its output."""
        outcome = self.run(*words, engine=engine, cwd=cwd)
        assert outcome.code == 0, f"{words}\n{outcome.text[-4000:]}"
        return outcome.text


class Engine(NamedTuple):
    """Program that runs an image.

    Attributes
    ----------
    words : sequence of str
        Start of its command line.
    image : str
        Name of the image, or its file.
    folder : Path
        With a program ``docker`` or ``apptainer`` that starts the engine: the tools know no other names.
    """

    words: list[str]
    image: str
    folder: Path

    @property
    def runs_files(self):
        """Return whether the image is a file."""
        return Path(self.words[-1]).name in ("apptainer", "singularity")

    @property
    def kind(self):
        """Return the name of the engine in Nipoppy's configuration."""
        return "apptainer" if self.runs_files else "docker"

    @classmethod
    def find(cls, folder):
        """Find the engine of ``$ENGINE`` and the image of ``$IMAGE``."""
        words = shlex.split(os.environ.get("ENGINE") or "docker")
        program = shutil.which(words[0])
        if program is None:
            pytest.fail(f"The engine {words[0]} was not found. Install it, or name another one with ENGINE.")
        engine = cls(
            [program, *words[1:]], os.environ.get("IMAGE") or "bids_deeptaskgen:latest", folder / "engine"
        )
        if engine.runs_files:
            if not Path(engine.image).is_file():
                pytest.fail(f"The image {engine.image} does not exist. Build it: make sif")
            engine = engine._replace(image=str(Path(engine.image).resolve()))
        path = engine.folder / engine.kind
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec {shlex.join(engine.words)} "$@"\n')
        path.chmod(0o755)
        return engine

    def command(self, *arguments):
        """Return the command line that starts the program of the image."""
        if self.runs_files:
            return [*self.words, "run", "--cleanenv", self.image, *arguments]
        return [*self.words, "run", "--rm", "--pull", "never", self.image, *arguments]

    @property
    def launch_options(self):
        """Return the options of ``bosh exec launch``."""
        if self.runs_files:
            return ["--imagepath", self.image, "--force-apptainer"]
        return ["--no-pull", "--user"]


def run_workbench(*words):
    """Run ``deeptaskgen`` of this checkout."""
    command = [sys.executable, "-c", WORKBENCH, *map(str, words)]
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-2000:]


def simulate(folder, *options):
    """Simulate derivatives; return their folder."""
    run_workbench("simulate", folder, *_SIMULATION, *options)
    return folder


def copy_model(home):
    """Copy the embedded model to the models of a folder; return its name there."""
    shutil.copytree(embedded_bundle(), home / "models" / "copy")
    return "copy"


def write_descriptors(folder, image):
    """Write the descriptors for an image; return their folder."""
    command = [sys.executable, "-m", "scripts.descriptors", "--folder", folder, "--image", image]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def write_json(path, content):
    """Write a JSON file; return its path."""
    path.write_text(json.dumps(content), "utf-8")
    return path
