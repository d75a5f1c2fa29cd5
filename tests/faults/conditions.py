"""Conditions of a machine under which a command may run: commands in front of it and its environment.

Each condition is a context manager. It takes a `Scene` and yields a `Circumstance`; if this machine cannot
create the condition, it skips the test with the reason.
"""

import contextlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.processes import ROOT, without_root_powers

# No machine has these users. The numbers are large, so that a container without subordinate numbers has them.
OTHER_USER, THIRD_USER = 12345, 12346
SCRIPT = Path(__file__).with_name("hide_folder.sh")
SHELL = ("bash", "-c")


@dataclass(frozen=True)
class Scene:
    """The folders of a run.

    Attributes
    ----------
    place : Path
        Folder of the outputs.
    scratch : Path
        Empty folder for the condition.
    inputs : Path
        Folder of the inputs.
    """

    place: Path
    scratch: Path
    inputs: Path

    @property
    def visible(self):
        """List the folders that a run uses."""
        python = {Path(sys.base_prefix), Path(sys.prefix)}
        return sorted({ROOT, self.inputs.parent, self.place, self.scratch} | python)


@dataclass(frozen=True)
class Circumstance:
    """Start of a run under a condition: commands in front of it, and changes to its environment."""

    prefix: tuple = ()
    environment: dict = field(default_factory=dict)


def _require(*words):
    """Skip the test if a command cannot be run here."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"there is no {words[0]} here")
    if done.returncode:
        pytest.skip(f"this condition cannot be created here: {done.stderr.strip()}")


def shell_prefix(text):
    """Return a prefix that runs a line of bash, in which "$@" is the command."""
    return (*SHELL, text, "bash")


def hidden(folder, options, scene, then="exec"):
    """Return a prefix that mounts an empty file system over a folder; the folders of the run stay visible."""
    kept = [str(path) for path in scene.visible if path.is_relative_to(folder)]
    prefix = ("unshare", "--mount", "bash", str(SCRIPT), str(folder), options, then, *kept, "--")
    _require(*prefix, "true")
    return prefix


def without_powers():
    """Return a prefix that takes from root the power to write where modes forbid it."""
    prefix = without_root_powers()
    if prefix is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    return prefix


def as_user(number, scene, group=None):
    """Return a prefix that runs a command as a user without a name and a home."""
    change = ("setpriv", "--reuid", str(number), "--regid", str(group or number), "--clear-groups")
    prefix = (*change, "env", "HOME=/")
    homes = [path for path in scene.visible if path.is_relative_to("/root")]
    prefix = (*hidden("/root", "mode=755", scene), *prefix) if homes else prefix
    _require(*prefix, "true")
    return prefix


@contextlib.contextmanager
def home_read_only(scene):
    """The home folder cannot be written, and no variable names another place."""
    home = scene.scratch / "home"
    home.mkdir(mode=0o555)
    elsewhere = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TEMPLATEFLOW_HOME", "MPLCONFIGDIR")
    yield Circumstance(without_powers(), {"HOME": str(home)} | dict.fromkeys(elsewhere))
    assert list(home.iterdir()) == []


@contextlib.contextmanager
def empty_environment(_scene):
    """No variable names a home, a user, a locale or a folder for temporary files."""
    names = (
        "HOME", "USER", "LOGNAME", "LC_ALL", "LC_CTYPE", "LANG", "TMPDIR", "PYTHONUTF8", "PYTHONIOENCODING",
        "SHELL", "XDG_RUNTIME_DIR",
    )  # fmt: skip
    yield Circumstance((), dict.fromkeys(names))


@contextlib.contextmanager
def no_shared_memory(scene):
    """No file can be created in /dev/shm, where semaphores and shared memory are."""
    yield Circumstance(hidden("/dev/shm", "ro,size=4k", scene))


@contextlib.contextmanager
def small_tmp(scene):
    """The folder for temporary files has room for 64 MB."""
    yield Circumstance(hidden("/tmp", "size=64m", scene), {"TMPDIR": None})


@contextlib.contextmanager
def tmp_read_only(scene):
    """No folder for temporary files can be written."""
    # torch exports the second folder to the environment of a test that has imported its compiler.
    no_folders = {"TMPDIR": None, "TORCHINDUCTOR_CACHE_DIR": None}
    yield Circumstance(hidden("/tmp", "size=4k", scene, "read-only"), no_folders)


@contextlib.contextmanager
def locale_posix(_scene):
    """The locale has ASCII only, and Python is forbidden to choose UTF-8 instead."""
    settings = {"LC_ALL": "POSIX", "LANG": None, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    yield Circumstance((), settings)


@contextlib.contextmanager
def umask_077(scene):
    """New files may be read by their owner only."""
    with _modes(scene.place, 0o077):
        yield Circumstance(shell_prefix('umask 077; exec "$@"'))


@contextlib.contextmanager
def _modes(place, mask):
    """Assert that all new files and folders have the modes that the umask leaves."""

    def inodes():
        return {path: path.stat() for path in place.rglob("*")}

    earlier = {(path, status.st_ino) for path, status in inodes().items()}
    yield
    wrong = {
        path.relative_to(place).as_posix(): oct(status.st_mode & 0o777)
        for path, status in inodes().items()
        if (path, status.st_ino) not in earlier
        and status.st_mode & 0o777 != (0o777 if path.is_dir() else 0o666) & ~mask
    }
    assert wrong == {}


@contextlib.contextmanager
def no_network(_scene):
    """There is no network, not even the loopback device."""
    prefix = ("unshare", "--net", "--")
    _require(*prefix, "true")
    yield Circumstance(prefix)


@contextlib.contextmanager
def other_user(scene):
    """The user has no name and no home, as in a container, and owns the folder of the outputs only."""
    prefix = as_user(OTHER_USER, scene)
    make_passable(scene.inputs)
    with owned(scene.place, OTHER_USER):
        yield Circumstance(prefix)


@contextlib.contextmanager
def owned(folder, user):
    """Let a user own a folder and its content."""

    def change(number):
        for path in (folder, *folder.rglob("*")):
            with contextlib.suppress(FileNotFoundError):
                os.chown(path, number, number, follow_symlinks=False)

    change(user)
    try:
        yield
    finally:
        change(os.getuid())


def make_passable(folder):
    """Let other users pass through the folders above the tests', which pytest closes to them."""
    above = Path(tempfile.gettempdir())
    for path in (folder, *folder.parents):
        if path.is_relative_to(above) and path != above and path.stat().st_uid == os.getuid():
            # For good, since other tests may need it at the same time.
            path.chmod(path.stat().st_mode | 0o055)


@contextlib.contextmanager
def place_read_only(scene):
    """The file system of the outputs is read-only."""
    mount = f"mount --bind '{scene.place}' '{scene.place}' && mount -o remount,bind,ro '{scene.place}'"
    prefix = ("unshare", "--mount", *shell_prefix(f'{mount} && exec "$@"'))
    _require(*prefix, "true")
    yield Circumstance(prefix)


@contextlib.contextmanager
def place_locked(scene):
    """The modes of the folders of the outputs forbid writing."""
    folders = [scene.place, *(path for path in scene.place.rglob("*") if path.is_dir())]
    modes = {folder: folder.stat().st_mode for folder in folders}
    for folder in folders:
        folder.chmod(0o555)
    try:
        yield Circumstance(without_powers())
    finally:
        for folder, mode in modes.items():
            folder.chmod(mode)


@contextlib.contextmanager
def few_files(_scene):
    """A process may have 64 files open."""
    yield Circumstance(shell_prefix('ulimit -n 64; exec "$@"'))


@contextlib.contextmanager
def reader_ends(_scene):
    """The program that reads the output ends at once, as head does."""
    yield Circumstance(shell_prefix('set -o pipefail; "$@" 2>&1 | true'))


@contextlib.contextmanager
def streams_closed(_scene):
    """All three standard streams are closed."""
    yield Circumstance(shell_prefix('exec "$@" <&- >&- 2>&-'))


@contextlib.contextmanager
def stdout_full(_scene):
    """The disk of the file that takes the standard output is full."""
    yield Circumstance(shell_prefix('exec "$@" >/dev/full'))


@contextlib.contextmanager
def little_address_space(_scene):
    """A process may address 600 MB, less than its libraries need."""
    yield Circumstance(shell_prefix('ulimit -v 600000; exec "$@"'))


@contextlib.contextmanager
def few_processes(scene):
    """The user may have 8 processes and threads."""
    prefix = as_user(THIRD_USER, scene)
    limit = ("prlimit", "--nproc=8:8", "--")
    _require(*limit, "true")
    make_passable(scene.inputs)
    with owned(scene.place, THIRD_USER):
        yield Circumstance((*prefix, *limit))


class FailingCalls:
    """Library that lets system calls of a run fail, or shifts its clock; see ``failing_calls.c``.

    Parameters
    ----------
    library, state : Path
        Compiled library, and file of its counters.
    """

    KINDS = ("write", "read", "fsync", "rename", "close", "open", "mkdir", "unlink")

    def __init__(self, library, state):
        self._library, self._state = library, state
        self.reset()

    def reset(self):
        """Set the counters and the shift of the clock to zero; all users may change them."""
        self._state.write_bytes(bytes(8 * (2 + len(self.KINDS))))
        self._state.chmod(0o666)

    def _read(self):
        return struct.unpack(f"{2 + len(self.KINDS)}q", self._state.read_bytes())

    @property
    def n_faults(self):
        """Return the number of failed calls, or shifts of the clock, since the last reset."""
        return self._read()[0]

    @property
    def n_calls(self):
        """Return the number of matching calls of each kind since the last reset."""
        return dict(zip(self.KINDS, self._read()[2:], strict=True))

    def circumstance(self, scene, kind="", error=0, first=0, count=1, shift_s=0, source=None):
        """Let calls of a kind on the outputs, or reads of the inputs or `source`, fail from number `first`.

        With `error` 0, the clock is shifted instead. With `first` 0, calls are only counted.
        """
        source = source or scene.inputs
        numbers = {"ERRNO": error, "SHIFT": shift_s, "FIRST": first, "COUNT": count}
        return Circumstance(
            (),
            {
                "LD_PRELOAD": str(self._library),
                "FAULT_STATE": str(self._state),
                "FAULT_CALL": kind,
                "FAULT_PATH": str(scene.place),
                "FAULT_INPUTS": str(source),
                **{f"FAULT_{name}": str(number) for name, number in numbers.items()},
            },
        )


def compile_library(folder):
    """Compile ``failing_calls.c``, or skip the test."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None or sys.platform != "linux":
        pytest.skip("there is no C compiler for Linux here")
    library = folder / "failing_calls.so"
    source = Path(__file__).with_name("failing_calls.c")
    _require(compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl")
    return FailingCalls(library, folder / "state")
