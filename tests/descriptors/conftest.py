"""Boutiques and Nipoppy in an environment of their own, and an image. Without them, the slow tests fail.

DESCRIPTOR_TOOLS names the environment. ENGINE is docker (default), podman, apptainer or singularity, possibly
with a prefix; IMAGE is the name of the image, for apptainer and singularity its file.
"""

import os
import subprocess

import pytest

from tests.descriptors.tools import Engine, Tools, simulate, write_descriptors


@pytest.fixture(scope="session")
def tools(tmp_path_factory):
    """Return the programs of the environment."""
    return Tools.find(tmp_path_factory.mktemp("tools"))


@pytest.fixture(scope="session")
def engine(tools):
    """Return the engine, with an image that starts."""
    engine = Engine.find(tools.home)
    process = subprocess.run(engine.command("--version"), capture_output=True, text=True, check=False)
    if process.returncode != 0:
        pytest.fail(
            f"The image {engine.image} does not start with '{' '.join(engine.words)}'. Build it (make image, "
            f"make sif), or name another one with IMAGE or SIF.\n{process.stderr[-1000:]}"
        )
    return engine


@pytest.fixture(scope="session")
def descriptors(tmp_path_factory, engine):
    """Return the folder of descriptors that name the tested image."""
    return write_descriptors(tmp_path_factory.mktemp("descriptors"), engine.image)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Return derivatives of two participants without sessions."""
    return simulate(tmp_path_factory.mktemp("data") / "fmriprep", "--n-sessions", "1")


@pytest.fixture(scope="session")
def session_data(tmp_path_factory):
    """Return derivatives of two participants with two sessions."""
    return simulate(tmp_path_factory.mktemp("data") / "fmriprep", "--n-sessions", "2")


def pytest_report_header():
    engine, image = os.environ.get("ENGINE", "docker"), os.environ.get("IMAGE", "none")
    return f"containers: engine {engine}, image {image} (only for slow tests)"
