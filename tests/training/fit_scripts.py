"""Helpers that run fits in separate processes and compare their states."""

import os
import subprocess
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]


def run_script(script, folder):
    """Run a fit in a separate process; the processes of a training communicate over loopback."""
    changes = {"PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.training.run_fit", script, str(folder)]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | changes, capture_output=True, text=True, timeout=120, check=False
    )


def same_states(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)
