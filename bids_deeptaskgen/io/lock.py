"""Lock of a file that several processes change: a small folder next to it, also on network drives.

The folder holds one empty file, whose name identifies the process that holds the lock. Each change is one
renaming, which only one of several processes can do: a folder with that file is renamed to the lock, which
fails if the lock has content; the file in the lock of an ended process is renamed, which fails if it has
another name meanwhile. Locks of the operating system are not used, because some network drives lack them.
"""

import errno
import logging
import os
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import LOCK_ENDING, finish, is_stale, make_folder, process_namespace

logger = logging.getLogger("bids_deeptaskgen")

# A lock is held for milliseconds. One that stays this long belongs to a process that was killed.
MAX_HELD_S = 30.0
# After this wait, the log names the process for which this one waits.
_TELL_AFTER_S = 5.0
# Pauses grow, so that hundreds of waiting processes do not keep a file server busy.
_FIRST_PAUSE_S, _LAST_PAUSE_S, _GROWTH = 0.01, 0.25, 1.3
# Errors of the renaming of a folder to one with content, which differ between file systems, and to a file.
_HELD_ERRORS = (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES, errno.EPERM, errno.ENOTDIR)


@contextmanager
def file_lock(path: Path, *, max_held_s: float = MAX_HELD_S) -> Iterator[None]:
    """Guard a file, so that reading, changing and replacing it loses no change of another process.

    Parameters
    ----------
    path : Path
        File to change; its folder is created. The lock is ``.NAME.lock`` in the same folder.
    max_held_s : float
        Seconds after which a lock that has not changed hands is taken over. The lock of an ended process of
        this machine is taken over at once.

    Yields
    ------
    None
        While the lock is held.

    Raises
    ------
    UserError
        If a lock that has not changed hands for `max_held_s` cannot be read or taken over, or the folder is
        deleted meanwhile.

    Examples
    --------
    >>> with file_lock(folder / "participants.tsv"):
    ...     [path.name for path in folder.iterdir()]
    ['.participants.tsv.lock']
    >>> list(folder.iterdir())
    []
    """
    make_folder(path.parent)
    lock = _lock_of(path)
    holder = f"{random.getrandbits(64):x}.{process_namespace()}.{os.getpid()}"
    # Under this name, `remove_stale_files` removes it if this process is killed.
    temporary = lock.with_name(f"{lock.name}.{holder}.tmp")
    # A signal may come at any time, also while the lock is acquired.
    try:
        try:
            _fill(temporary, holder)
            _acquire(path, temporary, holder, max_held_s)
        except FileNotFoundError as error:
            message = f"{path.parent}: this folder was deleted during the run.\nStart again."
            raise UserError(message) from error
        except OSError as error:
            # Users know the file, not its lock.
            error.filename, error.filename2 = str(path), None
            raise
        yield
    finally:
        finish(lambda: _release(lock, temporary, holder))


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}{LOCK_ENDING}")


def _release(lock: Path, temporary: Path, holder: str) -> None:
    """Remove the lock, unless another process has taken it over, and the folder that became no lock."""
    shutil.rmtree(temporary, ignore_errors=True)
    # The file has another name if another process has taken the lock over, which may also rename its folder
    # to the empty one.
    with suppress(OSError):
        (lock / holder).unlink()
    # Also if a signal came between the two; the lock of another process is not empty.
    with suppress(OSError):
        lock.rmdir()


def _fill(folder: Path, holder: str) -> None:
    """Create the folder of a lock, which those who may write next to it may take over."""
    folder.mkdir()
    with suppress(OSError):
        folder.chmod(folder.parent.stat().st_mode & 0o777)
    (folder / holder).touch()


def _acquire(path: Path, temporary: Path, holder: str, max_held_s: float) -> None:
    """Rename a folder to the lock of a file; wait while another process holds it."""
    lock = _lock_of(path)
    previous: str | None = None
    start, pause_s = time.monotonic(), _FIRST_PAUSE_S
    tell_s = start + _TELL_AFTER_S
    while not _create(lock, temporary, holder):
        current = _read_holder(lock)
        if current != previous:
            previous, start = current, time.monotonic()
        # Observed time is used, since the clocks of a file server and of this machine may differ.
        is_abandoned = time.monotonic() - start > max_held_s
        if is_abandoned and current is None:
            raise UserError(_refusal(lock, max_held_s))
        if current is not None and (is_abandoned or _has_ended(current)):
            try:
                (lock / current).rename(lock / holder)
            except FileNotFoundError:
                # Another process was faster, or this machine remembers an earlier state of a network drive.
                start = time.monotonic()
            except PermissionError as error:
                if is_abandoned:
                    raise UserError(_refusal(lock, max_held_s)) from error
            else:
                return
        if time.monotonic() > tell_s:
            tell_s = float("inf")
            logger.info(
                "%s: waiting for %s; if it was killed, this run continues after %g s.",
                path, _describe_holder(current), max_held_s,
            )  # fmt: skip
        time.sleep(pause_s * random.uniform(0.5, 1.5))
        pause_s = min(pause_s * _GROWTH, _LAST_PAUSE_S)


def _create(lock: Path, temporary: Path, holder: str) -> bool:
    """Rename a folder to the lock; return False if another process holds it."""
    try:
        temporary.rename(lock)
    except OSError as error:
        if error.errno in _HELD_ERRORS:
            return False
        # A file server may report an error for a request that it has fulfilled.
        if error.errno == errno.ENOENT and (lock / holder).exists():
            return True
        raise
    return True


def _refusal(lock: Path, max_held_s: float) -> str:
    return (
        f"{lock}: this lock has not changed for {max_held_s:g} s and cannot be read or taken over; another "
        "user may own it, or the folder.\n"
        "If no other run writes to this folder, delete the lock, or ask its owner to delete it, then start "
        "again."
    )


def _read_holder(lock: Path) -> str | None:
    """Return the name of the file in the lock, None if there is none or the lock cannot be read."""
    try:
        return next((path.name for path in sorted(lock.iterdir())), None)
    except OSError:
        return None


def _describe_holder(holder: str | None) -> str:
    """Describe the process that holds a lock, from the name of the file in it."""
    if holder is None:
        return "another process, which writes it"
    namespace, _, pid = holder.partition(".")[2].rpartition(".")
    return f"process {pid} of {namespace}, which writes it"


def _has_ended(holder: str) -> bool:
    """Return whether the lock belongs to a process of this machine that has ended."""
    namespace, _, pid = holder.partition(".")[2].partition(".")
    return namespace == process_namespace() and pid.isdecimal() and is_stale(namespace, int(pid), time.time())
