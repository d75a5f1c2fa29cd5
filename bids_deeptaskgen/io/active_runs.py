"""Runs that write to a folder at present: each has a file in a folder for them, which other runs look for.

A run renews the time of its file every minute. The file of a process that was killed is old after ten
minutes, on any machine that has access to the folder; on the machine of that process, it is known at once.
"""

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from bids_deeptaskgen.io.atomic import is_stale, make_folder, process_namespace

# Name of the folder of the files.
RUNNING = ".running"
_RENEW_EVERY_S = 60.0
# Clocks of a cluster differ by less: its authentication (munge, Kerberos) refuses larger differences.
ENDED_AFTER_S = 600.0
_N_DIGITS = 16
# The names are those of temporary files, see `io.atomic`.
_NAME = re.compile(r"^\.(?P<label>[^.]+)\.(?P<namespace>[^.]+)\.(?P<pid>\d+)\.tmp$")


class ActiveRun(NamedTuple):
    """A run that writes to a folder.

    Attributes
    ----------
    path : Path
        Its file.
    label : str
        First digits of the hash of its settings.
    namespace : str
        Machine and container; see `process_namespace`.
    pid : int
        Number of its process.
    """

    path: Path
    label: str
    namespace: str
    pid: int

    def has_settings(self, settings_hash: str) -> bool:
        """Return whether the run has these settings and this model.

        Parameters
        ----------
        settings_hash : str
        """
        return self.label == settings_hash[:_N_DIGITS]


def active_runs(folder: Path) -> list[ActiveRun]:
    """List the runs that write to a folder, without those that have ended.

    Parameters
    ----------
    folder : Path
        Folder of their files; may not exist.

    Returns
    -------
    list of ActiveRun
        Sorted by name of the file.
    """
    return [run for run, is_active in _find_runs(folder) if is_active]


@contextmanager
def register_run(folder: Path, settings_hash: str) -> Iterator[Path]:
    """Register this process as a run that writes to a folder, while the block runs.

    The files of ended runs are removed.

    Parameters
    ----------
    folder : Path
        Folder of the files of runs; created if needed, and removed with the last of them.
    settings_hash : str
        Hash of the settings and the weights of the run.

    Yields
    ------
    Path
        The file of this run.
    """
    for run, is_active in _find_runs(folder):
        if not is_active:
            run.path.unlink(missing_ok=True)
    path = folder / f".{settings_hash[:_N_DIGITS]}.{process_namespace()}.{os.getpid()}.tmp"
    stop = threading.Event()
    thread = threading.Thread(target=_renew, args=(path, stop), daemon=True)
    try:
        # A signal may come as soon as there is a file.
        _create(path)
        thread.start()
        yield path
    finally:
        stop.set()
        if thread.is_alive():
            thread.join()
        path.unlink(missing_ok=True)
        # Other runs may have files there.
        with suppress(OSError):
            folder.rmdir()


def _create(path: Path) -> None:
    while True:
        # Between these two calls, another run that ends may remove the empty folder.
        make_folder(path.parent)
        with suppress(FileNotFoundError):
            path.touch()
            return


def _renew(path: Path, stop: threading.Event) -> None:
    """Update the time of the file of a run, or the file itself if it was deleted."""
    while not stop.wait(_RENEW_EVERY_S):
        # The folder may have been deleted, or the file server may not answer for a while.
        with suppress(OSError):
            path.touch()


def _find_runs(folder: Path) -> list[tuple[ActiveRun, bool]]:
    """List the runs that have a file, and whether they are active."""
    runs: list[tuple[ActiveRun, bool]] = []
    # A run that ends removes its file, and perhaps the folder, at the same time.
    with suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):
            if match := _NAME.match(path.name):
                run = ActiveRun(path, match["label"], match["namespace"], int(match["pid"]))
                with suppress(FileNotFoundError):
                    runs.append((run, _is_active(run, path.stat().st_mtime)))
    return runs


def _is_active(run: ActiveRun, renewed_s: float) -> bool:
    # The number of an ended process may be that of another one now.
    is_recent = time.time() - renewed_s <= ENDED_AFTER_S
    is_foreign = run.namespace != process_namespace()
    return is_recent and (is_foreign or not is_stale(run.namespace, run.pid, renewed_s))
