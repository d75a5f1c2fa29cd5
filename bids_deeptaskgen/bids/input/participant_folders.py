"""Folders of participants, and what looks like one but cannot be used."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.bids.input.layout import is_folder, is_label
from bids_deeptaskgen.io.text import explain_unreadable

# BABS and some archives keep each participant as one compressed file.
_COMPRESSED = re.compile(r"sub-(?P<label>[0-9A-Za-z+]+)(_.*)?\.(tar|tar\.gz|tgz|zip|7z)")


@dataclass(frozen=True)
class ParticipantFolders:
    """Entries in the root of a dataset that stand for participants.

    Attributes
    ----------
    usable : list of str
        Names of folders, ``sub-`` and a label, sorted.
    unusable : dict of str to str
        Reasons by name: folders without a BIDS label, broken links, participants that exist only as an
        archive file.
    """

    usable: list[str]
    unusable: dict[str, str]


def scan_participants(folder: Path) -> ParticipantFolders:
    """List the participants' folders of a dataset, and what cannot be used as one.

    Parameters
    ----------
    folder : Path
        Root of a dataset.

    Returns
    -------
    ParticipantFolders
        Empty if the root cannot be read.
    """
    usable: list[str] = []
    unusable: dict[str, str] = {}
    archive_files: dict[str, str] = {}
    try:
        with os.scandir(folder) as entries:
            candidates = sorted(
                (entry for entry in entries if re.match(r"sub[-_]", entry.name.lower())),
                key=lambda entry: entry.name,
            )
            for entry in candidates:
                path = folder / entry.name
                if is_folder(entry):
                    if is_participant_folder(entry.name):
                        usable.append(entry.name)
                    else:
                        unusable[entry.name] = explain_no_label(path, "sub-")
                elif is_participant_folder(entry.name) and entry.is_symlink() and not path.is_file():
                    unusable[entry.name] = _explain_link(path)
                elif match := _COMPRESSED.fullmatch(entry.name):
                    archive_files.setdefault(f"sub-{match['label']}", entry.name)
    except OSError:
        return ParticipantFolders([], {})
    for name, file_name in archive_files.items():
        if name not in usable:
            unusable.setdefault(name, f"only an archive file, {folder / file_name}; unpack it to {name}")
    return ParticipantFolders(usable, unusable)


def is_participant_folder(folder_name: str) -> bool:
    """Return whether a folder name is that of a participant: ``sub-01`` is, ``sub-01_old`` is not.

    Parameters
    ----------
    folder_name : str
        Name without its path; the folder need not exist.

    Examples
    --------
    >>> is_participant_folder("sub-01"), is_participant_folder("sub-01_old")
    (True, False)
    """
    return folder_name.startswith("sub-") and is_label(folder_name.removeprefix("sub-"))


def list_participant_folders(folder: Path) -> list[str]:
    """List the names of participants' folders, ``sub-`` and a label, sorted; empty if unreadable.

    Parameters
    ----------
    folder : Path
        Root of a dataset.

    Returns
    -------
    list of str
        Names with ``sub-``, without their path.
    """
    return scan_participants(folder).usable


def explain_no_label(folder: Path, prefix: str) -> str:
    """Explain that the name of a folder is no BIDS label, and what to do.

    Parameters
    ----------
    folder : Path
    prefix : str
        ``sub-`` or ``ses-``.

    Returns
    -------
    str
    """
    label = re.sub(r"[^0-9A-Za-z+]", "", re.sub(r"(?i)^(sub|ses)[-_]", "", folder.name))
    advice = f"rename it and its files, e.g. {prefix}{label}, " if label else ""
    return (
        f"not a BIDS label: {folder} (a label after {prefix} has letters, digits and + only); "
        f"{advice or 'rename it '}or move it out of the dataset"
    )


def _explain_link(path: Path) -> str:
    try:
        path.stat()
    except OSError as error:
        return f"{path}: " + "; ".join(explain_unreadable(path, error).splitlines())
    return f"{path}: is a link, but not to a folder"
