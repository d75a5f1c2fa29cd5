"""Results in an output dataset, read from its completion records without an index."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import Entities, parse_name
from bids_deeptaskgen.bids.output.completion import Maps, parse_maps
from bids_deeptaskgen.bids.output.folders import list_names, missing_files
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.connectome.qc_verdicts import single_value
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.file_content import COPY_AGAIN
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.io.nifti_reader import check_orientation, load_image
from bids_deeptaskgen.io.text import explain_unreadable

# Entities of a participant's sessions and runs, over which maps are averaged.
_REPEATED_KEYS = ("sub", "ses", "run", "dir", "desc")
# A re-run keeps finished maps, so a damaged one must be deleted first.
_REMEDY = "Delete it and re-run this participant."
# End of the names of completion records; see ``data/outputs.json``.
_RECORD_ENDING = "_desc-qc_metrics.json"
# Ends of the names of predicted maps and their sidecars; see ``data/outputs.json``.
_MAP_ENDINGS = ("_desc-predicted_statmap.nii.gz", "_desc-predicted_statmap.json")


@dataclass(frozen=True)
class Result:
    """Complete session of a participant.

    Attributes
    ----------
    subject : str
    session : str or None
    entities : tuple of (str, str)
        All entities of its file names except ``sub``, ``ses`` and ``desc``.
    metrics : dict
        Quality metrics, one number each; values of runs are summed.
    settings_hash : str
        Hash of the settings and the weights.
    flags : tuple of str
        Names of its quality flags.
    series_hashes : tuple of str
        Hash of the data of each run; empty in files of earlier versions.
    maps : Maps
        Labels of its predicted maps. Paths follow from the labels; they would take too much memory for tens
        of thousands of participants.
    """

    subject: str
    session: str | None
    entities: Entities
    metrics: dict[str, Any]
    settings_hash: str
    maps: Maps
    flags: tuple[str, ...] = ()
    series_hashes: tuple[str, ...] = ()

    @property
    def series(self) -> Entities:
        """Return the entities that participants share: those that do not number sessions and runs."""
        return tuple(pair for pair in self.entities if pair[0] not in _REPEATED_KEYS)

    @property
    def run_name(self) -> str:
        """Return the name of a run with its own maps, e.g. ``dir-AP run-1``; empty if runs are combined."""
        return " ".join(f"{key}-{value}" for key, value in self.entities if key in ("run", "dir"))

    @property
    def row_labels(self) -> dict[str, str | None]:
        """Return the labels that identify its row in a table; None for entities that it lacks."""
        return {
            "participant_id": f"sub-{self.subject}",
            "session_id": f"ses-{self.session}" if self.session else None,
            "run": self.run_name or None,
        }

    def statmap(self, output_dir: Path, contrast: str, kind: str = "statmap") -> Path:
        """Return the path of the image with the predicted map of a contrast.

        Parameters
        ----------
        output_dir : Path
            Root of the dataset.
        contrast : str
            Label of the contrast; ignored for a 4-D image.
        kind : {"statmap", "window_sd", "bootstrap_sd"}
            The map, or its standard deviation over windows or resamples.

        Returns
        -------
        Path
        """
        is_3d = self.maps.layout == "3d"
        return output_path(
            output_dir,
            kind if is_3d else f"{kind}s",
            subject=self.subject,
            session=self.session,
            entities=self.entities,
            **({"contrast": contrast} if is_3d else {}),
        )

    def path(self, output_dir: Path, kind: str) -> Path:
        """Return the path of a table or other file of the session.

        Parameters
        ----------
        output_dir : Path
            Root of the dataset.
        kind : str
            See `output_path`.

        Returns
        -------
        Path
        """
        return output_path(
            output_dir, kind, subject=self.subject, session=self.session, entities=self.entities
        )

    def read(self, output_dir: Path, contrasts: Sequence[str], kind: str = "statmap") -> NDArray[np.float32]:
        """Read predicted maps.

        Parameters
        ----------
        output_dir : Path
            Root of the dataset.
        contrasts : sequence of str
            Labels among those of `maps`.
        kind : str
            See `statmap`.

        Returns
        -------
        float32 array of shape (n_contrasts, 91, 109, 91)
            In the units of the model.

        Raises
        ------
        InputError
            If an image cannot be read or is on another grid.
        """
        if self.maps.layout == "3d":
            return np.stack([_read_map(self.statmap(output_dir, contrast, kind)) for contrast in contrasts])
        indices = [self.maps.contrasts.index(contrast) for contrast in contrasts]
        # One slice, since each read of a volume decompresses all volumes that precede it.
        volumes = _read_map(self.statmap(output_dir, "", kind), slice(min(indices), max(indices) + 1))
        return np.stack([volumes[..., index - min(indices)] for index in indices])


@dataclass(frozen=True)
class ResultFault:
    """Maps of a session that cannot be used.

    Attributes
    ----------
    subject : str
    session : str or None
    contrasts : tuple of str
        Labels of these maps; empty for all maps of the session.
    reason : str
        Path, problem and solution.
    """

    subject: str
    session: str | None
    contrasts: tuple[str, ...]
    reason: str


def _read_map(path: Path, volumes: slice | None = None) -> NDArray[np.float32]:
    """Read a map, or some volumes of a 4-D image along the last axis, in the order of ``OUTPUT_GRID``."""
    try:
        image = load_image(path)
        check_orientation(path, image.header)
        n_axes = 3 if volumes is None else 4
        if len(image.shape) != n_axes or (volumes is not None and image.shape[3] < volumes.stop):
            shape = "x".join(map(str, image.shape))
            message = f"{path}: has shape {shape}, not that of the maps.\n{_REMEDY}"
            raise InputError(message)
        return image.values_on(OUTPUT_GRID, volumes)
    except InputError as error:
        # Maps have no source to copy them from.
        raise InputError(str(error).replace(COPY_AGAIN, _REMEDY)) from error
    except ValueError as error:
        message = f"{path}: is not on the grid of the maps: {error}.\n{_REMEDY}"
        raise InputError(message) from error


def _completion_records(output_dir: Path, subject: str | None = None) -> Iterator[Path]:
    """Yield the completion records of a participant, or of all, in no order."""
    subjects = list_names(output_dir, "sub-") if subject is None else [f"sub-{subject}"]
    for label in subjects:
        folder = output_dir / label
        for session in ("", *list_names(folder, "ses-")):
            func = folder / session / "func"
            # The copy of a folder under another name holds the records, and paths, of the original.
            records = (name for name in list_names(func, f"{label}_") if name.endswith(_RECORD_ENDING))
            yield from (func / name for name in records)


def result_subjects(output_dir: Path, participants: Sequence[str] = ()) -> set[str]:
    """List the participants with a completion record.

    Parameters
    ----------
    output_dir : Path
        Root of a dataset that the participant level wrote.
    participants : sequence of str
        Labels of the participants to use; all if empty.

    Returns
    -------
    set of str
        Labels without ``sub-``.
    """
    return {
        str(parse_name(path.name).get("sub"))
        for subject in participants or (None,)
        for path in _completion_records(output_dir, subject)
    }


def settings_hashes(output_dir: Path, participants: Sequence[str] = ()) -> Iterator[tuple[Path, str]]:
    """Yield the hash of the settings of each complete session of a dataset.

    Parameters
    ----------
    output_dir : Path
        Root of a dataset that the participant level wrote.
    participants : sequence of str
        Labels of the participants to use, whose folders alone are read; all if empty.

    Yields
    ------
    path : Path
        The completion record.
    settings_hash : str
        Hash of the settings and the weights.
    """
    for subject in participants or (None,):
        for path in _completion_records(output_dir, subject):
            if (content := _read_record(path)) is not None:
                yield path, str(content["DeepTaskGen"]["SettingsHash"])


def read_results(output_dir: Path, participants: Sequence[str] = ()) -> list[Result]:
    """Read the completion records of a dataset.

    Parameters
    ----------
    output_dir : Path
        Root of a dataset that the participant level wrote.
    participants : sequence of str
        Labels of the participants to use; all if empty.

    Returns
    -------
    list of Result
        Sorted by file name. Maps that cannot be used are left out; see `read_dataset`.
    """
    return read_dataset(output_dir, participants)[0]


def read_dataset(
    output_dir: Path, participants: Sequence[str] = ()
) -> tuple[list[Result], list[ResultFault]]:
    """Read the completion records of a dataset, and list the maps that they promise but that cannot be used.

    Parameters
    ----------
    output_dir : Path
        Root of a dataset that the participant level wrote.
    participants : sequence of str
        Labels of the participants to use; all if empty.

    Returns
    -------
    list of Result
        Sorted by file name. Contrasts without content and sessions with a missing map are left out.
    list of ResultFault
        The maps that are left out.
    """
    results: list[Result] = []
    faults: list[ResultFault] = []
    # Participants share labels and settings: one copy of each saves memory.
    shared_values: dict[Any, Any] = {}
    subjects: list[str | None] = [*sorted(set(participants))] or [None]
    for path in sorted(path for subject in subjects for path in _completion_records(output_dir, subject)):
        result, session_faults = _read_result(output_dir, path, shared_values)
        faults += session_faults
        if result is not None:
            results.append(result)
    return results, faults


def _read_record(path: Path) -> dict[str, Any] | None:
    """Read a completion record; None if its content is invalid."""
    try:
        content = read_json(path)
        record = content["DeepTaskGen"]
        is_valid = isinstance(record["SettingsHash"], str) and all(
            isinstance(file, str) for file in record["Files"]
        )
    except (InputError, KeyError, TypeError):
        return None
    return content if is_valid else None


def _read_result(
    output_dir: Path, path: Path, shared_values: dict[Any, Any]
) -> tuple[Result | None, list[ResultFault]]:
    name = parse_name(path.name)
    subject, session = str(name.get("sub")), name.get("ses")
    content = _read_record(path)
    if content is None:
        return None, [ResultFault(subject, session, (), _explain_record(path))]
    record = content.pop("DeepTaskGen")
    # Tables and images of the page may be absent: the maps do not depend on them.
    map_files = [file for file in record["Files"] if file.endswith(_MAP_ENDINGS)]
    missing_paths = [output_dir / file for file in missing_files(output_dir, map_files)]
    absent_path = next((file for file in missing_paths if not file.is_symlink()), None)
    if absent_path is not None:
        reason = f"{absent_path}: the file does not exist. Re-run this participant."
        return None, [ResultFault(subject, session, (), reason)]
    for key in ("Description", "TypicalityReference"):
        content.pop(key, None)
    flags = tuple(dict.fromkeys(str(flag["Name"]) for flag in content.pop("Flags", ())))
    hashes = tuple(map(str, content.pop("SeriesHashes", ())))
    metrics = {
        key: single_value(value) if isinstance(value, list) else value for key, value in content.items()
    }
    values = (name.entities_without(("sub", "ses", "desc")), record["SettingsHash"], parse_maps(record))
    entities, settings_hash, maps = (shared_values.setdefault(value, value) for value in values)
    flags = shared_values.setdefault(flags, flags)
    result = Result(subject, session, entities, metrics, settings_hash, maps, flags, hashes)
    if not missing_paths:
        return result, []
    return _without_empty_links(output_dir, result, missing_paths)


def _without_empty_links(
    output_dir: Path, result: Result, links: Sequence[Path]
) -> tuple[Result | None, list[ResultFault]]:
    """Exclude the contrasts whose image or sidecar is a link without content."""
    kept_labels, lost_labels = [], {}
    for label in result.maps.contrasts:
        image = result.statmap(output_dir, label)
        link = next((path for path in (image, sidecar_path(image)) if path in links), None)
        if link is None:
            kept_labels.append(label)
        else:
            lost_labels[label] = link
    if not lost_labels:
        return result, []
    link = next(iter(lost_labels.values()))
    reason = f"{link}: {explain_unreadable(link, FileNotFoundError())}"
    fault = ResultFault(result.subject, result.session, tuple(lost_labels) if kept_labels else (), reason)
    if not kept_labels:
        return None, [fault]
    maps = result.maps._replace(contrasts=tuple(kept_labels))
    return replace(result, maps=maps), [fault]


def _explain_record(path: Path) -> str:
    try:
        read_json(path)
    except InputError as error:
        return str(error)
    return f"{path}: is not a record of finished maps. Re-run this participant."
