"""What an output dataset holds: read back from the completion records, without any index."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import Entities, parse_name
from bids_deeptaskgen.bids.output.completion import Maps, recorded_maps
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID

# Entities of one person's sessions and runs, which are averaged.
_REPEATED = ("sub", "ses", "run", "dir", "desc")


@dataclass(frozen=True)
class Result:
    """One finished session of a person.

    Attributes
    ----------
    subject : str
    session : str or None
    entities : tuple of (str, str)
        All entities of its names other than ``sub``, ``ses`` and ``desc``.
    metrics : dict
        Quality figures, one number each: those of runs are summed.
    settings_hash : str
    maps : Maps
        Labels of its predicted maps. Not the paths, which are many and follow from it: tens of thousands of
        people must fit into memory.
    """

    subject: str
    session: str | None
    entities: Entities
    metrics: dict[str, Any]
    settings_hash: str
    maps: Maps

    @property
    def series(self) -> Entities:
        """What people have in common: the entities that do not number sessions and runs."""
        return tuple(pair for pair in self.entities if pair[0] not in _REPEATED)

    def statmap(self, output_dir: Path, contrast: str) -> Path:
        """Name the image that holds the predicted map of a contrast."""
        single = self.maps.layout == "3d"
        return output_path(
            output_dir,
            "statmap" if single else "statmaps",
            subject=self.subject,
            session=self.session,
            entities=self.entities,
            **({"contrast": contrast} if single else {}),
        )

    def read(self, output_dir: Path, contrasts: Sequence[str]) -> NDArray[np.float32]:
        """Read predicted maps.

        Parameters
        ----------
        output_dir : Path
            Root of the dataset.
        contrasts : sequence of str
            Labels of maps that are there.

        Returns
        -------
        array of shape (n_contrasts, 91, 109, 91)

        Raises
        ------
        InputError
            If an image cannot be read or is on another grid.
        """
        if self.maps.layout == "3d":
            return np.stack([_read_map(self.statmap(output_dir, contrast)) for contrast in contrasts])
        numbers = [self.maps.contrasts.index(contrast) for contrast in contrasts]
        # One slice, since to come to a volume all that stands before it must be inflated.
        volumes = _read_map(self.statmap(output_dir, ""), slice(min(numbers), max(numbers) + 1))
        return np.stack([volumes[..., number - min(numbers)] for number in numbers])


def _read_map(path: Path, volumes: slice | None = None) -> NDArray[np.float32]:
    """Read a map, or some volumes of several maps with the last axis for them."""
    try:
        data = nib.load(path).dataobj
        values = np.asarray(data if volumes is None else data[..., volumes], np.float32)
    except Exception as error:
        message = f"{path}: cannot be read ({error}).\nDelete it and do this person again."
        raise InputError(message) from error
    if values.shape[:3] != OUTPUT_GRID.shape or values.ndim != (3 if volumes is None else 4):
        message = f"{path}: has shape {values.shape}, {OUTPUT_GRID.shape} is wanted.\nDo this person again."
        raise InputError(message)
    return values


def _completion_records(output_dir: Path, subject: str = "*") -> Iterator[Path]:
    for folder in (f"sub-{subject}", f"sub-{subject}/ses-*"):
        yield from output_dir.glob(f"{folder}/func/*_desc-qc_metrics.json")


def settings_hashes(output_dir: Path, participants: Sequence[str] = ()) -> Iterator[tuple[Path, str]]:
    """Say with which settings each finished session of a dataset was made.

    Parameters
    ----------
    output_dir : Path
        Root of a dataset that the participant level wrote.
    participants : sequence of str
        Only these, whose folders alone are looked at; all if empty.

    Yields
    ------
    path : Path
        The completion record.
    settings_hash : str
    """
    for subject in participants or ("*",):
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
        Only these; all if empty.

    Returns
    -------
    list of Result
        Sorted by file name. Sessions of which a file is gone are left out.
    """
    results = []
    # People have the same labels and settings: held once, they take no memory.
    known: dict[Any, Any] = {}
    wanted = sorted(set(participants)) or ["*"]
    for path in sorted(path for subject in wanted for path in _completion_records(output_dir, subject)):
        result = _read_result(output_dir, path, known)
        if result is not None:
            results.append(result)
    return results


def _read_record(path: Path) -> dict[str, Any] | None:
    """Read a completion record; None where it is none."""
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        own = content["DeepTaskGen"]
        whole = isinstance(own["SettingsHash"], str) and all(isinstance(file, str) for file in own["Files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content if whole else None


def _read_result(output_dir: Path, path: Path, known: dict[Any, Any]) -> Result | None:
    content = _read_record(path)
    if content is None:
        return None
    record = content.pop("DeepTaskGen")
    if not all((output_dir / file).is_file() for file in record["Files"]):
        return None
    content.pop("Description", None)
    name = parse_name(path.name)
    entities = name.without(("sub", "ses", "desc"))
    maps = recorded_maps(record)
    metrics = {key: sum(value) if isinstance(value, list) else value for key, value in content.items()}
    shared = [known.setdefault(value, value) for value in (entities, record["SettingsHash"], maps)]
    return Result(str(name.get("sub")), name.get("ses"), shared[0], metrics, shared[1], shared[2])
