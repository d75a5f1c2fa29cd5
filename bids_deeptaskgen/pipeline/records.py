"""What travels between the nodes: who is to be done, and how far they are."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.pipeline.context import RunContext

# Statuses of a record; a fault is one of them, never an exception that takes the others along.
CONNECTED = "connected"
DONE = "done"
PRESENT = "present"
FAILED = "failed"
CRASHED = "crashed"
# Of each hash in a file's name; 48 bits tell any two of one person apart.
N_DIGITS = 12


@dataclass(frozen=True)
class Job:
    """One participant of a run.

    Attributes
    ----------
    subject : str
        Label without ``sub-``.
    context : RunContext
        What is the same for all participants.
    connectomes : Path
        Folder in which connectomes wait for their prediction; kept when a run is killed.
    records : Path
        Folder of the records of this run.
    """

    subject: str
    context: RunContext
    connectomes: Path
    records: Path


@dataclass(frozen=True)
class Record:
    """How far one session of a person is.

    Attributes
    ----------
    subject : str
    session : str or None
    entities : tuple of (str, str)
        Further entities of the output names.
    status : str
        One of the statuses above.
    reason : str
        What was found, where, and what to do; empty unless it failed.
    n_maps : int
        Statmaps in the output.
    connectome : str
        File with the connectomes while they wait, else empty.
    facts : dict
        What sidecars and the quality file will say; JSON values only.
    """

    subject: str
    session: str | None = None
    entities: tuple[tuple[str, str], ...] = ()
    status: str = CONNECTED
    reason: str = ""
    n_maps: int = 0
    connectome: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Short name for messages, e.g. ``sub-01 ses-1``, with what else tells it from its siblings."""
        own = [f"sub-{self.subject}", *([f"ses-{self.session}"] if self.session else [])]
        return " ".join(own + [f"{key}-{value}" for key, value in self.entities if key != "task"])

    @property
    def failed(self) -> bool:
        """Whether there are no maps and there will be none."""
        return self.status in (FAILED, CRASHED)

    def as_json(self) -> dict[str, Any]:
        """Give the record as JSON values; `read_record` makes it of them again."""
        return asdict(self)

    def replace(self, **changes: Any) -> "Record":
        """Return the record with some fields changed."""
        return dataclasses.replace(self, **changes)


def save_record(job: Job, record: Record) -> Record:
    """Write a record into the run's folder, where the progress bar and the closing table find it."""
    write_json(job.records / f"{record.name.replace(' ', '_')}.json", record.as_json())
    return record


def read_record(path: Path) -> Record:
    """Read a record that `save_record` wrote."""
    content = json.loads(path.read_text("utf-8"))
    content["entities"] = tuple((key, value) for key, value in content["entities"])
    return Record(**content)


def read_records(folder: Path) -> list[Record]:
    """Read all records of a run, sorted by name."""
    return [read_record(path) for path in sorted(folder.glob("*.json"))]


def discard(connectome: Path) -> None:
    """Remove a connectome that waits no longer, and first the note that says that it is whole."""
    for path in (connectome.with_suffix(".json"), connectome):
        path.unlink(missing_ok=True)


def waiting_path(job: Job, record: Record, fingerprint: str) -> Path:
    """Name the file in which connectomes wait: for these settings and this input alone.

    Parameters
    ----------
    job : Job
    record : Record
    fingerprint : str
        Of the input; see `bids.output.completion.input_fingerprint`.

    Returns
    -------
    Path
        Without extension: ``.npy`` holds the connectomes, ``.json`` says that they are whole.
    """
    name = record.name.replace(" ", "_")
    return job.connectomes / f"{name}_{job.context.settings_hash[:N_DIGITS]}_{fingerprint[:N_DIGITS]}"


def discard_outdated(wanted: Path) -> None:
    """Remove connectomes of the same session and settings that were made of what the input was before."""
    for found in wanted.parent.glob(f"{wanted.name[:-N_DIGITS]}{'?' * N_DIGITS}.npy"):
        if found.stem != wanted.name:
            discard(found)


def discard_others(connectomes: Path, settings_hash: str) -> None:
    """Remove connectomes that wait for predictions with other settings or another model."""
    for found in connectomes.glob("*.npy"):
        if found.stem.split("_")[-2] != settings_hash[:N_DIGITS]:
            discard(found)


def flatten(nested: Iterable[Iterable[Record]]) -> list[Record]:
    """Make one list of the records of many people."""
    return [record for records in nested for record in records]
