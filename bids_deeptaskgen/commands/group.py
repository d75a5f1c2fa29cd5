"""The group level: what the people of an output dataset have in common, and who is missing."""

import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.results import Result, read_results
from bids_deeptaskgen.bids.output.sidecars import group_sidecar
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import join_columns, read_tsv, write_tsv
from bids_deeptaskgen.models.contrasts import Contrast
from bids_deeptaskgen.settings.group import GroupSettings
from bids_deeptaskgen.stats.map_statistics import MapStatistics, average

logger = logging.getLogger("bids_deeptaskgen")

# Contrasts that are joined in one go through the people: memory is bounded, and 4-D images, which must be
# inflated from their beginning, are not read 47 times.
N_AT_ONCE = 8


def run(settings: GroupSettings) -> int:
    """Write mean, SD and count maps, the table of people, and the list of those who are missing.

    Parameters
    ----------
    settings : GroupSettings

    Returns
    -------
    int
        0; people who are missing are told of and are no error.

    Raises
    ------
    InputError
        If there is no finished person.
    UserError
        If people were done with different settings, or some of them were asked for and the files that are
        there are of others, too.
    """
    output = settings.output_dir
    results = read_results(output, settings.participant_label)
    if not results:
        asked = f" of {', '.join(settings.participant_label)}" if settings.participant_label else ""
        message = (
            f"{output}: no finished maps{asked} were found.\n"
            "Run the participant level with this OUTPUT_DIR first."
        )
        raise InputError(message)
    _refuse_mixture(output, results)
    if settings.participant_label and not settings.overwrite:
        _refuse_loss(output, results)
    by_series: dict[Entities, list[Result]] = {}
    for result in results:
        by_series.setdefault(result.series, []).append(result)
    for series, members in by_series.items():
        _write_maps(output, series, members)
        write_tsv(output_path(output, "group_metrics", entities=series), join_columns(_rows(output, members)))
    missing = find_missing(output, results, settings.participant_label)
    columns = {name: [row[name] for row in missing] for name in ("participant_id", "session_id", "reason")}
    write_tsv(output_path(output, "group_missing"), columns)
    n_participants = len({result.subject for result in results})
    sys.stdout.write(f"{n_participants} people joined in {output / 'group'}; {len(missing)} without maps.\n")
    for row in missing:
        sys.stdout.write(f"  {row['participant_id']} {row['session_id'] or ''}: {row['reason']}\n")
    return 0


def _refuse_mixture(output: Path, results: Sequence[Result]) -> None:
    hashes = Counter(result.settings_hash for result in results)
    if len(hashes) > 1:
        counts = ", ".join(f"{n} sessions with {value[:8]}" for value, n in hashes.most_common())
        message = (
            f"{output}: maps of {len(hashes)} different settings or models are mixed ({counts}).\n"
            "Do the participant level again with one of them and --overwrite."
        )
        raise UserError(message)


def _refuse_loss(output: Path, results: Sequence[Result]) -> None:
    """Refuse to put files of some people in the place of those of more, or of others."""
    tables = output_path(output, "group_metrics", entities=[("task", "*")])
    joined = {
        row.get("participant_id", "") for path in tables.parent.glob(tables.name) for row in read_tsv(path)
    }
    lost = sorted(joined - {f"sub-{result.subject}" for result in results})
    if lost:
        shown = ", ".join(lost[:3]) + (", ..." if len(lost) > 3 else "")
        message = (
            f"{tables.parent}: holds what {len(joined)} people have in common, {len(lost)} of whom are not "
            f"among those of --participant-label ({shown}).\n"
            "Move that folder away to keep it, or replace its files with --overwrite."
        )
        raise UserError(message)


def _write_maps(output: Path, series: Entities, results: Sequence[Result]) -> None:
    """Write the maps over people of all contrasts, some contrasts at a time."""
    labels = list(dict.fromkeys(label for result in results for label in result.maps.contrasts))
    task = dict(series).get("task", "rest")
    for start in range(0, len(labels), N_AT_ONCE):
        batch = labels[start : start + N_AT_ONCE]
        for number, (label, statistics) in enumerate(
            average_over_participants(output, results, batch).items(), start + 1
        ):
            having = [result for result in results if label in result.maps.contrasts]
            n_participants = len({result.subject for result in having})
            contrast, units = _contrast_of(output, having[0], label)
            for stat in ("mean", "sd", "count"):
                path = output_path(output, "group_statmap", entities=series, contrast=label, stat=stat)
                dtype = np.int32 if stat == "count" else np.float32
                save_nifti(path, getattr(statistics, stat), OUTPUT_GRID.matrix, dtype=dtype)
                write_json(sidecar_path(path), group_sidecar(contrast, stat, task, n_participants, units))
            logger.info("%s: %d people (%d of %d contrasts)", label, n_participants, number, len(labels))


def average_over_participants(
    output: Path, results: Sequence[Result], contrasts: Sequence[str]
) -> dict[str, MapStatistics]:
    """Go through the maps of some contrasts, a person at a time.

    The runs of a session are averaged first, then the sessions of a person: else a session of two runs
    (``--no-combine-runs``) counted twice.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    results : sequence of Result
    contrasts : sequence of str
        Labels.

    Returns
    -------
    dict of str to MapStatistics

    Raises
    ------
    InputError
        If a map cannot be read or is on another grid.
    """
    statistics = {label: MapStatistics(OUTPUT_GRID.shape) for label in contrasts}
    participants: dict[str, dict[str | None, list[Result]]] = {}
    for result in results:
        participants.setdefault(result.subject, {}).setdefault(result.session, []).append(result)
    for sessions in participants.values():
        maps = [[_maps_of(output, run, contrasts) for run in runs] for runs in sessions.values()]
        for label, joined in statistics.items():
            having = [[run[label] for run in runs if label in run] for runs in maps]
            if any(having):
                joined.add(average(average(runs) for runs in having if runs))
    return statistics


def _maps_of(output: Path, result: Result, contrasts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Read those of some contrasts that a session has."""
    present = [label for label in contrasts if label in result.maps.contrasts]
    return dict(zip(present, result.read(output, present), strict=True)) if present else {}


def _contrast_of(output: Path, result: Result, label: str) -> tuple[Contrast, str]:
    """Read what the sidecar of a map says of its contrast."""
    own = json.loads(sidecar_path(result.statmap(output, label)).read_text("utf-8"))["DeepTaskGen"]
    entries = [own["Contrast"]] if "Contrast" in own else own["Contrasts"]
    entry = next(entry for entry in entries if entry["Label"] == label)
    contrast = Contrast(entry["Label"], entry["SourceName"], entry["Task"], entry["TypicalRetestCorrelation"])
    return contrast, entry["Units"]


def _rows(output: Path, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Join quality figures and what participants.tsv says, a row for each session."""
    known: dict[str, list[dict[str, str]]] = {}
    for row in read_tsv(output / "participants.tsv"):
        known.setdefault(row.get("participant_id", ""), []).append(row)
    rows: list[dict[str, Any]] = []
    for result in results:
        name = f"sub-{result.subject}"
        repeated = {key: value for key, value in result.entities if key in ("run", "dir")}
        own = {"participant_id": name, "session_id": f"ses-{result.session}" if result.session else None}
        given = _given_of(known.get(name, []), result.session)
        taken = {"session_id", "run", "dir", *result.metrics}
        # Two columns of one name would be one, with the values of the other.
        given = {f"participants_{key}" if key in taken else key: value for key, value in given.items()}
        rows.append(own | repeated | given | result.metrics)
    return rows


def _given_of(rows: Sequence[dict[str, str]], session: str | None) -> dict[str, str]:
    """Choose what participants.tsv says of a session, if it tells sessions apart, else of the person."""
    of_session = [
        row for row in rows if (row.get("session_id") or "").removeprefix("ses-") == (session or "")
    ]
    chosen = (of_session or list(rows))[-1:]
    return {key: value for row in chosen for key, value in row.items() if key not in (None, "participant_id")}


def find_missing(
    output: Path, results: Sequence[Result], asked: Sequence[str]
) -> list[dict[str, str | None]]:
    """List people and sessions without maps: those that failed, and those that nobody ever did.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    results : sequence of Result
        What is there.
    asked : sequence of str
        Labels of people that the user named; if there are any, only these are looked for.

    Returns
    -------
    list of dict
        ``participant_id``, ``session_id`` (None where not known) and ``reason``, sorted.
    """
    present = {(f"sub-{one.subject}", f"ses-{one.session}" if one.session else None) for one in results}
    participants = {name for name, _ in present}
    failed: dict[tuple[str, str | None], str | None] = {}
    # The logs' names begin with their time, so the last word on a session wins.
    for path in sorted((output / "logs").glob("*_participants.tsv")):
        for row in read_tsv(path):
            session = None if row["session_id"] == "n/a" else row["session_id"]
            reason = row["reason"] if row["status"] in ("failed", "crashed") else None
            failed[row["participant_id"], session] = reason
    missing = {
        (name, session): reason
        for (name, session), reason in failed.items()
        if reason and (name, session) not in present and (session or name not in participants)
    }
    known = {f"sub-{label}" for label in asked} or {
        row.get("participant_id", "") for row in read_tsv(output / "participants.tsv")
    }
    for name in known - participants - {name for name, _ in missing} - {""}:
        missing[name, None] = "never done"
    ordered = sorted(missing, key=lambda key: (key[0], key[1] or ""))
    return [
        {"participant_id": name, "session_id": session, "reason": missing[name, session]}
        for name, session in ordered
        if not asked or name.removeprefix("sub-") in asked
    ]
