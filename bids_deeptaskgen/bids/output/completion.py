"""Completion records: files that state that a session is complete, and by which settings and input."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.output.folders import missing_files
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.connectome.inputs import SessionInputs
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.io.atomic import write_json

# Ends of the names of maps and connectomes; see ``data/outputs.json``. A record has a hundred names.
_PREDICTED_MAP = re.compile(r"_contrast-(?P<label>[^_/]+)_(?:[^/]*_)?desc-predicted_statmap\.nii\.gz$")
_CONNECTOME_ENDING = "_desc-connectome_relmat.npy"


class SessionLabels(Protocol):
    """Labels of a session, as `SessionInputs` and the records of its progress have them."""

    @property
    def subject(self) -> str:
        """Return the label without ``sub-``."""

    @property
    def session(self) -> str | None:
        """Return the label without ``ses-``, None without sessions."""

    @property
    def entities(self) -> Entities:
        """Return the entities that distinguish the files of a session."""


def input_fingerprint(session: SessionInputs) -> str:
    """Hash names, sizes and modification times of a session's input files.

    Parameters
    ----------
    session : SessionInputs

    Returns
    -------
    str
        64 hexadecimal digits (sha256); repetition times and spaces are included, folders are not, as they
        differ between a machine and its containers.
    """
    facts: list[object] = []
    for run in session.runs:
        facts.append([[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in run.files])
        facts.append([run.t_r, run.space])
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def write_completion(
    output_dir: Path,
    session: SessionLabels,
    metrics: Mapping[str, Any],
    *,
    files: Iterable[Path],
    report_files: Iterable[Path] = (),
    settings_hash: str,
    fingerprint: str,
    contrasts: Sequence[str] = (),
    n_bootstrap: int = 0,
    random_seed: int = 0,
) -> Path:
    """Write the completion record of a session; call this after all its other files are written.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    session : SessionLabels
    metrics : dict
        Quality metrics; JSON values.
    files : iterable of Path
        Output files of the session, without which it counts as incomplete.
    report_files : iterable of Path
        Images of its page and coarse maps of halves, on which its maps do not depend.
    settings_hash : str
        Hash of the settings and the weights.
    fingerprint : str
        Result of `input_fingerprint`.
    contrasts : sequence of str
        Labels of the volumes of a 4-D image, in order; empty if each map has a file.
    n_bootstrap, random_seed : int
        Requested resamples and their seed.

    Returns
    -------
    Path
        The completion record.
    """
    path = _completion_path(output_dir, session)
    names, report_names = (
        sorted(file.relative_to(output_dir).as_posix() for file in paths) for paths in (files, report_files)
    )
    record = {
        "SettingsHash": settings_hash,
        "InputFingerprint": fingerprint,
        "Files": names,
        **({"ReportFiles": report_names} if report_names else {}),
        **({"Contrasts": list(contrasts)} if contrasts else {}),
        **({"Bootstrap": {"Resamples": n_bootstrap, "RandomSeed": random_seed}} if n_bootstrap else {}),
    }
    description = load_table("outputs.json")["descriptions"]["qc"]
    write_json(path, {"Description": description, **metrics, "DeepTaskGen": record})
    return path


class Maps(NamedTuple):
    """Maps of a session.

    Attributes
    ----------
    layout : {"3d", "4d"}
        One image for each contrast, or one image of all contrasts.
    contrasts : tuple of str
        Labels of the predicted maps, in the order of a 4-D image.
    connectome : bool
        Whether the connectomes of the prediction are saved, too.
    n_bootstrap, random_seed : int
        Requested resamples, 0 without a bootstrap, and their seed.
    has_run_agreement : bool
        Whether the maps of single runs were compared. Not required of maps: they do not depend on it.
    """

    layout: str
    contrasts: tuple[str, ...]
    connectome: bool = False
    n_bootstrap: int = 0
    random_seed: int = 0
    has_run_agreement: bool = False

    def cover(self, required_maps: "Maps") -> bool:
        """Return whether these maps include all required maps in the same layout.

        Parameters
        ----------
        required_maps : Maps

        Examples
        --------
        >>> Maps("3d", ("faces", "shapes")).cover(Maps("3d", ("faces",)))
        True
        >>> Maps("3d", ("faces",)).cover(Maps("3d", ("faces",), n_bootstrap=20))
        False
        """
        same_layout = self.layout == required_maps.layout
        has_connectome = self.connectome or not required_maps.connectome
        has_bootstrap = not required_maps.n_bootstrap or self[3:5] == required_maps[3:5]
        has_contrasts = set(required_maps.contrasts) <= set(self.contrasts)
        return same_layout and has_connectome and has_bootstrap and has_contrasts


def parse_maps(record: Mapping[str, Any]) -> Maps:
    """Parse the maps of the ``DeepTaskGen`` part of a completion record.

    Parameters
    ----------
    record : mapping
        The ``DeepTaskGen`` part, see `write_completion`.

    Returns
    -------
    Maps
    """
    files = record["Files"]
    connectome = any(file.endswith(_CONNECTOME_ENDING) for file in files)
    bootstrap = record.get("Bootstrap", {"Resamples": 0, "RandomSeed": 0})
    extra = connectome, bootstrap["Resamples"], bootstrap["RandomSeed"]
    if "Contrasts" in record:
        return Maps("4d", tuple(record["Contrasts"]), *extra)
    matches = (_PREDICTED_MAP.search(file) for file in files)
    return Maps("3d", tuple(match["label"] for match in matches if match), *extra)


def finished_maps(
    output_dir: Path, session: SessionLabels, settings_hash: str, fingerprint: str
) -> Maps | None:
    """Read the maps of a session from its completion record.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    session : SessionLabels
    settings_hash, fingerprint : str
        Required values; see `write_completion`.

    Returns
    -------
    Maps or None
        None if there is no record with these values, or a file of the session is missing.
    """
    try:
        content = json.loads(_completion_path(output_dir, session).read_text("utf-8"))
        record = content["DeepTaskGen"]
        is_current = (record["SettingsHash"], record["InputFingerprint"]) == (settings_hash, fingerprint)
        if is_current and not missing_files(output_dir, record["Files"]):
            return parse_maps(record)._replace(has_run_agreement=content.get("run_agreement") is not None)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def finished(
    output_dir: Path,
    session: SessionLabels,
    settings_hash: str,
    fingerprint: str,
    required_maps: Maps | None = None,
) -> bool:
    """Return whether a session is complete, with these settings and from this input.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    session : SessionLabels
    settings_hash, fingerprint : str
        Required values; see `write_completion`.
    required_maps : Maps or None
        Maps that the session must have, in the same layout.

    Returns
    -------
    bool
    """
    maps = finished_maps(output_dir, session, settings_hash, fingerprint)
    return maps is not None and (required_maps is None or maps.cover(required_maps))


def _completion_path(output_dir: Path, session: SessionLabels) -> Path:
    return output_path(
        output_dir,
        "qc_metrics",
        subject=session.subject,
        session=session.session,
        entities=session.entities,
    )
