"""On a machine without a GPU, `make test-gpu` fails and says what it needs."""

import os
import subprocess
import sys

from tests.processes import ROOT


def test_tests_of_a_gpu_fail_where_there_is_none():
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-m",
        "slow",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "tests/gpu/test_maps.py",
    ]
    command += ["-k", "second_prediction"]
    variables = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 error" in done.stdout
    assert "found no GPU. These tests need an NVIDIA GPU" in done.stdout
    assert "passed" not in done.stdout
