"""What the adapters to archives that are not BIDS have in common."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.connectome.inputs import RunInputs


@dataclass(frozen=True)
class Archive:
    """How an archive names people, and where their runs are.

    Attributes
    ----------
    title : str
    participant : pattern
        Of folders, with groups ``sub`` and perhaps ``ses``.
    example : str
        What such folders are called, for messages.
    marker : str
        A folder in such a folder that tells the archive from others.
    wanted : str
        What is looked for in such a folder, for messages.
    find : callable
        Runs in a folder, by file names alone; with the entities that tell them apart.
    read : callable
        What of such a run is to be used; refuses what is not in standard space.
    instead : callable
        What a folder without runs has in their place, in words; empty for nothing worth telling.
    """

    title: str
    participant: re.Pattern[str]
    example: str
    marker: str
    wanted: str
    find: Callable[[Path], list[tuple[Path, Entities]]]
    read: Callable[[Path, Entities], RunInputs]
    instead: Callable[[Path], str] = lambda _folder: ""


def names_in(folder: Path) -> list[str]:
    """List a folder, sorted; empty where there is none."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
