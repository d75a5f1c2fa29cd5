"""Common parts of the adapters for archives outside BIDS."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.connectome.findings import Finding
from bids_deeptaskgen.connectome.inputs import RunInputs


@dataclass(frozen=True)
class Archive:
    """Naming scheme of an archive, and the functions that read its runs.

    Attributes
    ----------
    title : str
    participant : pattern
        Of the names of participants' folders, with a group ``sub`` and optionally ``ses``.
    example : str
        Examples of such folder names, for messages.
    marker : str
        Subfolder of a participant's folder that identifies the archive.
    pattern : str
        Paths of the series in a participant's folder, for messages.
    find : callable
        Returns the runs in a participant's folder with their entities, from file names alone.
    read : callable
        Returns the files of a run; raises InputError if the run is not in standard space.
    describe_alternative : callable
        Returns a description of unusable series in a folder without runs; empty for none.
    """

    title: str
    participant: re.Pattern[str]
    example: str
    marker: str
    pattern: str
    find: Callable[[Path], list[tuple[Path, Entities]]]
    read: Callable[[Path, Entities], RunInputs]
    describe_alternative: Callable[[Path], str] = lambda _folder: ""


def list_names(folder: Path) -> list[str]:
    """List the names in a folder, sorted; empty if the folder does not exist.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of str
        Names of files and folders, without their path.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def has_entry(path: Path) -> bool:
    """Return whether a file exists, or a link to a file, whose target may be missing.

    Parameters
    ----------
    path : Path
    """
    return os.path.lexists(path)


def explain_no_motion(bold: Path, motion: Path) -> tuple[Finding, ...]:
    """Describe that the motion parameters of a series are missing.

    Parameters
    ----------
    bold : Path
    motion : Path
        File that does not exist.

    Returns
    -------
    tuple of Finding
    """
    message = f"{motion}: no such file: the motion during {bold.name} is unknown. Fetch it from the archive."
    return (Finding("confounds_not_found", message),)
