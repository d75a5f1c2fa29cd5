"""Folders and files of one participant, by names alone.

Preflight and sessions read the same lists, so that they agree on what exists.
"""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.bids.filenames import BidsName, Entities, parse_name, plain_value, sort_entities
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.text import explain_unreadable

# BIDS allows + in labels since 1.10; sub-01_old and sub- are no participants.
_LABEL = re.compile(r"[0-9A-Za-z+]+")


@dataclass(frozen=True)
class File:
    """File of a participant.

    Attributes
    ----------
    path : Path
    name : BidsName
        Parts of the file name.
    session : str or None
        Label of the ``ses-*`` folder, which may contradict the file name.
    """

    path: Path
    name: BidsName
    session: str | None

    def series(self, *ignored_keys: str) -> Entities:
        """Return the entities that identify the measurement within a session, in the order of BIDS.

        Participant, session, ``desc``, ``hash``, grid and `ignored_keys` are left out.

        Parameters
        ----------
        *ignored_keys : str
            Keys of further entities to leave out, e.g. ``run``.

        Returns
        -------
        tuple of (str, str)
            Keys and values.
        """
        return series_entities(self.name, *ignored_keys)

    @property
    def measurement(self) -> Entities:
        """Return `series` in a form that is equal for equivalent names: indices without leading zeros."""
        return tuple((key, plain_value(key, value)) for key, value in self.series())


def series_entities(name: BidsName, *ignored_keys: str) -> Entities:
    """Return the entities that identify the measurement within a session, in the order of BIDS.

    Parameters
    ----------
    name : BidsName
    *ignored_keys : str
        Keys of further entities to leave out, e.g. ``run``.

    Returns
    -------
    tuple of (str, str)
        Keys and values.

    Examples
    --------
    >>> series_entities(parse_name("sub-01_task-rest_run-1_hash-a1_desc-denoised_bold.nii.gz"))
    (('task', 'rest'), ('run', '1'))
    """
    table = load_table("queries.json")
    return sort_entities(
        name.entities_without(("sub", "ses", *table["processing"], *table["grid"], *ignored_keys))
    )


def is_label(text: str) -> bool:
    """Return whether a text is a BIDS label: letters, digits and ``+``.

    Parameters
    ----------
    text : str
        Value of an entity, e.g. of ``sub``.

    Examples
    --------
    >>> is_label("01"), is_label("A_01"), is_label("")
    (True, False, False)
    """
    return _LABEL.fullmatch(text) is not None


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a folder or a link to one; a link in a loop is none.

    Parameters
    ----------
    entry : os.DirEntry
    """
    try:
        return entry.is_dir()
    except OSError:
        return False


def list_folders(folder: Path) -> list[str]:
    """List the names of the subfolders of a folder, sorted.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        If the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if is_folder(entry))
    except OSError as error:
        raise InputError(_explain_folder(folder, error)) from error


def list_sessions(folders: Iterable[str]) -> tuple[list[str | None], list[str]]:
    """List the sessions of a participant, and ``ses-*`` folders without a BIDS label.

    Parameters
    ----------
    folders : iterable of str
        Names of the participant's subfolders.

    Returns
    -------
    sessions : list of (str or None)
        Labels, sorted; None stands for the files outside session folders.
    invalid_names : list of str
        Names of folders such as ``ses-1_a``.

    Examples
    --------
    >>> list_sessions(["anat", "ses-1", "ses-1_a"]), list_sessions(["func"])
    ((['1'], ['ses-1_a']), ([None], []))
    """
    names = sorted(folders)
    labels = [name.removeprefix("ses-") for name in names if name.startswith("ses-")]
    sessions: list[str | None] = [label for label in labels if is_label(label)]
    like_sessions = [name for name in names if re.match(r"ses[-_]", name.lower())]
    invalid_names = [name for name in like_sessions if name.removeprefix("ses-") not in sessions]
    if "func" in names or not (sessions or invalid_names):
        sessions.insert(0, None)
    return sessions, invalid_names


def functional_folder(root: Path, subject: str, session: str | None) -> Path:
    """Return the folder of a session's functional files, which may not exist.

    Parameters
    ----------
    root : Path
        Root of the dataset.
    subject : str
        Label without ``sub-``.
    session : str or None
        Label without ``ses-``; None for files outside session folders.

    Returns
    -------
    Path
    """
    folder = root / f"sub-{subject}"
    return (folder / f"ses-{session}" if session else folder) / "func"


def list_files(root: Path, subject: str, session: str | None) -> list[File] | None:
    """List the functional files of a session, sorted by name.

    Parameters
    ----------
    root : Path
        Root of the dataset.
    subject : str
        Label without ``sub-``.
    session : str or None
        Label without ``ses-``.

    Returns
    -------
    list of File or None
        None if the session has no folder of functional files.

    Raises
    ------
    InputError
        If the folder cannot be read.
    """
    folder = functional_folder(root, subject, session)
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(_explain_folder(folder, error)) from error
    return [File(folder / name, parse_name(name), session) for name in names]


def of_kind(files: Iterable[File], kind: str) -> list[File]:
    """Select the files of a kind of ``queries.json``.

    Parameters
    ----------
    files : iterable of File
    kind : str
        A key of ``files`` in ``data/queries.json``, e.g. ``mask``.

    Returns
    -------
    list of File
    """
    pattern = load_table("queries.json")["files"][kind]
    return [
        file
        for file in files
        if file.name.suffix in pattern["suffix"]
        and file.name.extension in pattern["extension"]
        and file.name.get("desc") == pattern.get("desc", file.name.get("desc"))
    ]


def require_target(path: Path) -> Path:
    """Return the path itself; refuse a link whose target does not exist, and a folder.

    Parameters
    ----------
    path : Path
        File, which may be a link.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the path is a broken link or a folder.
    """
    try:
        is_directory = stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        message = f"{path}: {explain_unreadable(path, error)}"
        raise InputError(message) from error
    if is_directory:
        message = f"{path}: is a folder, not a file.\nReplace it by the file of that name."
        raise InputError(message)
    return path


def _explain_folder(folder: Path, error: OSError) -> str:
    place = error.filename or folder
    if isinstance(error, PermissionError):
        return f"{place} cannot be read ({error.strerror}); check its permissions"
    return f"{folder}: {explain_unreadable(folder, error)}"
