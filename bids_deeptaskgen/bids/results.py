"""What an output dataset holds: read back from the completion records, without any index."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.names import Entities, parse_name

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
        Quality figures.
    settings_hash : str
    files : tuple of Path
        What was written for it.
    """

    subject: str
    session: str | None
    entities: Entities
    metrics: dict[str, Any]
    settings_hash: str
    files: tuple[Path, ...]

    @property
    def series(self) -> Entities:
        """What people have in common: the entities that do not number sessions and runs."""
        return tuple(pair for pair in self.entities if pair[0] not in _REPEATED)

    def statmaps(self) -> dict[str, Path]:
        """Predicted maps by the label of their contrast."""
        found = {}
        for path in self.files:
            name = parse_name(path.name)
            if name.suffix == "statmap" and name.get("desc") == "predicted" and name.extension == ".nii.gz":
                found[str(name.get("contrast"))] = path
        return found


def _completion_records(output_dir: Path) -> Iterator[Path]:
    for pattern in ("sub-*/func/*_desc-qc_metrics.json", "sub-*/ses-*/func/*_desc-qc_metrics.json"):
        yield from output_dir.glob(pattern)


def has_results(output_dir: Path) -> bool:
    """Tell whether a dataset holds any finished session."""
    return next(_completion_records(output_dir), None) is not None


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
    for path in sorted(_completion_records(output_dir)):
        name = parse_name(path.name)
        subject = str(name.get("sub"))
        if participants and subject not in participants:
            continue
        result = _read_result(output_dir, path)
        if result is not None and all(file.is_file() for file in result.files):
            results.append(result)
    return results


def _read_result(output_dir: Path, path: Path) -> Result | None:
    name = parse_name(path.name)
    try:
        content = json.loads(path.read_text("utf-8"))
        record = content.pop("DeepTaskGen")
        files = tuple(output_dir / file for file in record["Files"])
        settings_hash = str(record["SettingsHash"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    content.pop("Description", None)
    entities = name.without(("sub", "ses", "desc"))
    return Result(str(name.get("sub")), name.get("ses"), entities, content, settings_hash, files)


def read_tsv(path: Path) -> list[dict[str, str]]:
    """Read a table as BIDS has them; empty where there is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t"))
    except FileNotFoundError:
        return []


def join_columns(rows: Iterable[dict[str, Any]]) -> dict[str, list[Any]]:
    """Turn rows with different keys into columns of one length; what a row lacks is None."""
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}
