"""Group files are complete and of one run, whatever ends it."""

import ctypes
import importlib
import os
import resource
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest

from bids_deeptaskgen.errors import InputError, UserError, system_refusal
from bids_deeptaskgen.group import publish as module
from bids_deeptaskgen.group.publish import check_writable, publish, staging_folder
from bids_deeptaskgen.io.atomic import process_namespace
from tests.group.running import run, state
from tests.inprocess import call
from tests.io.locks import leave_lock

ENDED_PID = 2**22 + 1


def write(folder, **files):
    """Write files with the layout of the dataset: the name of a file is that of its keyword."""
    for name, text in files.items():
        path = folder / ("group.html" if name == "page" else f"group/{name.replace('__', '/')}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def texts(output):
    return {
        path.relative_to(output).as_posix(): path.read_text()
        for path in sorted(output.rglob("*"))
        if path.is_file() and path.name != "group.json"
    }


def publish_files(output, **files):
    with staging_folder(output / "work") as staging:
        write(staging, **files)
        return publish(staging, output)


def drop_powers():
    """Drop the capabilities of root to ignore modes of files (1 to 3 of Linux) from this process."""
    if os.geteuid() == 0:
        words = ctypes.c_uint32 * 6
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        data = words()
        library = ctypes.CDLL(None, use_errno=True)
        assert library.capget(header, data) == 0
        data[0] &= ~0b1110
        assert library.capset(header, data) == 0


class Fork:
    """A run in a copy of this process, which has imported everything; it may wait before it calls a function.

    Parameters
    ----------
    log : Path
        File of its messages.
    output : Path
    words : sequence of str
        Options.
    module_name, function : str, optional
        Module of `group` whose function waits until `go` is called.
    is_powerless : bool
        Whether to take from root the power to write where modes forbid it.
    broken : (str, str), optional
        Module and function that must not be called.
    """

    def __init__(self, log, output, *words, module_name="", function="", is_powerless=False, broken=None):
        self._reached, self._go = log.with_suffix(".reached"), log.with_suffix(".go")
        self._log = log
        self.pid = os.fork()
        if not self.pid:
            code = 99
            try:
                if module_name:
                    self._patch(importlib.import_module(f"bids_deeptaskgen.group.{module_name}"), function)
                if broken:
                    setattr(importlib.import_module(f"bids_deeptaskgen.group.{broken[0]}"), broken[1], None)
                if is_powerless:
                    drop_powers()
                ended = call(output, output, "group", "--reports", "none", *words)
                log.write_text(ended.err)
                code = ended.code
            finally:
                os._exit(code)
        if module_name:
            self._wait_for(self._reached.exists)

    def _patch(self, target, function):
        original = getattr(target, function)

        def paused(*args, **options):
            self._reached.write_text("reached")
            self._wait_for(self._go.exists)
            return original(*args, **options)

        setattr(target, function, paused)

    @staticmethod
    def _wait_for(sign):
        end = time.monotonic() + 60
        while not sign():
            assert time.monotonic() < end
            time.sleep(0.005)

    def go(self):
        self._go.write_text("go")

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def wait(self):
        """Return the exit code and the messages."""
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status), self._log.read_text()


def test_files_of_a_run_replace_those_of_the_run_before(tmp_path):
    publish_files(tmp_path, a="1", b="1", set__c="1", page="1")
    (tmp_path / "group" / "notes.txt").write_text("of the user")
    assert publish_files(tmp_path, a="2", page="2") == [Path("group/a"), Path("group.html")]
    assert texts(tmp_path) == {"group/a": "2", "group/notes.txt": "of the user", "group.html": "2"}
    assert not (tmp_path / "group" / "set").exists()
    assert not (tmp_path / "work").exists()


def test_an_edited_record_deletes_no_other_files(tmp_path):
    publish_files(tmp_path, a="1")
    (tmp_path / "participants.tsv").write_text("of the user")
    (tmp_path / "group" / "group.json").write_text(
        '{"Files": ["participants.tsv", "group/../participants.tsv", "/etc/none", 3, "group/a"]}'
    )
    publish_files(tmp_path, b="1")
    assert texts(tmp_path) == {"group/b": "1", "participants.tsv": "of the user"}


def test_an_error_leaves_the_dataset_unchanged(tmp_path):
    publish_files(tmp_path, a="1")

    def fail():
        with staging_folder(tmp_path / "work") as staging:
            write(staging, a="2")
            raise InputError

    with pytest.raises(InputError):
        fail()
    assert texts(tmp_path) == {"group/a": "1"}


def test_a_folder_in_the_place_of_a_file_is_refused_before_a_file_is_replaced(tmp_path):
    publish_files(tmp_path, a="1", z="1")
    (tmp_path / "group" / "m").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        publish_files(tmp_path, a="2", m="2", z="2")
    assert caught.value.filename == str(tmp_path / "group" / "m")
    assert texts(tmp_path) == {"group/a": "1", "group/z": "1"}
    assert not (tmp_path / "work").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(output):
    (output / "group").write_text("of the user")
    ended = call(output, output, "group", "--reports", "none")
    assert ended.code == 2
    assert f"({output / 'group'})" in ended.sentence
    assert (output / "group").read_text() == "of the user"
    assert not (output / "work").exists()


def test_files_that_another_run_wrote_meanwhile_can_be_kept(tmp_path):
    publish_files(tmp_path, a="1")

    def refuse():
        message = "other participants"
        raise UserError(message)

    with staging_folder(tmp_path / "work") as staging:
        write(staging, a="2")
        with pytest.raises(UserError, match="other"):
            publish(staging, tmp_path, refuse)
    assert texts(tmp_path) == {"group/a": "1"}


def test_the_next_run_removes_what_a_killed_run_left(tmp_path):
    publish_files(tmp_path, a="1", b="1")
    stale = f"{process_namespace()}.{ENDED_PID}.tmp"
    (tmp_path / "work" / f".group.new.{stale}" / "group").mkdir(parents=True)
    (tmp_path / "group" / f".a.{stale}").write_text("half")
    (tmp_path / f".group.html.{stale}").write_text("half")
    leave_lock(tmp_path / "group" / "group.json", ENDED_PID)
    start = time.monotonic()
    publish_files(tmp_path, a="2")
    assert time.monotonic() - start < 20
    assert texts(tmp_path) == {"group/a": "2"}
    assert not (tmp_path / "work").exists()


def test_a_run_that_is_killed_between_two_files_is_completed_by_the_next(tmp_path, monkeypatch):
    publish_files(tmp_path, a="1", z="1")
    moves = []

    def move(source, target):
        if moves:
            raise KeyboardInterrupt
        moves.append(target)
        shutil.move(source, target)

    with monkeypatch.context() as context:
        context.setattr(module, "_move", move)
        with pytest.raises(KeyboardInterrupt):
            publish_files(tmp_path, b="2", c="2")
    publish_files(tmp_path, a="3")
    assert texts(tmp_path) == {"group/a": "3"}


def test_a_copy_to_another_disk_that_fails_leaves_the_dataset_unchanged_and_is_named(tmp_path, monkeypatch):
    publish_files(tmp_path, a="1", b="1")
    before = texts(tmp_path)
    # A work folder on another disk is copied before a file is replaced.
    monkeypatch.setattr(module, "_same_disk", lambda *_: False)
    with staging_folder(tmp_path / "work") as folder:
        write(folder, a="2", b="2" * 10_000)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
        try:
            with pytest.raises(OSError, match="too large") as caught:
                publish(folder, tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    code, message = system_refusal(caught.value)
    assert code == 1
    assert "exceed the size limit" in message
    assert str(tmp_path / "group") in message
    assert texts(tmp_path) == before
    assert publish_files(tmp_path, a="2") == [Path("group/a")]
    assert texts(tmp_path) == {"group/a": "2"}


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second file system")
def test_the_work_folder_may_be_on_another_disk(tmp_path, output):
    run(output)
    before = state(output)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        assert run(output, work_dir=Path(folder, "work")) == 0
        assert list(Path(folder).iterdir()) == []
        own = Path(folder, "own")
        own.mkdir()
        assert run(output, work_dir=own) == 0
        assert own.is_dir()
    assert state(output) == before


def test_a_folder_without_permission_is_refused_before_anything_is_computed(output, tmp_path):
    run(output)
    before = state(output)
    for number, folder in enumerate((output, output / "group")):
        folder.chmod(0o555)
        try:
            fork = Fork(
                tmp_path / f"log{number}", output, "-w", tmp_path / "w",
                is_powerless=True, broken=("map_rows", "read_usable_maps"),
            )  # fmt: skip
            code, messages = fork.wait()
        finally:
            folder.chmod(0o755)
        assert code in (1, 2), messages
        assert f"{folder}/" in messages
        assert "ermission" in messages
        assert state(output) == before


def test_a_folder_that_can_be_written_stays_as_it_is(tmp_path):
    publish_files(tmp_path, a="1")
    before = sorted(tmp_path.rglob("*"))
    check_writable(tmp_path)
    check_writable(tmp_path / "absent")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_size_limit_leaves_the_dataset_unchanged(output):
    """RLIMIT_FSIZE stands for a full disk, also of the work folder."""
    run(output)
    before = state(output)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        ended = call(output.parent, output, "group", "--reports", "none")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert ended.code == 1, ended
    assert "would exceed the size limit" in ended.sentence
    assert str(output / "work") in ended.sentence
    assert state(output) == before
    assert not (output / "work").exists()


@pytest.mark.parametrize(
    ("module_name", "function"), [("set_analysis", "compute_statistics"), ("publish", "_move")]
)
def test_a_killed_run_leaves_no_half_written_file_and_the_next_cleans_up(
    output, tmp_path, module_name, function
):
    run(output)
    complete = state(output)
    Fork(tmp_path / "log", output, module_name=module_name, function=function).kill()
    assert (output / "work").exists()
    left = {name: content for name, content in state(output).items() if not name.startswith("work/")}
    assert {name: left[name] for name in complete} == complete | {
        "group/group.json": left["group/group.json"]
    }
    assert run(output) == 0
    assert state(output) == complete
    assert not (output / "work").exists()
    assert not list(output.rglob("*.tmp")) + list(output.rglob("*.lock"))


def test_two_runs_at_the_same_time_leave_the_files_of_one(output, tmp_path):
    run(output, participant_label=("01", "02", "03", "04"))
    expected = state(output)
    run(output, overwrite=True)
    complete = state(output)
    names = sorted(set(expected) | set(complete))
    first = Fork(tmp_path / "first", output, module_name="publish", function="_move")
    words = ("--participant-label", "01", "02", "03", "04", "--overwrite")
    second = Fork(tmp_path / "second", output, *words)
    # The second run waits for the first, which is about to replace files.
    time.sleep(0.2)
    first.go()
    assert (first.wait()[0], second.wait()[0]) == (0, 0)
    assert state(output) in (expected, complete)
    assert sorted(state(output)) == names
    assert not list(output.rglob("*.tmp")) + list(output.rglob("*.lock"))


def test_a_run_of_other_participants_that_ends_meanwhile_is_not_replaced(output, tmp_path):
    words = ("--participant-label", "01", "02", "03")
    first = Fork(
        tmp_path / "first", output, *words, module_name="set_analysis", function="compute_statistics"
    )
    assert run(output) == 0
    before = state(output)
    first.go()
    code, messages = first.wait()
    assert code == 2
    assert "the group files include 6 participants; 3 of them are not selected now" in messages
    assert {name: text for name, text in state(output).items() if ".lock" not in name} == before


def test_the_lock_of_another_machine_is_taken_over_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MAX_HELD_S", 0.2)
    (tmp_path / "group").mkdir()
    leave_lock(tmp_path / "group" / "group.json", os.getpid(), "elsewhere")
    publish_files(tmp_path, a="1")
    assert texts(tmp_path) == {"group/a": "1"}


def test_a_warning_counts_the_removed_files_by_kind(output, caplog):
    options = {"covariates": ("none",), "design": "age"}
    run(output, **options)
    caplog.clear()
    assert run(output, **options) == 0
    assert "removed" not in caplog.text
    assert run(output) == 0
    assert "were removed: 5 maps of tests, 2 tables. " in caplog.text
    assert f"move {output / 'group'} before the next" in caplog.text


@pytest.mark.parametrize(
    "changes", [{"design": "mean_fd"}, {"n_permutations": 0}, {"design": None, "n_permutations": 0}]
)
def test_tests_with_permutations_are_kept_unless_they_are_replaced(output, monkeypatch, changes):
    options = {"covariates": ("none",), "design": "age", "n_permutations": 100, "one_per_family": True}
    (output / "participants.tsv").write_text((output / "participants.tsv").read_text().replace("f1", "n/a"))
    assert run(output, **options) == 0
    before = state(output)
    assert any("stat-pMaxT_desc-age" in name for name in before)
    with monkeypatch.context() as context:
        context.setattr("bids_deeptaskgen.commands.group.run_set", None)
        with pytest.raises(UserError, match=r"1 test .*\(age in wm2bk\)[\s\S]*Move .*`overwrite`"):
            run(output, **options | changes)
    assert state(output) == before
    assert run(output, **options) == 0
    assert run(output, **options | changes, overwrite=True) == 0
    assert not any("stat-pMaxT_desc-age" in name for name in state(output))
