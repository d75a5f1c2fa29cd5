"""Atomic writing of files, safe against killed and concurrent processes.

A file is written under a temporary name in its folder and then renamed. The temporary name includes the
machine and the process, so that a later run can remove the temporary files of killed processes and no others.
"""

import errno
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from bids_deeptaskgen.errors import UserError

FOREIGN_AGE_S = 86_400.0
_WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_MAX_ATTEMPTS = 100
_TEMPORARY = re.compile(r"^\..+\.(?P<namespace>[^.]+)\.(?P<pid>\d+)\.tmp$")
# A lock is a folder with a file whose name identifies the process that holds it, see `io.lock`.
LOCK_ENDING = ".lock"
_HOLDER = re.compile(r"^[^.]+\.(?P<namespace>[^.]+)\.(?P<pid>\d+)$")


@cache
def process_namespace() -> str:
    """Return a name of the machine and container in which a process number is unique.

    Containers may share a host name and number their processes from 1 each, so the name includes the process
    namespace.
    """
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:32] or "host"
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return host
    return f"{host}-{namespace}"


def is_stale(namespace: str, pid: int, last_written_s: float) -> bool:
    """Return whether the temporary files of a process are stale.

    Parameters
    ----------
    namespace : str
        The `process_namespace` of the process.
    pid : int
        Process number in that namespace.
    last_written_s : float
        Time of the last write, in seconds since the epoch.

    Returns
    -------
    bool
        Whether the process has ended. A process of another namespace is considered ended if it has not
        written for a day.
    """
    if namespace != process_namespace():
        return time.time() - last_written_s > FOREIGN_AGE_S
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    # An ended process keeps its number until its parent waits for it, which may never happen in a container.
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    return False


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create a folder and its parents, which other runs may create, and remove when they are empty.

    ``Path.mkdir`` raises an error if a parent is removed while it runs.

    Parameters
    ----------
    folder : Path
        May exist.
    mode : int
        Permissions of the folder, not of its parents.

    Raises
    ------
    OSError
        If the folder cannot be created.
    """
    for n_left in reversed(range(_MAX_ATTEMPTS)):
        try:
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
        except (FileNotFoundError, FileExistsError):
            if not n_left or folder.is_file():
                raise
        else:
            return


@contextmanager
def name_errors(path: Path) -> Iterator[None]:
    """Name a file or folder in errors of writing that name none.

    Parameters
    ----------
    path : Path
        File or folder to which the block writes. Errors that may come from its reading stay as they are.

    Examples
    --------
    >>> try:
    ...     with name_errors(folder / "maps"):
    ...         raise OSError(28, "No space left on device")
    ... except OSError as error:
    ...     print(Path(error.filename).name)
    maps
    """
    try:
        yield
    except OSError as error:
        if error.errno in _WRITE_ERRORS and error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Write a file atomically.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.

    Yields
    ------
    Path
        Temporary file in the same folder, ending in ``.tmp``, for the caller to write. It is renamed to
        `path` at the end of the block. After an exception it is removed and `path` is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{process_namespace()}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        # A failed write names no file, but users need its path to free disk space.
        if isinstance(error, OSError) and error.errno and error.filename in (None, temporary, str(temporary)):
            error.filename = str(path)
        raise


def finish(clean_up: Callable[[], None]) -> None:
    """Finish a clean-up although a signal interrupts it.

    The command line raises an exception at the first SIGTERM and ignores further ones.

    Parameters
    ----------
    clean_up : callable
        Removes what may be removed already; it runs again after an exception, which is raised afterwards.
    """
    try:
        clean_up()
    except BaseException:
        clean_up()
        raise


def temporary_sibling(folder: Path, role: str) -> Path:
    """Return the path of a temporary folder next to a folder.

    `remove_stale_files` removes the temporary folder if this process is killed.

    Parameters
    ----------
    folder : Path
    role : str
        Part of the name, e.g. ``new``.

    Returns
    -------
    Path
        The folder is not created.
    """
    return folder.with_name(f".{folder.name}.{role}.{process_namespace()}.{os.getpid()}.tmp")


def remove_stale_siblings(path: Path) -> None:
    """Remove the temporary files and folders that killed processes have left for a file or folder.

    Parameters
    ----------
    path : Path
        Final path; temporary files of other paths stay.
    """
    for stale in stale_files(path.parent, recursive=False):
        if stale.name.startswith(f".{path.name}."):
            with suppress(OSError):
                _remove(stale)


def replace_folder(source: Path, folder: Path) -> None:
    """Replace a folder, file or link by another folder; keep it if that fails.

    Parameters
    ----------
    source : Path
        Complete new folder, see `temporary_sibling`; removed if the replacement fails.
    folder : Path
        Path to replace; may not exist.

    Raises
    ------
    UserError
        If another process has written to `folder` at the same time.
    """
    backup = temporary_sibling(folder, "old")
    try:
        with suppress(FileNotFoundError):
            folder.rename(backup)
        source.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        message = (
            f"{folder}: another process has written a model there at the same time. Run this command again."
        )
        raise UserError(message) from error
    finally:
        finish(lambda: shutil.rmtree(source, ignore_errors=True))
    if backup.is_dir() and not backup.is_symlink():
        shutil.rmtree(backup)
    else:
        backup.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically, unless the file has this content already.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.
    content : bytes
        Content of the file.
    """
    with suppress(OSError):
        if path.read_bytes() == content:
            return
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8 with line feeds, atomically; see `write_bytes`.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.
    text : str
        Content of the file.
    """
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: object) -> None:
    """Write JSON atomically; equal content gives equal bytes.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.
    content : object
        Dictionaries with string keys, lists, numbers, strings. The order of keys is kept.

    Raises
    ------
    ValueError
        If the content includes NaN or infinity, which JSON does not support.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def remove_stale_files(folder: Path, *, recursive: bool = True) -> list[Path]:
    """Remove the temporary files and folders and the locks of killed processes from a folder.

    Those of this machine are removed if their process has ended; those of other machines, if they have not
    been written to for a day.

    Parameters
    ----------
    folder : Path
        Folder to search; may not exist. Other processes may remove its files at the same time.
    recursive : bool
        Whether to search subfolders, too.

    Returns
    -------
    list of Path
        Removed files and folders.
    """
    removed = []
    for path in stale_files(folder, recursive=recursive):
        with suppress(OSError):
            _remove(path)
            removed.append(path)
    return removed


def _remove(path: Path) -> None:
    if path.name.endswith(LOCK_ENDING):
        _remove_lock(path)
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _remove_lock(lock: Path) -> None:
    """Remove the lock of an ended process, unless another one takes it over at the same time."""
    for holder in list(lock.iterdir()):
        if _is_stale_holder(holder):
            # The process that takes the lock over has given this file another name.
            with suppress(FileNotFoundError):
                holder.unlink()
    lock.rmdir()


def _is_stale_holder(path: Path) -> bool:
    match = _HOLDER.match(path.name)
    return match is not None and is_stale(match["namespace"], int(match["pid"]), path.stat().st_mtime)


def _is_stale_lock(lock: Path) -> bool:
    """Return whether the process that held a lock has ended, or was killed while it released the lock."""
    return all(_is_stale_holder(path) for path in lock.iterdir())


def stale_files(folder: Path, *, recursive: bool = True) -> Iterator[Path]:
    """Find the temporary files and folders and the locks of killed processes; see `remove_stale_files`.

    Parameters
    ----------
    folder : Path
        Folder to search; may not exist. Other processes may remove its files at the same time.
    recursive : bool
        Whether to search subfolders, too.

    Yields
    ------
    Path
    """
    for parent, folders, names in os.walk(folder):
        entries = sorted(name for name in [*folders, *names] if name.endswith(".tmp"))
        locks = sorted(name for name in folders if name.startswith(".") and name.endswith(LOCK_ENDING))
        if not recursive:
            folders.clear()
        for path in (Path(parent, name) for name in entries):
            match = _TEMPORARY.match(path.name)
            if match is None:
                continue
            with suppress(OSError):
                if is_stale(match["namespace"], int(match["pid"]), path.stat().st_mtime):
                    yield path
        for path in (Path(parent, name) for name in locks):
            with suppress(OSError):
                if _is_stale_lock(path):
                    yield path
