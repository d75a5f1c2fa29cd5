"""Names of the files that are written, and the record that says that a session is done."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from bids_deeptaskgen.bids.filenames import BidsName, Entities, parse_name
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.connectome.inputs import SessionInputs
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.io.atomic import write_json


class Labelled(Protocol):
    """Whatever names a session: `SessionInputs`, or a record of how far it is."""

    @property
    def subject(self) -> str:
        """Label without ``sub-``."""

    @property
    def session(self) -> str | None:
        """Label without ``ses-``, if there is one."""

    @property
    def entities(self) -> Entities:
        """What else tells its files from their siblings."""


def input_fingerprint(session: SessionInputs) -> str:
    """Tell whether a session's input is still what it was, without reading it.

    Parameters
    ----------
    session : SessionInputs

    Returns
    -------
    str
        64 hexadecimal digits over name, size and time of change of BOLD, mask and tables, and the repetition
        times; not over the folders, which differ between a machine and its containers.
    """
    facts: list[object] = []
    for run in session.runs:
        facts.append([[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in run.files])
        facts.append([run.t_r, run.space])
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def write_completion(
    output_dir: Path,
    session: Labelled,
    metrics: Mapping[str, Any],
    *,
    files: Iterable[Path],
    settings_hash: str,
    fingerprint: str,
    contrasts: Sequence[str] = (),
) -> Path:
    """Write a session's quality figures, last of all: that they are there says that all else is.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    session : SessionInputs, or whatever has its labels and entities
    metrics : dict
        Quality figures; JSON values.
    files : iterable of Path
        What was written for the session.
    settings_hash, fingerprint : str
        Of what the files were made with and from; see `input_fingerprint`.
    contrasts : sequence of str
        Labels of the volumes of a 4-D image, in order; empty where each map is a file of its own.

    Returns
    -------
    Path
        The file that was written.
    """
    path = _completion_path(output_dir, session)
    record = {
        "SettingsHash": settings_hash,
        "InputFingerprint": fingerprint,
        "Files": sorted(file.relative_to(output_dir).as_posix() for file in files),
        **({"Contrasts": list(contrasts)} if contrasts else {}),
    }
    description = load_table("outputs.json")["descriptions"]["qc"]
    write_json(path, {"Description": description, **metrics, "DeepTaskGen": record})
    return path


class Maps(NamedTuple):
    """What a completion record says of a session's maps.

    Attributes
    ----------
    layout : {"3d", "4d"}
        An image for each contrast, or one for all.
    contrasts : tuple of str
        Labels of the predicted maps, in the order of a 4-D image.
    connectome : bool
        The connectomes that they were predicted from are beside them.
    """

    layout: str
    contrasts: tuple[str, ...]
    connectome: bool = False

    def cover(self, wanted: "Maps") -> bool:
        """Whether all that is wanted is among these, in the same layout."""
        same_layout, has_connectome = self.layout == wanted.layout, self.connectome or not wanted.connectome
        return same_layout and has_connectome and set(wanted.contrasts) <= set(self.contrasts)


def recorded_maps(record: Mapping[str, Any]) -> Maps:
    """Read from the ``DeepTaskGen`` part of a completion record which maps there are."""
    names = [parse_name(file.rpartition("/")[2]) for file in record["Files"]]
    connectome = any(name.get("desc") == "connectome" and name.extension == ".npy" for name in names)
    if "Contrasts" in record:
        return Maps("4d", tuple(record["Contrasts"]), connectome)
    return Maps("3d", tuple(label for name in names if (label := _contrast_of(name))), connectome)


def _contrast_of(name: BidsName) -> str | None:
    """Label of a predicted map; None of other files."""
    is_map = name.suffix == "statmap" and name.get("desc") == "predicted" and name.extension == ".nii.gz"
    return name.get("contrast") if is_map else None


def finished_maps(output_dir: Path, session: Labelled, settings_hash: str, fingerprint: str) -> Maps | None:
    """Tell which maps of a session are there, made with these settings from this input.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    session : SessionInputs, or whatever has its labels and entities
    settings_hash, fingerprint : str
        What they must have been; see `write_completion`.

    Returns
    -------
    Maps or None
        None if the session is not done, or a file of it is gone.
    """
    try:
        content = json.loads(_completion_path(output_dir, session).read_text("utf-8"))
        record = content["DeepTaskGen"]
        same = (record["SettingsHash"], record["InputFingerprint"]) == (settings_hash, fingerprint)
        if same and all((output_dir / file).is_file() for file in record["Files"]):
            return recorded_maps(record)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def finished(
    output_dir: Path,
    session: Labelled,
    settings_hash: str,
    fingerprint: str,
    wanted: Maps | None = None,
) -> bool:
    """Tell whether a session was done with these settings from this input, and all its files are there.

    Parameters
    ----------
    output_dir, session, settings_hash, fingerprint
        As in `finished_maps`.
    wanted : Maps or None
        Maps that must be among those that are there, in this layout.

    Returns
    -------
    bool
    """
    maps = finished_maps(output_dir, session, settings_hash, fingerprint)
    return maps is not None and (wanted is None or maps.cover(wanted))


def _completion_path(output_dir: Path, session: Labelled) -> Path:
    return output_path(
        output_dir,
        "qc_metrics",
        subject=session.subject,
        session=session.session,
        entities=session.entities,
    )
