"""Lock of a file that several processes change: a small file next to it, also on network drives."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import finish, is_stale, process_namespace

# A lock is held for milliseconds. One that stays this long belongs to a process that was killed.
MAX_HELD_S = 30.0
_PAUSE_S = 0.02


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
        If a lock that has not changed hands for `max_held_s` cannot be read or removed.

    Examples
    --------
    >>> with file_lock(folder / "participants.tsv"):
    ...     [path.name for path in folder.iterdir()]
    ['.participants.tsv.lock']
    >>> list(folder.iterdir())
    []
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    owner = f"{process_namespace()} {os.getpid()} {random.getrandbits(64):x}".encode()
    _acquire(lock, owner, max_held_s)
    try:
        yield
    finally:
        finish(lambda: _release(lock, owner))


def _release(lock: Path, owner: bytes) -> None:
    if _read_owner(lock) == owner:
        lock.unlink(missing_ok=True)


def _acquire(lock: Path, owner: bytes, max_held_s: float) -> None:
    """Create the lock; wait while another process holds it."""
    previous: bytes | None = None
    start = time.monotonic()
    while True:
        with suppress(FileExistsError):
            descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
            try:
                os.write(descriptor, owner)
            except OSError:
                # Without an owner, others would wait for it.
                lock.unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)
            return
        current = _read_owner(lock)
        if current != previous:
            previous, start = current, time.monotonic()
        # Observed time is used, since the clocks of a file server and of this machine may differ.
        is_abandoned = time.monotonic() - start > max_held_s
        can_remove = current is not None or not is_abandoned
        if current is not None and (is_abandoned or _has_ended(current)):
            can_remove = _remove(lock, current)
        if is_abandoned and not can_remove:
            raise UserError(_refusal(lock, max_held_s))
        time.sleep(_PAUSE_S * random.uniform(0.5, 1.5))


def _refusal(lock: Path, max_held_s: float) -> str:
    return (
        f"{lock}: this lock has not changed for {max_held_s:g} s and cannot be read or removed; another user "
        "may own it, or the folder.\n"
        "If no other run writes to this folder, delete the lock, or ask its owner to delete it, then start "
        "again."
    )


def _read_owner(lock: Path) -> bytes | None:
    try:
        return lock.read_bytes()
    except OSError:
        return None


def _has_ended(owner: bytes) -> bool:
    """Return whether the lock belongs to a process of this machine that has ended."""
    namespace, _, number = owner.decode("ascii", "replace").partition(" ")
    pid = number.partition(" ")[0]
    return namespace == process_namespace() and pid.isdecimal() and is_stale(namespace, int(pid), time.time())


def _remove(lock: Path, owner: bytes) -> bool:
    """Remove the lock of an ended process, but not that of a faster one; return False if it is refused."""
    claim = lock.with_name(f"{lock.name}.{process_namespace()}.{os.getpid()}.tmp")
    try:
        lock.rename(claim)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    with suppress(OSError):
        if _read_owner(claim) != owner:
            os.link(claim, lock)
    claim.unlink(missing_ok=True)
    return True
