"""Names of the files that are written, and the record that says that a session is done."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from bids_deeptaskgen.bids.names import BidsName, Entities, join_name, load_table, parse_name
from bids_deeptaskgen.core.atomic import write_json, write_text
from bids_deeptaskgen.core.run import SessionInputs

if TYPE_CHECKING:
    from bids import BIDSLayout

_SIDECAR = "_sidecar"


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


def output_path(
    output_dir: Path,
    kind: str,
    *,
    subject: str | None = None,
    session: str | None = None,
    entities: Iterable[tuple[str, str]] = (),
    **labels: str,
) -> Path:
    """Name a file of the output dataset.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    kind : str
        A key of ``patterns`` in ``data/outputs.json``; with ``_sidecar`` appended, the JSON beside it.
    subject, session : str, optional
        Labels without ``sub-`` and ``ses-``; none for files of the group.
    entities : iterable of (str, str)
        What else tells this file from its siblings, as in `SessionInputs`, e.g. ``[("task", "rest")]``.
    **labels : str
        What the pattern asks for further: ``contrast``, ``stat``.

    Returns
    -------
    Path

    Raises
    ------
    KeyError
        If there is no such kind, or a label that its pattern asks for is not given.
    """
    person = [("sub", subject)] if subject else []
    person += [("ses", session)] if session else []
    folder = "/".join(f"{key}-{value}" for key, value in person)
    pattern: str = load_table("outputs.json")["patterns"][kind.removesuffix(_SIDECAR)]
    name = join_name([*person, *entities])
    path = output_dir / pattern.format(folder=folder, name=name, **labels)
    return sidecar_path(path) if kind.endswith(_SIDECAR) else path


def sidecar_path(path: Path) -> Path:
    """Name the JSON file beside an image or table."""
    return path.with_name(path.name.partition(".")[0] + ".json")


def write_tsv(path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    """Write a table as BIDS has them, atomically.

    Parameters
    ----------
    path : Path
        Where the file shall be.
    columns : dict of str to sequence
        Columns of one length, in order; None and NaN become ``n/a``.
    """
    rows = zip(*columns.values(), strict=True)
    lines = ["\t".join(columns), *("\t".join(_cell(value) for value in row) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")


def _cell(value: object) -> str:
    if value is None or value != value:
        return "n/a"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return " ".join(text.split()) or "n/a"


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


def output_layout(output_dir: Path | str) -> "BIDSLayout":
    """Open an output dataset with pybids, so that it can be queried by ``contrast`` and ``stat``.

    Parameters
    ----------
    output_dir : Path or str
        Root of a dataset that this software wrote.

    Returns
    -------
    BIDSLayout
        ``layout.get(contrast="emotionFacesMinusShapes", stat="z", extension=".nii.gz")`` lists images.
    """
    from bids import BIDSLayout
    from bids.layout import BIDSLayoutIndexer

    config = ["bids", "derivatives", load_table("bids_config.json")]
    indexer = BIDSLayoutIndexer(ignore=[re.compile(r"^/(logs|work)(/|$)"), re.compile(r"/figures(/|$)")])
    return BIDSLayout(Path(output_dir).absolute(), validate=False, config=config, indexer=indexer)
