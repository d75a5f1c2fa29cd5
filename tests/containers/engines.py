"""Container engines with the image to test: the commands that run in it as an unprivileged user.

The root file system and the inputs are read-only. There is no home folder and no capability. Docker gives no
network.
"""

import json
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.conditions import make_passable

# No user of an image has this number.
USER = 4242
# Far above what anything takes on a busy machine.
PATIENCE_S = 900


@dataclass(frozen=True)
class Engine:
    """An engine and its image.

    Attributes
    ----------
    name : str
        "docker" (also podman) or "apptainer".
    command : list of str
        Program, maybe with a prefix such as sudo.
    image : str
        Name of the image, or its file.
    """

    name: str
    command: list
    image: str

    @property
    def is_apptainer(self):
        return self.name == "apptainer"

    def run(self, words, *, read=(), write=(), binds=(), environment=None, network=False, is_joined=True):
        """Run words in the image.

        Parameters
        ----------
        words : sequence of str
            Program and arguments. The program "bids-deeptaskgen" is what the image runs by default.
        read, write : sequence of Path
            Folders, visible under the same paths.
        binds : sequence of str
            Further folders, as the engines write them: ``FOLDER:PLACE:ro``.
        environment : dict
        network : bool
            Let Docker use the network of this machine.
        is_joined : bool
            Join both streams of output.

        Returns
        -------
        subprocess.CompletedProcess
            Without `is_joined`, messages of the engine are in `stderr`.
        """
        # Here and not once: each start of pytest closes its folders to other users.
        for folder in (*read, *write, *(Path(bind.partition(":")[0]) for bind in binds)):
            make_passable(folder)
        modes = (("ro", read), ("rw", write))
        binds = [*binds, *(f"{path}:{path}:{mode}" for mode, paths in modes for path in paths)]
        variables = [f"{name}={value}" for name, value in (environment or {}).items()]
        start = self._apptainer if self.is_apptainer else self._docker
        return subprocess.run(
            start([str(word) for word in words], binds, variables, network=network),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if is_joined else subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            # A test must be able to write for any user.
            umask=0,
        )

    def _docker(self, words, binds, variables, *, network):
        program = [] if words[0] == "bids-deeptaskgen" else ["--entrypoint", words[0]]
        return [
            *self.command, "run", "--rm", "--pull", "never", "--network", "host" if network else "none",
            "--user", f"{USER}:{USER}", "--read-only", "--cap-drop", "all",
            "--security-opt", "no-new-privileges", "--security-opt", "label=disable",
            *(word for bind in binds for word in ("--volume", bind)),
            *(word for variable in variables for word in ("--env", variable)),
            *program, self.image, *words[1:],
        ]  # fmt: skip

    def _apptainer(self, words, binds, variables, *, network):
        program = ["run"] if words[0] == "bids-deeptaskgen" else ["exec"]
        return [
            *self.command, *program, "--containall", "--cleanenv", "--no-home",
            *(word for bind in binds for word in ("--bind", bind)),
            *(word for variable in variables for word in ("--env", variable)),
            self.image, *(words[1:] if program == ["run"] else words),
        ]  # fmt: skip

    def output_of(self, *words):
        """Run words in the image, which must succeed, and return their output without messages."""
        process = self.run(words, is_joined=False)
        assert process.returncode == 0, process.stderr
        return process.stdout

    def labels(self):
        """Read the labels of the image."""
        if self.is_apptainer:
            content = self._read_output("inspect", "--json", self.image)
            return json.loads(content)["data"]["attributes"]["labels"]
        return json.loads(
            self._read_output("image", "inspect", "--format", "{{json .Config.Labels}}", self.image)
        )

    def size(self):
        """Measure the size of the image in bytes: as installed for Docker, compressed for Apptainer."""
        if self.is_apptainer:
            return Path(self.image).stat().st_size
        return int(self._read_output("image", "inspect", "--format", "{{.Size}}", self.image))

    def _read_output(self, *words):
        return subprocess.run([*self.command, *words], capture_output=True, text=True, check=True).stdout


def find_engine(name):
    """Return an engine with its image.

    The environment variables ENGINE and IMAGE name the program and the image of Docker, APPTAINER and SIF
    those of Apptainer. A test fails if one of them does not exist.
    """
    if name == "docker":
        command, target = os.environ.get("ENGINE", "docker"), "make image"
        image = os.environ.get("IMAGE", "bids_deeptaskgen:latest")
    else:
        command, target = os.environ.get("APPTAINER", "apptainer"), "make sif"
        image = str(Path(os.environ.get("SIF", "bids_deeptaskgen.sif")).resolve())
    engine = Engine(name, shlex.split(command), image)
    if shutil.which(engine.command[0]) is None:
        pytest.fail(
            f"{engine.command[0]} was not found. Install it, or select tests, e.g. PYTEST_ARGS='-k docker'."
        )
    process = engine.run(["bids-deeptaskgen", "--version"])
    if process.returncode != 0:
        pytest.fail(f"The image {engine.image} does not start ({target} builds it):\n{process.stdout}")
    return engine
