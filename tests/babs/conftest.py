"""Participants with sessions, the models, and the tools of the slow tests, which fail if a tool is absent.

BABS names the environment of `make test-babs`, and SIF the image to test; without an image, a stand-in for
Apptainer runs this checkout.
"""

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import small_dataset
from tests.slurm.conftest import image, pytest_report_header, slurm  # noqa: F401

N_PARTICIPANTS, N_SESSIONS = 2, 2
# Programs of the environment, then those of the system with their Debian packages.
FROM_PIP = ("babs", "datalad", "git-annex")
FROM_SYSTEM = {"7z": "p7zip-full", "git": "git", "flock": "util-linux"}


@pytest.fixture(scope="session")
def fmriprep(tmp_path_factory):
    """Simulate participants with two sessions."""
    folder = tmp_path_factory.mktemp("sessions") / "fmriprep"
    return small_dataset(folder, n_participants=N_PARTICIPANTS, n_sessions=N_SESSIONS, n_volumes=30)


@pytest.fixture(scope="session")
def models(model, tmp_path_factory):
    """Write a folder for DEEPTASKGEN_HOME, in which the small model has the name of the descriptors."""
    home = tmp_path_factory.mktemp("models_home")
    shutil.copytree(model, home / "models" / "hcp-ya")
    return home


@pytest.fixture(scope="session")
def tools():
    """Return the folder of BABS and its tools."""
    folder = Path(os.environ.get("BABS", ".venv-babs")).absolute() / "bin"
    for name in FROM_PIP:
        if not (folder / name).is_file():
            pytest.fail(
                f"{name} was not found in {folder}. Run these tests by make test-babs, which installs it."
            )
    for name, package in FROM_SYSTEM.items():
        if shutil.which(name) is None:
            pytest.fail(f"{name} was not found on the PATH. On Debian and Ubuntu, run: apt install {package}")
    return folder
