"""Measured task maps of a dataset or a table, as training and evaluation use them.

File names identify the maps that ``simulate`` and ``participant`` write, those of FitLins (also in its
``node-*`` folders) and those of nilearn's ``save_glm_to_bids``. A table of paths may list files of any name.

If a participant has several files of a session and contrast, maps with ``space-MNI152NLin6Asym`` take
precedence over maps without ``space-``, then ``res-2`` over other resolutions, then maps over all runs over
maps of single runs. Any ambiguity that remains is an error.
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
_FOLDERS_WITHOUT_MAPS = ("figures", "anat", "fmap", "dwi")
_COLUMNS = ("participant_id", "contrast", "path")


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
class _Candidate:
    """File, or a volume of a 4-D file, and the entities of its name."""

    file: StatmapFile
    entities: Mapping[str, str] = field(default_factory=dict)


def find_statmaps(
    source: Path,
    contrasts: Sequence[Contrast] | None = None,
    *,
    stat: str = "z",
    entities: Mapping[str, str] | None = None,
) -> list[StatmapFile]:
    """List the measured maps of a dataset or a table, at most one for each participant, session and contrast.

    Parameters
    ----------
    source : Path
        Root of a dataset, or a TSV with columns ``participant_id``, ``contrast``, ``path`` (relative to the
        table) and, with sessions, ``session_id``.
    contrasts : sequence of Contrast, optional
        Contrasts of the model: other maps are left out, and labels may have other spellings
        (`find_contrast`). Without them, all maps are listed under the labels of their files.
    stat : str
        Kind of statistic, as in ``stat-``.
    entities : dict of str to str, optional
        Entities that names must have, e.g. ``{"desc": "measured"}``, to select one of several files of a
        contrast.

    Returns
    -------
    list of StatmapFile
        Sorted by subject, session and contrast.

    Raises
    ------
    InputError
        If there are no maps, or none of this statistic, space or contrast, or two files are ambiguous.
    """
    if source.is_file():
        candidates = list(_in_table(source))
    else:
        candidates = list(_in_dataset(source))
        if not candidates and measured_folder(source).is_dir():
            candidates = list(_in_dataset(measured_folder(source)))
    if not candidates:
        message = (
            f"{source}: no task maps were found (files sub-*_contrast-*_stat-{stat}_statmap.nii.gz in the "
            "folders of the participants, or a TSV with the columns participant_id, contrast and path).\n"
            "Name the output of FitLins, of nilearn's save_glm_to_bids, or such a table."
        )
        raise InputError(message)
    for key, value in ({"stat": stat} | dict(entities or {})).items():
        candidates = _filter_by_entity(candidates, key, value, source)
    if contrasts is not None:
        candidates = _filter_by_contrasts(candidates, contrasts, source)
    groups: dict[tuple[str, str, str], list[_Candidate]] = {}
    for candidate in candidates:
        file = candidate.file
        groups.setdefault((file.subject, file.session or "", file.contrast), []).append(candidate)
    return [_select(groups[key]) for key in sorted(groups)]


def _in_dataset(root: Path) -> Iterator[_Candidate]:
    """Yield the maps in the folders of participants, and in those of FitLins' nodes."""
    for top in (root, *sorted(root.glob("node-*"))):
        for participant in sorted(top.glob("sub-*")):
            for folder, subfolders, files in os.walk(participant):
                subfolders[:] = [name for name in sorted(subfolders) if name not in _FOLDERS_WITHOUT_MAPS]
                for file in sorted(files):
                    yield from _candidates(Path(folder, file), parse_name(file))


def _candidates(path: Path, name: BidsName) -> Iterator[_Candidate]:
    """Yield the map of a file by its name, or the maps of several contrasts that its sidecar lists."""
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
    """Return the contrasts of the volumes of an image that ``--map-format 4d`` wrote; empty for others."""
    try:
        entries = json.loads(sidecar.read_text("utf-8"))["DeepTaskGen"]["Contrasts"]
        return [str(entry["Label"]) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _in_table(table: Path) -> Iterator[_Candidate]:
    """Yield the maps of a table of paths; file names provide the entities that the table lacks."""
    rows = read_tsv(table)
    missing_columns = [name for name in _COLUMNS if rows and name not in rows[0]]
    if missing_columns:
        message = (
            f"{table}: has no column {', '.join(missing_columns)} (found: {', '.join(map(str, rows[0]))}).\n"
            f"A table of task maps is a TSV with {', '.join(_COLUMNS)} and, with sessions, session_id."
        )
        raise InputError(message)
    for line, row in enumerate(rows, 2):
        subject, label, relative_path = ((row[name] or "").strip() for name in _COLUMNS)
        if not subject or not label or not relative_path:
            message = f"{table}, line {line}: participant_id, contrast or path is empty.\nAdd the value."
            raise InputError(message)
        path = table.parent / relative_path
        if not path.is_file():
            message = f"{table}, line {line}: {path}: no such file.\nPaths must be relative to the table."
            raise InputError(message)
        session = (row.get("session_id") or "").strip().removeprefix("ses-")
        file = StatmapFile(
            subject.removeprefix("sub-"), session if session not in ("", "n/a") else None, label, path
        )
        yield _Candidate(file, dict(parse_name(path.name).entities))


def _filter_by_entity(candidates: list[_Candidate], key: str, value: str, source: Path) -> list[_Candidate]:
    """Keep the candidates with an entity in their name.

    All files of a table must have the entity, or lack its key.
    """
    is_table = source.is_file()
    default = value if is_table else ""
    matches = [
        candidate for candidate in candidates if same_label(candidate.entities.get(key, default), value)
    ]
    if not matches or (is_table and len(matches) < len(candidates)):
        labels = {
            f"{key}-{candidate.entities[key]}" if key in candidate.entities else f"no {key}-"
            for candidate in candidates
        }
        remedy = "Use z maps, as the published models do" if key == "stat" else "Choose one of these"
        message = (
            f"{source}: of {len(candidates)} task maps {len(matches) or 'none'} has {key}-{value} "
            f"(found: {', '.join(sorted(labels))}).\n"
            f"{remedy}, or name a table of paths (TSV) that lists the files to use."
        )
        raise InputError(message)
    return matches


def _filter_by_contrasts(
    candidates: list[_Candidate], contrasts: Sequence[Contrast], source: Path
) -> list[_Candidate]:
    """Keep the candidates of the model's contrasts, under the model's labels."""
    spellings = contrast_spellings(contrasts)
    matches, other_contrasts = [], set()
    for candidate in candidates:
        file = candidate.file
        label = find_contrast(spellings, file.contrast, candidate.entities.get("task", ""))
        if label is None:
            other_contrasts.add(file.contrast)
            continue
        with_label = StatmapFile(file.subject, file.session, label, file.path, file.volume)
        matches.append(_Candidate(with_label, candidate.entities))
    examples = ", ".join(sorted(other_contrasts)[:10]) + (", ..." if len(other_contrasts) > 10 else "")
    if not matches:
        message = (
            f"{source}: the task maps are of other contrasts ({examples}) than those requested or those of "
            f"the model ({', '.join(contrast.label for contrast in contrasts[:10])}"
            f"{', ...' if len(contrasts) > 10 else ''}).\n"
            "If only the labels differ, use the model's labels in a table of paths (TSV). To add other "
            "contrasts to a model, train a new head."
        )
        raise InputError(message)
    if other_contrasts:
        logger.info(
            "%s: maps of %d other contrasts are left out (%s).", source, len(other_contrasts), examples
        )
    return matches


def _select(candidates: list[_Candidate]) -> StatmapFile:
    """Select one file of a participant, session and contrast by the precedence of the module docstring."""
    first = candidates[0].file
    spaces = sorted(
        {candidate.entities["space"] for candidate in candidates if "space" in candidate.entities}
    )
    in_space = [
        candidate for candidate in candidates if candidate.entities.get("space", MODEL_SPACE) == MODEL_SPACE
    ]
    if not in_space:
        message = (
            f"{first.name}: the task map is in space-{', space-'.join(spaces)} only ({first.path}), but must "
            f"be in {MODEL_SPACE}.\nRe-run fMRIPrep with --output-spaces {MODEL_SPACE}:res-2, and the task "
            "model on its output."
        )
        raise InputError(message)
    criteria: tuple[Callable[[_Candidate], bool], ...] = (
        lambda candidate: "space" in candidate.entities,
        lambda candidate: candidate.entities.get("res", "").lstrip("0") == "2",
        lambda candidate: "run" not in candidate.entities,
    )
    for meets_criterion in criteria:
        in_space = [candidate for candidate in in_space if meets_criterion(candidate)] or in_space
    if len(in_space) > 1:
        first_entities, second_entities = (set(candidate.entities.items()) for candidate in in_space[:2])
        differing_entities = sorted(first_entities ^ second_entities)
        differences = ", ".join(f"{key}-{value}" for key, value in differing_entities) or "their folders"
        message = (
            f"{first.name}: {len(in_space)} task maps are ambiguous, e.g. {in_space[0].file.path} and "
            f"{in_space[1].file.path}, which differ by {differences}.\nSelect one by an entity, combine runs "
            "in the task model, or name a table of paths (TSV) with one file for each map."
        )
        raise InputError(message)
    return in_space[0].file


def measured_folder(out: Path) -> Path:
    """Return the folder of the measured task maps of a simulated dataset.

    Parameters
    ----------
    out : Path
        Root of the simulated dataset; need not exist.

    Returns
    -------
    Path
    """
    return out / "derivatives" / "measured"
