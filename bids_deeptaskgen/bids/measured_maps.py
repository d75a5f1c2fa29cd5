"""Measured task maps, wherever they come from, as a model is trained on them.

They are found by their names in what ``simulate`` and ``participant`` write, in FitLins' output (also in its
``node-*`` folders) and in that of nilearn's ``save_glm_to_bids``, or are listed in a table of paths.

Where a person has several files of a session and contrast, those in MNI152NLin6Asym come before those whose
name does not tell the space, ``res-2`` before other resolutions, and those of all runs before those of one.
What is still ambiguous then is refused.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bids_deeptaskgen.bids.filenames import BidsName, parse_name, same_label
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.connectome.template_warp import MODEL_SPACE
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.tsv import read_tsv
from bids_deeptaskgen.models.contrasts import Contrast, contrast_spellings, find_contrast

logger = logging.getLogger("bids_deeptaskgen")

_EXTENSIONS = (".nii.gz", ".nii")
_NO_MAPS_IN = ("figures", "anat", "fmap", "dwi")
_COLUMNS = ("participant_id", "contrast", "path")


@dataclass(frozen=True)
class StatmapFile:
    """The measured map of one contrast of a person.

    Attributes
    ----------
    subject : str
    session : str or None
    contrast : str
        The model's label, or what the file calls it where no contrasts were asked for.
    path : Path
    volume : int or None
        Number of the volume in a 4-D image.
    """

    subject: str
    session: str | None
    contrast: str
    path: Path
    volume: int | None = None

    @property
    def name(self) -> str:
        """Short name for messages, e.g. ``sub-01 ses-1 motorLf``."""
        return f"sub-{self.subject}" + (f" ses-{self.session}" if self.session else "") + f" {self.contrast}"


@dataclass(frozen=True)
class _Candidate:
    """A file, or a volume of one, and what its name says."""

    file: StatmapFile
    entities: Mapping[str, str] = field(default_factory=dict)


def find_statmaps(
    source: Path,
    contrasts: Sequence[Contrast] | None = None,
    *,
    stat: str = "z",
    only: Mapping[str, str] | None = None,
) -> list[StatmapFile]:
    """List the measured maps of a dataset or a table, at most one for each person, session and contrast.

    Parameters
    ----------
    source : Path
        Root of a dataset, or a TSV with columns ``participant_id``, ``contrast``, ``path`` (relative to the
        table) and, if there are sessions, ``session_id``.
    contrasts : sequence of Contrast, optional
        The model's: other maps are left out, and labels may be spelled in other ways (`find_contrast`).
        Without them, all maps under the labels that they have.
    stat : str
        Kind of statistic, as in ``stat-``.
    only : dict of str to str, optional
        Entities that names must have, e.g. ``{"desc": "measured"}``, to choose among several files of a
        contrast.

    Returns
    -------
    list of StatmapFile
        Sorted by subject, session and contrast.

    Raises
    ------
    InputError
        If there are none, or none of this statistic, space or contrast, or two files that could be meant.
    """
    if source.is_file():
        candidates = list(_listed(source))
    else:
        candidates = list(_in_dataset(source))
        if not candidates and measured_folder(source).is_dir():
            candidates = list(_in_dataset(measured_folder(source)))
    if not candidates:
        message = (
            f"{source}: no task maps were found (files sub-*_contrast-*_stat-{stat}_statmap.nii.gz in the "
            "folders of the people, or a TSV with the columns participant_id, contrast and path).\n"
            "Name the output of FitLins, of nilearn's save_glm_to_bids, or such a table."
        )
        raise InputError(message)
    for key, value in ({"stat": stat} | dict(only or {})).items():
        candidates = _having(candidates, key, value, source)
    if contrasts is not None:
        candidates = _of_the_model(candidates, contrasts, source)
    meant: dict[tuple[str, str, str], list[_Candidate]] = {}
    for one in candidates:
        key = (one.file.subject, one.file.session or "", one.file.contrast)
        meant.setdefault(key, []).append(one)
    return [_the_one(meant[key]) for key in sorted(meant)]


def _in_dataset(root: Path) -> Iterator[_Candidate]:
    """Go through the folders of people, and those in the nodes of FitLins."""
    for top in (root, *sorted(root.glob("node-*"))):
        for participant in sorted(top.glob("sub-*")):
            for folder, below, files in os.walk(participant):
                below[:] = [name for name in sorted(below) if name not in _NO_MAPS_IN]
                for file in sorted(files):
                    yield from _candidates(Path(folder, file), parse_name(file))


def _candidates(path: Path, name: BidsName) -> Iterator[_Candidate]:
    """Say what a file holds, by its name: a map, or those of several contrasts that its JSON lists."""
    entities = dict(name.entities)
    if name.suffix != "statmap" or name.extension not in _EXTENSIONS or "sub" not in entities:
        return
    if "contrast" in entities:
        labels: list[tuple[str, int | None]] = [(entities["contrast"], None)]
    else:
        labels = [(label, volume) for volume, label in enumerate(_volume_labels(sidecar_path(path)))]
    for label, volume in labels:
        file = StatmapFile(entities["sub"], entities.get("ses"), label, path, volume)
        yield _Candidate(file, entities)


def _volume_labels(sidecar: Path) -> list[str]:
    """Contrasts of the volumes of a 4-D image as ``--map-format 4d`` writes it; none of other files."""
    try:
        return [
            str(one["Label"]) for one in json.loads(sidecar.read_text("utf-8"))["DeepTaskGen"]["Contrasts"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _listed(table: Path) -> Iterator[_Candidate]:
    """Go through a table of paths; what it does not say is taken from the files' names."""
    rows = read_tsv(table)
    lacking = [name for name in _COLUMNS if rows and name not in rows[0]]
    if lacking:
        message = (
            f"{table}: has no column {', '.join(lacking)} (found: {', '.join(map(str, rows[0]))}).\n"
            f"A table of task maps is a TSV with {', '.join(_COLUMNS)} and, where wanted, session_id."
        )
        raise InputError(message)
    for number, row in enumerate(rows, 2):
        subject, label, path = ((row[name] or "").strip() for name in _COLUMNS)
        if not subject or not label or not path:
            message = f"{table}, line {number}: participant_id, contrast or path is empty.\nFill it in."
            raise InputError(message)
        found = table.parent / path
        if not found.is_file():
            message = f"{table}, line {number}: {found}: no such file.\nPaths are relative to the table."
            raise InputError(message)
        session = (row.get("session_id") or "").strip().removeprefix("ses-")
        file = StatmapFile(
            subject.removeprefix("sub-"), session if session not in ("", "n/a") else None, label, found
        )
        yield _Candidate(file, dict(parse_name(found.name).entities))


def _having(candidates: list[_Candidate], key: str, value: str, source: Path) -> list[_Candidate]:
    """Keep those whose name has an entity; all of a table must, unless their names say nothing of it."""
    is_table = source.is_file()
    unsaid = value if is_table else ""
    kept = [one for one in candidates if same_label(one.entities.get(key, unsaid), value)]
    if not kept or (is_table and len(kept) < len(candidates)):
        found = {f"{key}-{one.entities[key]}" if key in one.entities else f"no {key}-" for one in candidates}
        advice = "Train on z maps, as the published models were" if key == "stat" else "Choose one of these"
        message = (
            f"{source}: of {len(candidates)} task maps {len(kept) or 'none'} has {key}-{value} "
            f"(found: {', '.join(sorted(found))}).\n"
            f"{advice}, or name a table of paths (TSV) that lists the files that are meant."
        )
        raise InputError(message)
    return kept


def _of_the_model(
    candidates: list[_Candidate], contrasts: Sequence[Contrast], source: Path
) -> list[_Candidate]:
    """Keep those of the model's contrasts, under the model's labels."""
    spellings = contrast_spellings(contrasts)
    kept, others = [], set()
    for one in candidates:
        file = one.file
        label = find_contrast(spellings, file.contrast, one.entities.get("task", ""))
        if label is None:
            others.add(file.contrast)
            continue
        renamed = StatmapFile(file.subject, file.session, label, file.path, file.volume)
        kept.append(_Candidate(renamed, one.entities))
    shown = ", ".join(sorted(others)[:10]) + (", ..." if len(others) > 10 else "")
    if not kept:
        message = (
            f"{source}: the task maps are of other contrasts ({shown}) than those that are asked for or that "
            f"the model has ({', '.join(one.label for one in contrasts[:10])}"
            f"{', ...' if len(contrasts) > 10 else ''}).\n"
            "If only the labels differ, write the model's into a table of paths (TSV). To teach a model "
            "other contrasts, train a new head."
        )
        raise InputError(message)
    if others:
        logger.info("%s: maps of %d other contrasts are left out (%s).", source, len(others), shown)
    return kept


def _the_one(candidates: list[_Candidate]) -> StatmapFile:
    """Choose among the files of a person, session and contrast by the rules above."""
    first = candidates[0].file
    spaces = sorted({one.entities["space"] for one in candidates if "space" in one.entities})
    in_space = [one for one in candidates if one.entities.get("space", MODEL_SPACE) == MODEL_SPACE]
    if not in_space:
        message = (
            f"{first.name}: the task map is in space-{', space-'.join(spaces)} only ({first.path}); "
            f"{MODEL_SPACE} is wanted.\nRe-run fMRIPrep with --output-spaces {MODEL_SPACE}:res-2, and the "
            "task model on what it writes."
        )
        raise InputError(message)
    better: tuple[Callable[[_Candidate], bool], ...] = (
        lambda one: "space" in one.entities,
        lambda one: one.entities.get("res", "").lstrip("0") == "2",
        lambda one: "run" not in one.entities,
    )
    for is_better in better:
        in_space = [one for one in in_space if is_better(one)] or in_space
    if len(in_space) > 1:
        one, other = in_space[0], in_space[1]
        differing = sorted(set(one.entities.items()) ^ set(other.entities.items()))
        by = ", ".join(f"{key}-{value}" for key, value in differing) or "their folders"
        message = (
            f"{first.name}: {len(in_space)} task maps could be meant, e.g. {one.file.path} and "
            f"{other.file.path}, which differ by {by}.\nSay which by an entity, combine runs before, or name "
            "a table of paths (TSV) with one file for each."
        )
        raise InputError(message)
    return in_space[0].file


def measured_folder(out: Path) -> Path:
    """Give the folder of the measured task maps of a simulated dataset."""
    return out / "derivatives" / "measured"
