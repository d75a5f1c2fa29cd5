"""A real Slurm, and Apptainer or its stand-in. Without a Slurm, the tests fail: they never pass unseen.

SIF names the image to test; without it, a stand-in for Apptainer runs this checkout.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def pytest_report_header():
    image = os.environ.get("SIF")
    if not image:
        return "containers: stand-in for Apptainer, which runs this checkout (SIF=file tests an image)"
    version = subprocess.run(["apptainer", "--version"], capture_output=True, text=True, check=False).stdout
    return f"containers: {version.strip()} with the image {image}"


@pytest.fixture(scope="session")
def slurm():
    """Check that Slurm accepts jobs."""
    if shutil.which("sbatch") is None:
        pytest.fail("Slurm was not found (no sbatch on the PATH). Run these tests on a node of a cluster.")
    process = subprocess.run(["sinfo"], capture_output=True, text=True, check=False)
    if process.returncode != 0:
        pytest.fail(f"Slurm does not answer (sinfo): {process.stderr.strip()}")


@pytest.fixture(scope="session")
def image():
    """Return the image of the program, None without one."""
    name = os.environ.get("SIF")
    if name and not Path(name).is_file():
        pytest.fail(f"The image SIF={name} does not exist. Build it: make sif")
    if name and shutil.which("apptainer") is None:
        pytest.fail("Apptainer was not found. Install it, or test without SIF.")
    return Path(name).resolve() if name else None
