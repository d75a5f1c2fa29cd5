"""Fits in processes of their own, and whether two of them ended alike."""

import os
import subprocess
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]


def run_script(what, folder):
    """Start a fit in a process of its own; the processes of a training talk over loopback."""
    changes = {"PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.training.run_fit", what, str(folder)]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | changes, capture_output=True, text=True, timeout=120, check=False
    )


def same_states(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)
