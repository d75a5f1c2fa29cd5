"""A lock whose holder is killed again and again never has two holders."""

import multiprocessing
import os
import signal
import time

import pytest

from bids_deeptaskgen.io.lock import file_lock
from tests.processes import PATIENCE_S

PROCESSES = multiprocessing.get_context("fork")
N_PROCESSES, N_KILLS = 16, 100


def hold_often(folder):
    """Note the process that holds the lock, and each process that held it at the same time."""
    note = folder / "holder"
    while True:
        with file_lock(folder / "table"):
            pid = note.read_text() if note.exists() else ""
            if pid and _is_running(int(pid)):
                (folder / f"second-{os.getpid()}").write_text(pid)
            note.write_text(str(os.getpid()))
            time.sleep(0.002)
            note.unlink(missing_ok=True)


def _is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - no path object in a loop of milliseconds
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def start(folder):
    process = PROCESSES.Process(target=hold_often, args=(folder,), daemon=True)
    process.start()
    return process


@pytest.mark.slow
def test_a_lock_whose_holder_is_killed_never_has_two_holders(tmp_path):
    processes = {process.pid: process for process in (start(tmp_path) for _ in range(N_PROCESSES))}
    n_kills, end = 0, time.monotonic() + PATIENCE_S
    while n_kills < N_KILLS:
        assert time.monotonic() < end
        time.sleep(0.01)
        try:
            holder = int((tmp_path / "holder").read_text())
        except (FileNotFoundError, ValueError):
            continue
        if process := processes.pop(holder, None):
            os.kill(holder, signal.SIGKILL)
            process.join(PATIENCE_S)
            n_kills += 1
            new_process = start(tmp_path)
            processes[new_process.pid] = new_process
    for process in processes.values():
        process.kill()
        process.join(PATIENCE_S)
    assert list(tmp_path.glob("second-*")) == []
    with file_lock(tmp_path / "table"):
        pass
    assert not (tmp_path / ".table.lock").exists()
