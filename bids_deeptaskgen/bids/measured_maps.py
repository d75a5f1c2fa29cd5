"""Measured task maps of a dataset or a table, as training and evaluation use them.

File names identify the maps that ``simulate`` and ``participant`` write, those of FitLins (also in its
``node-*`` folders) and those of nilearn's ``save_glm_to_bids``. A table of paths may list files of any name.

`measured_map_selection` selects one file if a participant has several of a contrast.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bids_deeptaskgen.bids.filenames import BidsName, parse_name, same_label
from bids_deeptaskgen.bids.measured_map_levels import level_of
from bids_deeptaskgen.bids.measured_map_selection import Candidate, StatmapFile, select
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.participant_ids import bare_label
from bids_deeptaskgen.bids.participants_table import require_id_column
from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.io.text_table import is_missing
from bids_deeptaskgen.io.tsv import read_tsv
from bids_deeptaskgen.models.contrasts import Contrast, contrast_spellings, find_contrast

logger = logging.getLogger("bids_deeptaskgen")

_EXTENSIONS = (".nii.gz", ".nii")
_FOLDERS_WITHOUT_MAPS = ("figures", "anat", "fmap", "dwi")
_COLUMNS = ("participant_id", "contrast", "path")


def find_statmaps(
    source: Path,
    contrasts: Sequence[Contrast] | None = None,
    *,
    stat: str = "z",
    entities: Mapping[str, str] | None = None,
    session: str | None = None,
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
    session : str, optional
        Label of the session to use; maps over sessions are then left out.

    Returns
    -------
    list of StatmapFile
        Sorted by subject, session and contrast. Participants without a map in the model's space, or of this
        statistic, are named in the log.

    Raises
    ------
    InputError
        If there are no maps, or none of this statistic, space, session or contrast, or two files are
        ambiguous.
    """
    if source.is_file():
        candidates = list(_in_table(source))
        _refuse_shared_files(candidates, source)
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
    if session is not None:
        candidates = _filter_by_session(candidates, session, source)
    return select(candidates, source)


def _in_dataset(root: Path) -> Iterator[Candidate]:
    """Yield the maps in the folders of participants, and in those of FitLins' nodes."""
    for top in (root, *sorted(root.glob("node-*"))):
        for participant in sorted(top.glob("sub-*")):
            for folder, subfolders, files in os.walk(participant):
                subfolders[:] = [name for name in sorted(subfolders) if name not in _FOLDERS_WITHOUT_MAPS]
                for file in sorted(files):
                    yield from _candidates(Path(folder, file), parse_name(file), top)


def _candidates(path: Path, name: BidsName, top: Path) -> Iterator[Candidate]:
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
        yield Candidate(file, entities, level_of(entities, file.session, top))


def _volume_labels(sidecar: Path) -> list[str]:
    """Return the contrasts of the volumes of an image that ``--map-format 4d`` wrote; empty for others."""
    if not os.path.lexists(sidecar):
        return []
    try:
        content = read_json(sidecar)
    except InputError as error:
        logger.warning("%s\nThe maps of that image are left out, since this file lists them.", error)
        return []
    try:
        return [str(entry["Label"]) for entry in content["DeepTaskGen"]["Contrasts"]]
    except (KeyError, TypeError):
        return []


def _in_table(table: Path) -> Iterator[Candidate]:
    """Yield the maps of a table of paths; file names provide the entities that the table lacks."""
    rows = read_tsv(table)
    id_column = require_id_column(table, tuple(rows[0])) if rows else ""
    missing_columns = [name for name in _COLUMNS[1:] if rows and name not in rows[0]]
    if missing_columns:
        message = (
            f"{table}: has no column {', '.join(missing_columns)} (found: {', '.join(map(str, rows[0]))}).\n"
            f"A table of task maps is a TSV with {', '.join(_COLUMNS)} and, with sessions, session_id."
        )
        raise InputError(message)
    for line, row in enumerate(rows, 2):
        subject, label, relative_path = (row[name] for name in (id_column, *_COLUMNS[1:]))
        if any(map(is_missing, (subject, label, relative_path))):
            message = f"{table}, line {line}: participant_id, contrast or path is empty.\nAdd the value."
            raise InputError(message)
        path = table.parent / relative_path
        if not path.is_file():
            message = f"{table}, line {line}: {path}: no such file.\nPaths must be relative to the table."
            raise InputError(message)
        session = row.get("session_id", "").removeprefix("ses-")
        file = StatmapFile(bare_label(subject), None if is_missing(session) else session, label, path)
        entities = dict(parse_name(path.name).entities)
        top = next((folder for folder in path.parents if folder.name.startswith("node-")), path.parent)
        yield Candidate(file, entities, level_of(entities, file.session, top))


def _refuse_shared_files(candidates: Sequence[Candidate], table: Path) -> None:
    """Refuse a table that lists a file for two participants or two contrasts."""
    by_path: dict[str, StatmapFile] = {}
    for candidate in candidates:
        file = candidate.file
        first = by_path.setdefault(os.path.realpath(file.path), file)
        if (first.subject, first.contrast) != (file.subject, file.contrast):
            message = (
                f"{table}: lists one file for {first.name} and for {file.name}: {file.path}.\n"
                "Correct the path in one of the rows."
            )
            raise InputError(message)


def _filter_by_entity(candidates: list[Candidate], key: str, value: str, source: Path) -> list[Candidate]:
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
    _warn_unmatched(candidates, matches, f"{key}-{value}", source)
    return matches


def _warn_unmatched(
    candidates: Sequence[Candidate], matches: Sequence[Candidate], selection: str, source: Path
) -> None:
    """Name the participants whose maps of a contrast lack an entity that those of others have."""
    keys = {(candidate.file.subject, candidate.file.contrast) for candidate in matches}
    contrasts = {contrast for _, contrast in keys}
    unmatched = [
        candidate.file
        for candidate in candidates
        if candidate.file.contrast in contrasts
        and (candidate.file.subject, candidate.file.contrast) not in keys
    ]
    if unmatched:
        logger.warning(
            "%s: some participants have no task map with %s, so their maps are left out: %s. Found instead, "
            "for example: %s.",
            source,
            selection,
            abbreviate(sorted({f"sub-{file.subject}" for file in unmatched})),
            unmatched[0].path,
        )


def _filter_by_session(candidates: list[Candidate], session: str, source: Path) -> list[Candidate]:
    """Keep the candidates of a session."""
    matches = [
        candidate
        for candidate in candidates
        if candidate.file.session is not None and same_label(candidate.file.session, session)
    ]
    if not matches:
        sessions = sorted(
            {
                f"ses-{candidate.file.session}" if candidate.file.session else "none"
                for candidate in candidates
            }
        )
        message = (
            f"{source}: no task map is of session {session} (found: {abbreviate(sessions)}).\n"
            "Choose one of these sessions, or another dataset."
        )
        raise InputError(message)
    return matches


def _filter_by_contrasts(
    candidates: list[Candidate], contrasts: Sequence[Contrast], source: Path
) -> list[Candidate]:
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
        matches.append(replace(candidate, file=with_label))
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
