"""JSON sidecars of BOLD series, with inheritance from parent folders (BIDS inheritance principle)."""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.filenames import BidsName, parse_name, plain_value
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.json_file import read_json


def read_metadata(bold: Path, root: Path) -> dict[str, Any]:
    """Read the metadata of a BOLD series from its sidecar and those that it inherits, up to RepetitionTime.

    A sidecar applies if the series has all its entities, and if it is in the folder of the series or in a
    parent folder up to `root`. Nearer folders take precedence, then sidecars with more entities. Once one has
    ``RepetitionTime``, the more general ones are not opened: no other value is used, and they may be links
    whose content is not here.

    Parameters
    ----------
    bold : Path
        The series, in a subfolder of `root`.
    root : Path
        Root of the dataset.

    Returns
    -------
    dict
        Empty if there is no sidecar. Complete for ``RepetitionTime`` only.

    Raises
    ------
    InputError
        If a sidecar cannot be read that applies and is not more general than one with ``RepetitionTime``.
    """
    metadata: dict[str, Any] = {}
    for path in reversed(find_sidecars(bold, root)):
        metadata = read_json(path) | metadata
        if "RepetitionTime" in metadata:
            break
    return metadata


def find_sidecars(bold: Path, root: Path) -> list[Path]:
    """List the sidecars that apply to a BOLD series, the most general first.

    Parameters
    ----------
    bold : Path
        The series, in a subfolder of `root`.
    root : Path
        Root of the dataset.

    Returns
    -------
    list of Path
    """
    name = parse_name(bold.name)
    entities = _entities_of(name)
    parents = [bold.parent, *bold.parent.parents]
    folders = parents[: parents.index(root) + 1] if root in parents else parents[:1]
    sidecars: list[Path] = []
    for folder in reversed(folders):
        matches = [
            path
            for path in _list_json(folder)
            # Parsing is slow, and a folder has the sidecars of dozens of other files.
            if f"{name.suffix}." in path.name
            and parse_name(path.name).suffix == name.suffix
            and _entities_of(parse_name(path.name)) <= entities
        ]
        sidecars += sorted(matches, key=lambda path: (len(parse_name(path.name).entities), path.name))
    return sidecars


def _entities_of(name: BidsName) -> set[tuple[str, str]]:
    return {(key, plain_value(key, value)) for key, value in name.entities}


def _list_json(folder: Path) -> tuple[Path, ...]:
    try:
        return _json_files(folder, folder.stat().st_mtime_ns)
    except OSError:
        return ()


@lru_cache(maxsize=16)
def _json_files(folder: Path, _modified: int) -> tuple[Path, ...]:
    """List the JSON files of a folder; the root of a dataset may hold thousands of other entries."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.endswith(".json"))
    return tuple(folder / name for name in names)


def repetition_time(metadata: Mapping[str, Any], bold: Path) -> float | None:
    """Return the repetition time from the JSON metadata of a series.

    Parameters
    ----------
    metadata : dict
        JSON metadata, in which ``RepetitionTime`` is in s.
    bold : Path
        The series, for messages.

    Returns
    -------
    float or None
        In s; None if the metadata have no ``RepetitionTime``.

    Raises
    ------
    InputError
        If ``RepetitionTime`` is not a positive finite number.
    """
    value = metadata.get("RepetitionTime")
    if value is None:
        return None
    try:
        t_r = 0.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        t_r = 0.0
    if not 0 < t_r < float("inf"):
        message = (
            f"{bold}: its JSON says RepetitionTime {value!r}; it must be a positive number of seconds.\n"
            "Correct the JSON."
        )
        raise InputError(message)
    return t_r


def read_repetition_time(bold: Path) -> float | None:
    """Read the repetition time from the JSON sidecar in the folder of an image.

    Parameters
    ----------
    bold : Path

    Returns
    -------
    float or None
        In s; None if there is no sidecar, or no ``RepetitionTime`` in it.

    Raises
    ------
    InputError
        If the sidecar cannot be read, or ``RepetitionTime`` is not a positive finite number.
    """
    path = bold.with_name(bold.name.partition(".nii")[0] + ".json")
    if not os.path.lexists(path):
        return None
    return repetition_time(read_json(path), bold)
