"""Jobs and records that the nodes of the workflow exchange."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.settings.participant import ParticipantSettings

# Statuses of a record. A failure is a status, not an exception, so that other sessions continue.
CONNECTED = "connected"
MAPS_WRITTEN = "done"
MAPS_EXIST = "present"
FAILED = "failed"
CRASHED = "crashed"
NOT_SELECTED = "not selected"
# Subfolder of the work folder for connectomes of this run and of interrupted runs.
CONNECTOMES = "connectomes"
# Hexadecimal digits of a hash in a filename; 48 bits are unique among the files of a participant.
N_DIGITS = 12

# Facts of a session that the second step uses; see `connectome_step.describe_session`.
REQUIRED_FACTS = frozenset(
    ("runs", "n_windows", "n_connectomes", "metrics", "roi_connectome", "roi_coverage", "flags")
) | {"series_hashes", "input_fingerprint"}


@dataclass(frozen=True)
class Job:
    """One participant of a run.

    Attributes
    ----------
    subject : str
        Label without ``sub-``.
    context : RunContext
        Context of the run.
    connectomes : Path
        Folder of connectomes that wait for prediction; they survive a killed run.
    records : Path
        Folder of the records of this run.
    """

    subject: str
    context: RunContext
    connectomes: Path
    records: Path


@dataclass(frozen=True)
class Record:
    """Progress of one session of a participant.

    Attributes
    ----------
    subject : str
    session : str or None
    entities : tuple of (str, str)
        Further entities of the output names.
    status : str
        One of the statuses above.
    reason : str
        Problem, place and advice; empty without a failure.
    n_maps : int
        Number of statmaps in the output.
    connectome : str
        File with the connectomes that wait for prediction, or empty.
    facts : dict
        Contents of sidecars and quality file; JSON values only.
    names_task : bool
        `name` contains the task, because the run has several.
    """

    subject: str
    session: str | None = None
    entities: tuple[tuple[str, str], ...] = ()
    status: str = CONNECTED
    reason: str = ""
    n_maps: int = 0
    connectome: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    names_task: bool = False

    @property
    def name(self) -> str:
        """Return a short name for messages, e.g. ``sub-01 ses-1``, with further entities."""
        return " ".join(self._labels(with_task=self.names_task))

    @property
    def stem(self) -> str:
        """Return the unique start of the names of temporary files, e.g. ``sub-01_ses-1_task-rest``."""
        return "_".join(self._labels(with_task=True))

    @property
    def task(self) -> str | None:
        """Return the task label of the maps; None if the record is about all tasks of a session."""
        return dict(self.entities).get("task")

    def _labels(self, *, with_task: bool) -> list[str]:
        session = [("ses", self.session)] if self.session else []
        pairs = [("sub", self.subject), *session, *self.entities]
        return [f"{key}-{value}" for key, value in pairs if with_task or key != "task"]

    @property
    def failed(self) -> bool:
        """Return whether the session has failed for good."""
        return self.status in (FAILED, CRASHED)

    def as_json(self) -> dict[str, Any]:
        """Convert the record to JSON values, which `read_record` reads."""
        return asdict(self)

    def replace(self, **changes: Any) -> "Record":
        """Return the record with some fields changed.

        Parameters
        ----------
        **changes
            New values by name of the field.

        Returns
        -------
        Record
        """
        return dataclasses.replace(self, **changes)


def connectomes_folder(settings: ParticipantSettings) -> Path:
    """Return the folder of connectomes that wait for prediction, of this run and of interrupted runs.

    Parameters
    ----------
    settings : ParticipantSettings

    Returns
    -------
    Path
        Need not exist.
    """
    return (settings.work_dir or settings.output_dir / "work") / CONNECTOMES


def save_record(job: Job, record: Record) -> Record:
    """Write a record to the run's folder, from which progress bar and closing table read it.

    Parameters
    ----------
    job : Job
    record : Record

    Returns
    -------
    Record
        `record`, unchanged.
    """
    write_json(job.records / f"{record.stem}.json", record.as_json())
    return record


def read_record(path: Path) -> Record:
    """Read a record that `save_record` wrote.

    Parameters
    ----------
    path : Path
        JSON file of the record.

    Returns
    -------
    Record
    """
    content = json.loads(path.read_text("utf-8"))
    content["entities"] = tuple((key, value) for key, value in content["entities"])
    return Record(**content)


def read_waiting(path: Path) -> Record | None:
    """Read the record of connectomes that wait for prediction.

    Parameters
    ----------
    path : Path
        JSON file of the record.

    Returns
    -------
    Record or None
        None if it lacks facts of `REQUIRED_FACTS`, like those of earlier versions, or cannot be read.
    """
    try:
        record = read_record(path)
        is_complete = record.facts.keys() >= REQUIRED_FACTS and record.facts["metrics"].keys() >= {
            "share_without_values"
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return record if is_complete else None


def read_records(folder: Path) -> list[Record]:
    """Read all records of a run, sorted by name.

    Parameters
    ----------
    folder : Path
        Folder of the records, see `save_record`; other JSON files must not be there.

    Returns
    -------
    list of Record
        Empty if the folder does not exist.
    """
    return [read_record(path) for path in sorted(folder.glob("*.json"))]


def discard(connectome: Path) -> None:
    """Remove a connectome with the images of its session, and first the file that marks it as complete.

    Parameters
    ----------
    connectome : Path
        File of the connectomes, ``.npy``; need not exist.
    """
    # The connectome last, since those that are outdated are found by it.
    for path in (connectome.with_suffix(".json"), connectome.with_suffix(".npz"), connectome):
        path.unlink(missing_ok=True)


def waiting_path(job: Job, record: Record, fingerprint: str) -> Path:
    """Name the file of connectomes that wait for prediction, unique to settings and input.

    Parameters
    ----------
    job : Job
    record : Record
    fingerprint : str
        Hash of the input; see `bids.output.completion.input_fingerprint`.

    Returns
    -------
    Path
        Without extension: ``.npy`` contains the connectomes, ``.npz`` the images of the page, if one is
        requested; ``.json`` marks them as complete.
    """
    return job.connectomes / f"{record.stem}_{job.context.settings_hash[:N_DIGITS]}_{fingerprint[:N_DIGITS]}"


def discard_outdated(current_path: Path) -> None:
    """Remove connectomes of the same session and settings that are based on an earlier input.

    Parameters
    ----------
    current_path : Path
        Path of the current connectomes without extension, see `waiting_path`; these are kept.
    """
    for path in current_path.parent.glob(f"{current_path.name[:-N_DIGITS]}{'?' * N_DIGITS}.npy"):
        if path.stem != current_path.name:
            discard(path)


def discard_others(connectomes: Path, settings_hash: str) -> None:
    """Remove connectomes that wait for predictions with other settings or another model.

    Parameters
    ----------
    connectomes : Path
        Folder of the connectomes.
    settings_hash : str
        Hash of the current settings and model.
    """
    for path in connectomes.glob("*.npy"):
        if path.stem.split("_")[-2] != settings_hash[:N_DIGITS]:
            discard(path)


def flatten(nested: Iterable[Iterable[Record]]) -> list[Record]:
    """Join the records of several participants into one list.

    Parameters
    ----------
    nested : iterable of iterable of Record
        Records of each participant.

    Returns
    -------
    list of Record
        In the order of `nested`.

    Examples
    --------
    >>> [record.name for record in flatten([[Record("01", "1"), Record("01", "2")], [Record("02")]])]
    ['sub-01 ses-1', 'sub-01 ses-2', 'sub-02']
    """
    return [record for records in nested for record in records]
