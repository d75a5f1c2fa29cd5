"""Selection of one measured map among several of a participant and contrast.

If a participant has maps of a contrast on several levels, those of one level are used: a map of the
participant takes precedence over maps of sessions, and these over maps of runs (`measured_map_levels`).
Levels are never averaged. If there are several files of a level, ``space-MNI152NLin6Asym`` takes precedence
over files without ``space-``, then ``res-2`` over other resolutions. Any ambiguity that remains is an error.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bids_deeptaskgen.bids.measured_map_levels import LEVELS, log_levels
from bids_deeptaskgen.connectome.template_warp import MODEL_SPACE
from bids_deeptaskgen.errors import InputError, abbreviate

logger = logging.getLogger("bids_deeptaskgen")


@dataclass(frozen=True)
class StatmapFile:
    """Measured map of one contrast of a participant.

    Attributes
    ----------
    subject : str
    session : str or None
    contrast : str
        The model's label; the label of the file if no contrasts were requested.
    path : Path
    volume : int or None
        Index of the volume in a 4-D image.
    """

    subject: str
    session: str | None
    contrast: str
    path: Path
    volume: int | None = None

    @property
    def name(self) -> str:
        """Return a short name for messages, e.g. ``sub-01 ses-1 motorLf``."""
        return f"sub-{self.subject}" + (f" ses-{self.session}" if self.session else "") + f" {self.contrast}"


@dataclass(frozen=True)
class Candidate:
    """Map among which the selection is made.

    Attributes
    ----------
    file : StatmapFile
        File, or a volume of a 4-D file.
    entities : dict of str to str
        Entities of the file name.
    level : str
        Level of the task model, see `level_of`.
    """

    file: StatmapFile
    entities: Mapping[str, str] = field(default_factory=dict)
    level: str = LEVELS[0]


def select(candidates: Sequence[Candidate], source: Path) -> list[StatmapFile]:
    """Select one file for each participant, session and contrast.

    Parameters
    ----------
    candidates : sequence of Candidate
    source : Path
        Dataset or table, for messages.

    Returns
    -------
    list of StatmapFile
        Sorted by subject, session and contrast; of one level for each participant and contrast.

    Raises
    ------
    InputError
        If no map is in the model's space, or several files of a map remain.
    """
    groups: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault((candidate.file.subject, candidate.file.contrast), []).append(candidate)
    selection: list[Candidate] = []
    n_omitted: Counter[str] = Counter()
    in_other_spaces: list[Candidate] = []
    for members in groups.values():
        in_space = [member for member in members if member.entities.get("space", MODEL_SPACE) == MODEL_SPACE]
        if not in_space:
            in_other_spaces.append(members[0])
            continue
        level = next(level for level in LEVELS if any(member.level == level for member in in_space))
        n_omitted.update(member.level for member in in_space if member.level != level)
        sessions: dict[str | None, list[Candidate]] = {}
        for member in in_space:
            if member.level == level:
                sessions.setdefault(member.file.session, []).append(member)
        selection += [_only_file(files) for files in sessions.values()]
    if in_other_spaces:
        _report_other_spaces(in_other_spaces, source, is_fatal=not selection)
    log_levels(source, [(candidate.file.subject, candidate.level) for candidate in selection], n_omitted)
    files = [candidate.file for candidate in selection]
    return sorted(files, key=lambda file: (file.subject, file.session or "", file.contrast))


def _report_other_spaces(candidates: Sequence[Candidate], source: Path, *, is_fatal: bool) -> None:
    """Name the participants whose maps are in other spaces only; refuse if no other participants remain."""
    first = candidates[0].file
    spaces = sorted({f"space-{candidate.entities['space']}" for candidate in candidates})
    remedy = f"Re-run fMRIPrep with --output-spaces {MODEL_SPACE}:res-2, and the task model on its output."
    if is_fatal:
        message = (
            f"{first.name}: the task map is in {', '.join(spaces)} only ({first.path}), but must be in "
            f"{MODEL_SPACE}.\n{remedy}"
        )
        raise InputError(message)
    subjects = sorted({f"sub-{candidate.file.subject}" for candidate in candidates})
    logger.warning(
        "%s: task maps of %s are in %s only, e.g. %s, and are left out, since maps must be in %s. %s",
        source, abbreviate(subjects), ", ".join(spaces), first.path, MODEL_SPACE, remedy,
    )  # fmt: skip


def _only_file(candidates: list[Candidate]) -> Candidate:
    """Return the file of a participant, session, contrast and level; refuse several."""
    for has_precedence in (_has_space, _is_2mm):
        candidates = [candidate for candidate in candidates if has_precedence(candidate)] or candidates
    if len(candidates) == 1:
        return candidates[0]
    first, second = candidates[:2]
    count = "two" if len(candidates) == 2 else len(candidates)
    differing_entities = sorted(set(first.entities.items()) ^ set(second.entities.items()))
    differences = ", ".join(f"{key}-{value}" for key, value in differing_entities)
    if {key for key, _ in differing_entities} == {"run"}:
        remedy = (
            "Compute a map over all runs in the task model (in FitLins a node that groups by subject), or "
            "name a table of paths (TSV) with one run of each participant."
        )
    elif {key for key, _ in differing_entities} == {"task"}:
        remedy = (
            "Choose the task of the resting-state runs with `task_id`, if the command has this option, or "
            "name a table of paths (TSV) with one file for each map."
        )
    elif first.file.path == second.file.path:
        remedy = (
            "The table lists this file twice. Remove one row, or correct it if it is for another "
            "participant, session or contrast."
        )
    else:
        remedy = (
            "Keep only one of them in that folder, or name a table of paths (TSV) with one file for each map."
        )
    message = (
        f"{first.file.name}: {count} files for one map: {first.file.path} and {second.file.path}"
        + (f", which differ by {differences}" if differences else "")
        + f".\n{remedy}"
    )
    raise InputError(message)


def _has_space(candidate: Candidate) -> bool:
    return "space" in candidate.entities


def _is_2mm(candidate: Candidate) -> bool:
    return candidate.entities.get("res", "").lstrip("0") == "2"
