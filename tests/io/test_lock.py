"""The lock of a file that several processes change."""

import errno
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import process_namespace
from bids_deeptaskgen.io.lock import file_lock


def count_up(path, n_times):
    """Read a number, add 1 and write it."""
    for _ in range(n_times):
        with file_lock(path):
            number = int(path.read_text())
            time.sleep(0.001)
            path.write_text(str(number + 1))


def test_no_change_of_a_process_is_lost(tmp_path):
    path = tmp_path / "number"
    path.write_text("0")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=count_up, args=(path, 20)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert path.read_text() == "60"
    assert [file.name for file in tmp_path.iterdir()] == ["number"]


def test_the_lock_is_released_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), file_lock(tmp_path / "table"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_an_ended_process_is_taken_over_at_once(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (tmp_path / ".table.lock").write_text(f"{process_namespace()} {process.pid} 1")
    start = time.monotonic()
    with file_lock(tmp_path / "table"):
        pass
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("owner", ["another-machine 1 1", ""])
def test_a_lock_that_does_not_change_hands_is_taken_over_later(tmp_path, owner):
    (tmp_path / ".table.lock").write_text(owner)
    start = time.monotonic()
    with file_lock(tmp_path / "table", max_held_s=0.3):
        assert time.monotonic() - start > 0.3
        assert str(os.getpid()) in (tmp_path / ".table.lock").read_text()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_cannot_be_read_is_named_after_the_wait(tmp_path):
    # As unreadable as the file of another user, whoever runs the test.
    (tmp_path / ".table.lock").mkdir()
    with (
        pytest.raises(UserError, match=r"\.table\.lock: .* cannot be read or removed(?s:.*)delete the lock"),
        file_lock(tmp_path / "table", max_held_s=0.2),
    ):
        pass


@pytest.mark.parametrize("owner", ["another-machine 1 1", f"{process_namespace()} 99999999 1"])
def test_a_lock_that_cannot_be_removed_is_named_after_the_wait(tmp_path, monkeypatch, owner):
    def refuse(*_):
        raise PermissionError

    (tmp_path / ".table.lock").write_text(owner)
    monkeypatch.setattr(Path, "rename", refuse)
    with (
        pytest.raises(UserError, match=r"\.table\.lock: .* cannot be read or removed"),
        file_lock(tmp_path / "table", max_held_s=0.2),
    ):
        pass
    assert (tmp_path / ".table.lock").read_text() == owner


def test_a_full_disk_leaves_no_lock_for_which_others_would_wait(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "write", refuse)
        with pytest.raises(OSError, match="No space"), file_lock(tmp_path / "table"):
            pass
    assert not list(tmp_path.iterdir())
