"""Folder of a group run: files are written beside the dataset and moved into it when all are complete."""

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bids_deeptaskgen.group.earlier_files import RECORD, describe_files, recorded_files
from bids_deeptaskgen.io.atomic import (
    atomic_path,
    finish,
    make_folder,
    name_errors,
    remove_stale_files,
    temporary_sibling,
    write_json,
)
from bids_deeptaskgen.io.lock import file_lock
from bids_deeptaskgen.io.marked_folder import MARK, mark_folder, refuse_deleted

logger = logging.getLogger("bids_deeptaskgen")

# A run renames its files within seconds; one on another machine that was killed meanwhile blocks the next for
# this time.
_MAX_HELD_S = 300.0


def check_writable(output: Path) -> None:
    """Check that files can be written into a dataset, before anything is computed.

    Parameters
    ----------
    output : Path
        Root of the dataset.

    Raises
    ------
    OSError
        If they cannot.
    """
    for folder in (output, output / RECORD.parent):
        if folder.is_dir():
            temporary = temporary_sibling(folder / "group", "check")
            try:
                temporary.mkdir()
            finally:
                with suppress(FileNotFoundError):
                    temporary.rmdir()
        elif os.path.lexists(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


@contextmanager
def staging_folder(work_dir: Path, *, keep: bool = False) -> Iterator[Path]:
    """Create a temporary folder for the files of a run, and delete it at the end.

    Parameters
    ----------
    work_dir : Path
        Created if needed; deleted at the end if it is empty.
    keep : bool
        Keep the empty folder if it existed, because the user chose it.

    Yields
    ------
    Path
        Folder for files with the layout of the output dataset.

    Raises
    ------
    UserError
        If another program deletes the folder.
    """
    has_folder = keep and work_dir.is_dir()
    # A run that was killed leaves its files, and the folder that it created.
    if remove_stale_files(work_dir, recursive=False) and not any(work_dir.iterdir()):
        has_folder = False
    folder = temporary_sibling(work_dir / "group", "new")
    # An earlier process with the same number may have left it.
    shutil.rmtree(folder, ignore_errors=True)
    try:
        # A signal may come as soon as there is a folder.
        make_folder(folder)
        with name_errors(work_dir), mark_folder(folder):
            yield folder
    finally:
        finish(lambda: _remove_folders(folder, None if has_folder else work_dir))


def _remove_folders(folder: Path, work_dir: Path | None) -> None:
    """Remove the folder of this run, and the work folder if no other run uses it."""
    shutil.rmtree(folder, ignore_errors=True)
    if work_dir:
        with suppress(OSError):
            work_dir.rmdir()


def publish(staging: Path, output: Path, check: Callable[[], None] = lambda: None) -> list[Path]:
    """Move the files of a run into the dataset, and remove those of the run before that it does not replace.

    Two runs that end at the same time wait for each other: the files are those of the second.

    Parameters
    ----------
    staging : Path
        Complete files, with the layout of the output dataset; see `staging_folder`.
    output : Path
        Root of the dataset.
    check : callable
        Raises an error if the files of another run, which ended meanwhile, must be kept.

    Returns
    -------
    list of Path
        Files relative to `output`, sorted.

    Raises
    ------
    UserError
        If another program has deleted files of `staging`.
    """
    paths = [path for path in staging.rglob("*") if path.is_file() and path.name != MARK]
    files = sorted(path.relative_to(staging) for path in paths)
    (output / RECORD.parent).mkdir(parents=True, exist_ok=True)
    with _on_disk_of(output, staging) as folder, file_lock(output / RECORD, max_held_s=_MAX_HELD_S):
        check()
        refuse_deleted(staging)
        remove_stale_files(output, recursive=False)
        remove_stale_files(output / RECORD.parent)
        _refuse_folders(output, files)
        earlier_files = recorded_files(output)
        # If this process is killed between two files, the next run knows all of them.
        _write_record(output, earlier_files | set(files))
        for file in files:
            _move(folder / file, output / file)
        _remove(output, earlier_files - set(files))
        _write_record(output, set(files))
    return files


@contextmanager
def _on_disk_of(output: Path, staging: Path) -> Iterator[Path]:
    """Copy the files to the disk of the dataset, so that a full disk leaves the dataset unchanged."""
    target = output / RECORD.parent
    if _same_disk(staging, target):
        yield staging
        return
    folder = temporary_sibling(target / "group", "new")
    try:
        # Unlike copytree, which would go on after an error and hide its kind.
        for path in sorted(staging.rglob("*")):
            if path.is_file():
                copy = folder / path.relative_to(staging)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, copy)
        yield folder
    finally:
        finish(lambda: shutil.rmtree(folder, ignore_errors=True))


def _refuse_folders(output: Path, files: Sequence[Path]) -> None:
    """Refuse to replace a folder, before any file is replaced."""
    for file in files:
        if (output / file).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(output / file))


def _same_disk(first: Path, second: Path) -> bool:
    """Return whether files of the first folder can be renamed into the second.

    Device numbers do not suffice: two folders of a disk that are mounted into a container one by one have the
    same number, but no file can be renamed from one to the other.
    """
    source, target = (temporary_sibling(folder / "group", "probe") for folder in (first, second))
    source.mkdir()
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    finally:
        for probe in (source, target):
            with suppress(FileNotFoundError):
                probe.rmdir()
    return True


def _move(source: Path, target: Path) -> None:
    """Move a file atomically; a folder of the dataset may be a link to another disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with atomic_path(target) as temporary:
            shutil.move(source, temporary)


def _write_record(output: Path, files: set[Path]) -> None:
    write_json(output / RECORD, {"Files": [file.as_posix() for file in sorted(files)]})


def _remove(output: Path, files: set[Path]) -> None:
    """Remove files of the run before, and the folders of sets that no longer exist."""
    removed_files = {file for file in files if os.path.lexists(output / file)}
    for file in removed_files:
        (output / file).unlink()
    if removed_files:
        logger.warning(
            "Files of the run before that this run does not replace were removed: %s. To keep the results of "
            "a run, move %s before the next.",
            describe_files(removed_files), output / RECORD.parent,
        )  # fmt: skip
    parents = {folder for file in files for folder in file.parents} - {RECORD.parent, Path()}
    # Folders within others first.
    for parent in sorted(parents, reverse=True):
        folder = output / parent
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
