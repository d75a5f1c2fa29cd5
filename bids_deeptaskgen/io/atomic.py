"""Files that are there whole or not at all, whoever writes and whenever it is killed.

A file is written under a temporary name beside its place and moved there by ``os.replace``. The temporary
name tells the machine and the process, so that a later run can remove what a killed one left, and only that.
"""

import errno
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from bids_deeptaskgen.errors import UserError

FOREIGN_AGE_S = 86_400.0
_TEMPORARY = re.compile(r"^\..+\.(?P<place>[^.]+)\.(?P<pid>\d+)\.tmp$")


@cache
def process_namespace() -> str:
    """Name where a process number means one process: the machine, and its container if there is one.

    Containers may share a host name and each count their processes from 1, so the process namespace
    belongs to the name.
    """
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:32] or "host"
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return host
    return f"{host}-{namespace}"


def is_stale(where: str, pid: int, last_written_s: float) -> bool:
    """Tell whether what a process wrote for itself has been left behind.

    Parameters
    ----------
    where : str
        The `process_namespace` of the process.
    pid : int
        Its number there.
    last_written_s : float
        When it last wrote, in seconds since the epoch.

    Returns
    -------
    bool
        Whether the process is gone, if it was one of this place; elsewhere it cannot be seen, and counts as
        gone when it has not written for a day.
    """
    if where != process_namespace():
        return time.time() - last_written_s > FOREIGN_AGE_S
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    # One that has ended keeps its number until its parent asks, and process 1 of a container may never ask.
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    return False


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : Path
        Where the file shall be; its folder is made.

    Yields
    ------
    Path
        A temporary name in the same folder, ending in ``.tmp``, to be written by the caller. It becomes
        `path` when the block ends; after an exception it is removed and `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{process_namespace()}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        # The system names no file when a write fails, but whoever makes room must know where.
        if isinstance(error, OSError) and error.errno and error.filename in (None, temporary, str(temporary)):
            error.filename = str(path)
        raise


def temporary_sibling(folder: Path, what: str) -> Path:
    """Name a folder for a moment, such that it is swept if this process is killed."""
    return folder.with_name(f".{folder.name}.{what}.{process_namespace()}.{os.getpid()}.tmp")


def replace_folder(new: Path, folder: Path) -> None:
    """Put a folder in the place of what is there, which stays if that fails.

    Parameters
    ----------
    new : Path
        What is written already, see `temporary_sibling`; removed if it cannot be put there.
    folder : Path
        Where it shall be.

    Raises
    ------
    UserError
        If another process has put something there at this moment.
    """
    old = temporary_sibling(folder, "old")
    try:
        with suppress(FileNotFoundError):
            folder.rename(old)
        new.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        message = f"{folder}: another process has put a model there at this moment. Run this again."
        raise UserError(message) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically; a file that holds them already is left alone.

    Parameters
    ----------
    path : Path
        Where the file shall be.
    content : bytes
        What it shall hold.
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
        Where the file shall be.
    text : str
        What it shall hold.
    """
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: object) -> None:
    """Write JSON atomically: the same content gives the same bytes.

    Parameters
    ----------
    path : Path
        Where the file shall be.
    content : object
        Dictionaries with text keys, lists, numbers, text. Keys keep their order, so that a reader finds
        what matters first.

    Raises
    ------
    ValueError
        If there is a NaN or an infinity, which JSON does not know.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def remove_stale_files(folder: Path, *, below: bool = True) -> list[Path]:
    """Remove the temporary files and folders that killed processes left in a folder.

    Those of this machine go when their process is gone; those of other machines, whose processes cannot be
    seen from here, when nobody has written to them for a day.

    Parameters
    ----------
    folder : Path
        Where to look; may be absent. Others may remove files and folders in it at the same time.
    below : bool
        Whether to look in the folders in it too.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed = []
    for parent, folders, names in os.walk(folder):
        entries = sorted([*folders, *names])
        if not below:
            folders.clear()
        for path in (Path(parent, name) for name in entries):
            found = _TEMPORARY.match(path.name)
            if found is None:
                continue
            with suppress(OSError):
                if is_stale(found["place"], int(found["pid"]), path.stat().st_mtime):
                    if path.is_dir() and not path.is_symlink():
                        shutil.rmtree(path)
                    else:
                        path.unlink()
                    removed.append(path)
    return removed
