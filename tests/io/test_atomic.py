"""Atomic writing of files and removal of stale temporary files."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from bids_deeptaskgen.io.atomic import (
    FOREIGN_AGE_S,
    atomic_path,
    is_stale,
    make_folder,
    process_namespace,
    remove_stale_files,
    write_json,
    write_text,
)

ROOT = Path(__file__).parents[2]
WRITE_OFTEN = """
import sys
from pathlib import Path
from bids_deeptaskgen.io.atomic import write_json
path, number = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
for turn in range(150):
    write_json(path, {"writer": number, "turn": turn, "filler": "x" * 50_000})
"""
STOP_HALF_WAY = """
import sys, time
from pathlib import Path
from bids_deeptaskgen.io.atomic import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def start(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout.readline() == b"ready\n"
    return process


def test_a_file_exists_after_the_block_and_its_folder_is_created(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("content")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "content"
    assert names_in(path.parent) == ["file.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_exception_the_file_is_unchanged_and_no_other_file_remains(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with suppress(error), atomic_path(path) as temporary:
        temporary.write_text("ne")
        raise error
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["file.txt"]


def test_unchanged_content_is_not_written(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "ä\n")
    assert path.read_bytes() == "ä\n".encode()
    os.utime(path, ns=(1, 1))
    write_text(path, "ä\n")
    assert path.stat().st_mtime_ns == 1
    write_text(path, "b\n")
    assert path.read_text() == "b\n"


def test_permissions_follow_the_umask(tmp_path):
    umask = os.umask(0o027)
    try:
        write_text(tmp_path / "file.txt", "x")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "file.txt").stat().st_mode) == 0o640


def test_equal_content_gives_equal_json_and_nan_is_refused(tmp_path):
    content = {"b": 1, "a": [1.5, None, True, "µ"]}
    write_json(tmp_path / "a.json", content)
    write_json(tmp_path / "b.json", dict(content))
    text = (tmp_path / "a.json").read_text("utf-8")
    assert text == (tmp_path / "b.json").read_text("utf-8")
    assert text.endswith("}\n")
    assert list(json.loads(text)) == ["b", "a"]
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert (tmp_path / "a.json").read_text("utf-8") == text


def test_readers_never_see_a_partial_file_during_concurrent_writes(tmp_path):
    path = tmp_path / "shared.json"
    writers = [start(WRITE_OFTEN, path, number) for number in range(3)]
    n_read = 0
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            assert len(json.loads(path.read_text("utf-8"))["filler"]) == 50_000
            n_read += 1
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert n_read > 10
    assert names_in(tmp_path) == ["shared.json"]


def test_only_temporary_files_of_ended_processes_are_removed(tmp_path):
    killed, running = tmp_path / "sub-01" / "killed.nii.gz", tmp_path / "sub-02" / "running.nii.gz"
    processes = [start(STOP_HALF_WAY, killed), start(STOP_HALF_WAY, running)]
    try:
        processes[0].send_signal(signal.SIGKILL)
        processes[0].wait()
        assert not killed.exists()
        assert len(names_in(killed.parent)) == 1
        removed = remove_stale_files(tmp_path)
        assert [path.parent for path in removed] == [killed.parent]
        assert names_in(killed.parent) == []
        assert len(names_in(running.parent)) == 1
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_temporary_files_of_other_machines_are_removed_after_a_day(tmp_path):
    fresh, stale = tmp_path / ".a.json.node7-1.99999.tmp", tmp_path / ".b.json.node7-1.99999.tmp"
    for path in (fresh, stale):
        path.write_text("x")
    past = time.time() - FOREIGN_AGE_S - 60
    os.utime(stale, (past, past))
    assert remove_stale_files(tmp_path) == [stale]
    assert fresh.exists()


def test_stale_temporary_folders_are_removed_and_other_folders_stay(tmp_path):
    names = [".model.node7-1.99999.tmp", "model"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text("x")
        os.utime(tmp_path / name, (0, 0))
    assert remove_stale_files(tmp_path, recursive=False) == [tmp_path / names[0]]
    assert names_in(tmp_path) == ["model"]
    assert names_in(tmp_path / "model") == ["weights"]


def test_other_files_that_end_in_tmp_stay(tmp_path):
    names = [".hidden.tmp", "x.tmp", ".a.b.c.tmp", "sub-01.node-1.123.tmp"]
    for name in names:
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (0, 0))
    assert remove_stale_files(tmp_path) == []
    assert remove_stale_files(tmp_path / "absent") == []


def test_subfolders_are_searched_only_on_request(tmp_path):
    names = [".a.json.node7-1.99999.tmp", "sub-01/.b.json.node7-1.99999.tmp"]
    (tmp_path / "sub-01").mkdir()
    for name in names:
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (0, 0))
    assert remove_stale_files(tmp_path, recursive=False) == [tmp_path / names[0]]
    assert remove_stale_files(tmp_path) == [tmp_path / names[1]]


def test_an_ended_process_is_stale_before_its_parent_waits_for_it():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert not is_stale(process_namespace(), process.pid, 0)
    process.kill()
    # Its number is still in use, and sending a signal raises no error.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    os.kill(process.pid, 0)
    assert is_stale(process_namespace(), process.pid, time.time())
    process.wait()
    assert is_stale(process_namespace(), process.pid, time.time())


def test_a_failed_write_names_the_final_file(tmp_path):
    path = tmp_path / "sub-01.nii.gz"
    with pytest.raises(OSError, match=f"'{path}'$"), atomic_path(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(FileNotFoundError, match=f"'{path}'$"), atomic_path(path) as temporary:
        temporary.read_text()
    with pytest.raises(FileNotFoundError, match="another"), atomic_path(path):
        raise FileNotFoundError(errno.ENOENT, "No such file", "another")


def test_a_folder_is_created_although_others_create_and_remove_its_empty_parents(tmp_path):
    code = (
        "import sys; from contextlib import suppress; from pathlib import Path\n"
        "from bids_deeptaskgen.io.atomic import make_folder\n"
        "parent = Path(sys.argv[1]); folder = parent / sys.argv[2]\n"
        "for _ in range(2000):\n"
        "    make_folder(folder); folder.rmdir()\n"
        "    with suppress(OSError):\n"
        "        parent.rmdir()\n"
    )
    commands = [[sys.executable, "-c", code, tmp_path / "work", str(number)] for number in range(4)]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(60) for process in processes] == [0] * 4


def test_a_folder_is_not_created_in_place_of_a_file(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises((FileExistsError, NotADirectoryError)):
            make_folder(folder)
