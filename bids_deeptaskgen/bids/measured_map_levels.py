"""Levels of task models: maps of single runs, of sessions, and of all data of a participant."""

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from bids_deeptaskgen.errors import abbreviate

logger = logging.getLogger("bids_deeptaskgen")

# In order of precedence: a map of more data replaces the maps of its parts.
LEVELS = ("subject", "session", "run")
_NODE = "node-"
# Beginnings of the words of which names of FitLins' nodes are made.
_BEGINNINGS = {"run": ("run",), "session": ("ses",), "subject": ("sub", "participant")}


def level_of(entities: Mapping[str, str], session: str | None, folder: Path) -> str:
    """Determine the level of a map.

    Parameters
    ----------
    entities : dict of str to str
        Entities of the file name.
    session : str or None
        Session of the map.
    folder : Path
        Folder that contains the participants' folders. FitLins names it after the level; this name decides,
        because the files of a participant with a single run have no ``run-`` at any level.

    Returns
    -------
    str
        One of ``LEVELS``.

    Examples
    --------
    >>> level_of({"run": "1"}, "1", Path("fitlins"))
    'run'
    >>> level_of({"ses": "1"}, "1", Path("fitlins"))
    'session'
    >>> level_of({"ses": "1"}, "1", Path("fitlins/node-subjectLevel"))
    'subject'
    """
    if folder.name.startswith(_NODE):
        words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", folder.name.removeprefix(_NODE))]
        for level, beginnings in _BEGINNINGS.items():
            if any(word.startswith(beginnings) for word in words):
                return level
    if "run" in entities:
        return "run"
    return "session" if session else "subject"


def log_levels(source: Path, levels: Iterable[tuple[str, str]], n_omitted: Mapping[str, int]) -> None:
    """Log which levels are used, and warn if they differ between participants.

    Parameters
    ----------
    source : Path
        Dataset or table.
    levels : iterable of (str, str)
        Participant label and level of each selected map.
    n_omitted : dict of str to int
        Number of maps that were left out, by their level.
    """
    subjects: dict[str, dict[str, None]] = {}
    for subject, level in levels:
        subjects.setdefault(level, {})[f"sub-{subject}"] = None
    used_levels = [level for level in LEVELS if level in subjects]
    if sum(n_omitted.values()):
        counts = ", ".join(f"{n_omitted[level]} of the {level} level" for level in LEVELS if n_omitted[level])
        logger.info(
            "%s: task maps of the %s level are used. Maps of the same contrasts are left out: %s.",
            source, " or ".join(used_levels), counts,
        )  # fmt: skip
    if len(used_levels) > 1:
        parts = "; ".join(f"{level}: {abbreviate(list(subjects[level]))}" for level in used_levels)
        logger.warning(
            "%s: the task maps are of different levels (%s). Maps of more data are less noisy, so scores and "
            "targets of these participants are not comparable. Compute the same level for all participants, "
            "or list the files to use in a table of paths (TSV).",
            source, parts,
        )  # fmt: skip
