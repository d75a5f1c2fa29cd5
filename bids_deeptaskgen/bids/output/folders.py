"""Names in the folders of an output dataset, found by one scan of each folder."""

import os
from collections.abc import Iterable
from pathlib import Path


def missing_files(output_dir: Path, files: Iterable[str]) -> list[str]:
    """List the files that do not exist.

    A folder is scanned once, since a session has a hundred files and a cohort tens of thousands of sessions.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    files : iterable of str
        Paths relative to `output_dir`, with ``/``.

    Returns
    -------
    list of str
        Those that are neither a file nor a link to one, in the order of `files`.

    Raises
    ------
    OSError
        If a folder cannot be read.

    Examples
    --------
    >>> _ = (folder / "a.txt").write_text("")
    >>> missing_files(folder, ["a.txt", "b.txt", "func/a.txt"])
    ['b.txt', 'func/a.txt']
    """
    existing_names: dict[str, set[str]] = {}

    def exists(file: str) -> bool:
        folder, _, name = file.rpartition("/")
        if folder not in existing_names:
            existing_names[folder] = _list_files(f"{output_dir}/{folder}")
        return name in existing_names[folder]

    return [file for file in files if not exists(file)]


def list_names(folder: Path, prefix: str) -> list[str]:
    """List the names in a folder that begin with a prefix.

    Parameters
    ----------
    folder : Path
    prefix : str

    Returns
    -------
    list of str
        In no order; empty if the folder does not exist or may not be read.

    Raises
    ------
    OSError
        If the disk or network drive fails: results without this folder would silently differ from those of
        the next run.
    """
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.name.startswith(prefix)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def _list_files(folder: str) -> set[str]:
    """List the names of the files in a folder; none if it does not exist."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if _is_file(entry)}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _is_file(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_file()
    except OSError:
        # A link in a loop.
        return False
