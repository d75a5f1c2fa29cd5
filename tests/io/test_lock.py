"""The lock of a file that several processes change."""

import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io import lock as module
from bids_deeptaskgen.io.atomic import process_namespace, remove_stale_files
from bids_deeptaskgen.io.lock import file_lock
from tests.io.locks import leave_lock


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


def ended_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_lock_of_an_ended_process_is_taken_over_at_once(tmp_path):
    leave_lock(tmp_path / "table", ended_pid())
    start = time.monotonic()
    with file_lock(tmp_path / "table"):
        pass
    assert time.monotonic() - start < 10
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_does_not_change_hands_is_taken_over_later(tmp_path):
    leave_lock(tmp_path / "table", 1, "another-machine")
    start = time.monotonic()
    with file_lock(tmp_path / "table", max_held_s=0.3):
        assert time.monotonic() - start > 0.3
        (holder,) = (tmp_path / ".table.lock").iterdir()
        assert holder.name.endswith(f".{os.getpid()}")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_lock_of_a_process_that_was_killed_while_it_released_it_is_replaced(tmp_path):
    (tmp_path / ".table.lock").mkdir()
    with file_lock(tmp_path / "table", max_held_s=0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_taken_over_is_not_released_by_the_process_that_held_it(tmp_path):
    with file_lock(tmp_path / "table"):
        (holder,) = (tmp_path / ".table.lock").iterdir()
        holder.rename(holder.with_name("another"))
    assert [path.name for path in (tmp_path / ".table.lock").iterdir()] == ["another"]


def test_of_several_processes_one_takes_over_the_lock_of_an_ended_process(tmp_path, monkeypatch):
    """Another process is faster, just before this one renames the file of the ended process."""
    pid = ended_pid()
    leave_lock(tmp_path / "table", pid)
    lock = tmp_path / ".table.lock"
    rename = Path.rename
    holders = []

    def rename_late(path, target):
        if path.parent == lock and not holders:
            holders.append(rename(path, lock / f"2.{process_namespace()}.{os.getppid()}"))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_late)
    with file_lock(tmp_path / "table", max_held_s=0.3):
        assert len(holders) == 1
        assert not holders[0].exists()


def test_those_who_may_write_to_the_folder_may_take_over_the_lock(tmp_path):
    tmp_path.chmod(0o770)
    former = os.umask(0o077)
    try:
        with file_lock(tmp_path / "table"):
            assert (tmp_path / ".table.lock").stat().st_mode & 0o777 == 0o770
    finally:
        os.umask(former)


def test_a_lock_that_cannot_be_read_is_named_after_the_wait(tmp_path):
    # As unreadable as the folder of another user, whoever runs the test; earlier versions had a file.
    (tmp_path / ".table.lock").write_text("another-machine 1 1")
    with (
        pytest.raises(UserError, match=r"\.table\.lock: .* cannot be read or taken(?s:.*)delete the lock"),
        file_lock(tmp_path / "table", max_held_s=0.2),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".table.lock"]


@pytest.mark.parametrize("namespace", ["another-machine", None])
def test_a_lock_that_cannot_be_taken_over_is_named_after_the_wait(tmp_path, monkeypatch, namespace):
    rename = Path.rename

    def refuse(path, target):
        if path.parent.name == ".table.lock":
            raise PermissionError
        return rename(path, target)

    leave_lock(tmp_path / "table", 99999999, namespace)
    monkeypatch.setattr(Path, "rename", refuse)
    with (
        pytest.raises(UserError, match=r"\.table\.lock: .* cannot be read or taken over"),
        file_lock(tmp_path / "table", max_held_s=0.2),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".table.lock"]


@pytest.mark.parametrize("name", ["mkdir", "touch"])
def test_a_full_disk_leaves_no_lock_for_which_others_would_wait(tmp_path, monkeypatch, name):
    def refuse(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "folder").mkdir()
    with monkeypatch.context() as full:
        full.setattr(Path, name, refuse)
        with pytest.raises(OSError, match="No space"), file_lock(tmp_path / "table"):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_is_deleted_while_it_is_locked_is_named(tmp_path, monkeypatch):
    def delete(folder, holder):
        shutil.rmtree(tmp_path / "shared")
        fill(folder, holder)

    fill = module._fill
    monkeypatch.setattr(module, "_fill", delete)
    with (
        pytest.raises(UserError, match=f"{tmp_path / 'shared'}: this folder was deleted during the run"),
        file_lock(tmp_path / "shared" / "table.tsv"),
    ):
        pass


def test_a_request_that_a_file_server_reports_as_failed_is_recognised(tmp_path, monkeypatch):
    rename = Path.rename

    def rename_twice(path, target):
        rename(path, target)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_twice)
    with file_lock(tmp_path / "table", max_held_s=0.2):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_signal_between_the_two_steps_of_the_release_leaves_no_lock(tmp_path, monkeypatch):
    rmdir, calls = Path.rmdir, []

    def interrupted(path):
        if path.name == ".table.lock" and not calls:
            calls.append(path)
            raise KeyboardInterrupt
        rmdir(path)

    monkeypatch.setattr(Path, "rmdir", interrupted)
    with pytest.raises(KeyboardInterrupt), file_lock(tmp_path / "table"):
        pass
    assert len(calls) == 1
    assert list(tmp_path.iterdir()) == []


def test_who_waits_long_is_told_for_whom(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(module, "_TELL_AFTER_S", 0.1)
    leave_lock(tmp_path / "table", 7, "another-machine")
    with file_lock(tmp_path / "table", max_held_s=0.5):
        pass
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path / 'table'}: waiting for process 7 of another-machine, which")
    with file_lock(tmp_path / "table"):
        assert len(caplog.messages) == 1


@pytest.mark.parametrize("is_empty", [False, True])
def test_the_lock_of_an_ended_process_is_a_stale_file(tmp_path, is_empty):
    lock = tmp_path / "func" / ".table.lock"
    lock.parent.mkdir()
    leave_lock(lock.parent / "table", ended_pid())
    if is_empty:
        next(lock.iterdir()).unlink()
    assert remove_stale_files(tmp_path) == [lock]
    assert list(lock.parent.iterdir()) == []


def test_the_lock_of_a_running_process_or_of_another_machine_stays_for_a_day(tmp_path):
    leave_lock(tmp_path / "table", os.getpid())
    leave_lock(tmp_path / "foreign", 1, "another-machine")
    (tmp_path / "other.lock").mkdir()
    assert remove_stale_files(tmp_path) == []
    (holder,) = (tmp_path / ".foreign.lock").iterdir()
    os.utime(holder, (1, 1))
    assert remove_stale_files(tmp_path) == [tmp_path / ".foreign.lock"]


def test_a_lock_that_is_taken_over_while_it_is_removed_stays(tmp_path, monkeypatch):
    leave_lock(tmp_path / "table", ended_pid())
    lock, unlink = tmp_path / ".table.lock", Path.unlink

    def unlink_late(path, **options):
        path.rename(path.with_name(f"2.{process_namespace()}.{os.getpid()}"))
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", unlink_late)
    assert remove_stale_files(tmp_path) == []
    assert [path.name for path in lock.iterdir()] == [f"2.{process_namespace()}.{os.getpid()}"]
