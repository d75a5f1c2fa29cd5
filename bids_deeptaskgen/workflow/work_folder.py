"""Private work folder of a run, and the removal of those of ended runs."""

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from bids_deeptaskgen.io.atomic import finish, is_stale, make_folder, process_namespace
from bids_deeptaskgen.io.marked_folder import mark_folder
from bids_deeptaskgen.pipeline.records import CONNECTOMES
from bids_deeptaskgen.workflow.job_list import JobList
from bids_deeptaskgen.workflow.registrations import remove_registrations

logger = logging.getLogger("bids_deeptaskgen")

_PRIVATE = re.compile(r"^run-(?P<namespace>.+)-(?P<pid>\d+)$")


@contextlib.contextmanager
def private_folder(work: Path, *, keep: bool) -> Iterator[Path]:
    """Create a folder for this process only, and remove it at the end, together with an empty work folder.

    Folders of ended processes are removed as well, see `is_stale`, and their Slurm jobs are cancelled. Other
    users cannot read the folder, because nipype pickles its inputs there.

    Parameters
    ----------
    work : Path
        Work folder, which contains the new folder.
    keep : bool
        Keep the work folder even if it is empty, because the user chose it.

    Yields
    ------
    Path

    Raises
    ------
    UserError
        If the block raises an error and the folder was deleted.
    """
    folder = work / f"run-{process_namespace()}-{os.getpid()}"
    # An earlier process with the same number may have left such a folder, with records of another run.
    _end_jobs(folder)
    _remove(folder)
    try:
        # A signal may come as soon as there is a folder.
        make_folder(folder, 0o700)
        _remove_stale(work)
        with mark_folder(folder):
            yield folder
    finally:
        finish(lambda: _remove_folders(folder, work, keep=keep))


def _remove_stale(work: Path) -> None:
    for folder in work.glob("run-*"):
        name = _PRIVATE.match(folder.name)
        # Other processes may remove it at the same time, and that of another user cannot be read.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            last_written = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            is_left_behind = name and is_stale(name["namespace"], int(name["pid"]), last_written)
            if is_left_behind and _end_jobs(folder):
                _remove(folder)


def _end_jobs(folder: Path) -> bool:
    """Cancel the Slurm jobs of an ended run; return whether all have left the queue."""
    remaining = JobList(folder).end()
    if remaining:
        names = " ".join(sorted(remaining))
        logger.warning(
            "Slurm jobs of a run that has ended may still be in the queue: %s. Cancel them (scancel %s), and "
            "remove %s.",
            names, names, folder,
        )  # fmt: skip
    return not remaining


def _remove(folder: Path) -> None:
    """Remove a private folder, and the files in the output dataset of its jobs, which have ended."""
    remove_registrations(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _remove_folders(folder: Path, work: Path, *, keep: bool) -> None:
    """Remove the folder of this process, and empty parts of the work folder unless another run uses it."""
    # The list exists if jobs have not left the queue; the next run ends them.
    if not JobList(folder).path.exists():
        _remove(folder)
    # Another run that ends may remove the work folder at the same time.
    with contextlib.suppress(OSError):
        if next(work.glob("run-*"), None) is not None:
            return
        for empty_folder in (work / CONNECTOMES, *(() if keep else (work,))):
            with contextlib.suppress(OSError):
                empty_folder.rmdir()
