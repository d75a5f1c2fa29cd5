"""Covariates and batch effects of observations, from participants.tsv and the table of quality metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bids_deeptaskgen.bids.filenames import same_label
from bids_deeptaskgen.bids.participant_ids import bare_label
from bids_deeptaskgen.bids.participants_table import ParticipantRows, columns_of_session, read_rows
from bids_deeptaskgen.cohort_store.exports.names import require_names
from bids_deeptaskgen.cohort_store.exports.observations import Observation
from bids_deeptaskgen.errors import InputError, UserError, abbreviate
from bids_deeptaskgen.io.text_table import is_missing, is_number

# Folders above the ROI table in which participants.tsv may be: group/settings-X, group, and the dataset.
_N_FOLDERS = 3

_Rows = Mapping[str, list[dict[str, str]]]


@dataclass(frozen=True)
class Columns:
    """Columns of observations.

    Attributes
    ----------
    covariates : dict of str to list of float
        NaN for a missing value.
    batch_effects : dict of str to list of str
        Empty for a missing value.
    reasons : dict of int to str
        First missing value of an observation, by number of the observation.
    """

    covariates: dict[str, list[float]] = field(default_factory=dict)
    batch_effects: dict[str, list[str]] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)


def find_participants_table(roi_table: Path, table: Path | None) -> Path | None:
    """Return the table of participants that belongs to an ROI table.

    Parameters
    ----------
    roi_table : Path
    table : Path or None
        Value of ``--participants-tsv``, which takes precedence.

    Returns
    -------
    Path or None
        ``participants.tsv`` in a folder above the ROI table; None if there is none.

    Raises
    ------
    UserError
        If `table` does not exist.
    """
    if table is not None:
        if not table.is_file():
            problem = "is a folder" if table.is_dir() else "no such file"
            message = f"`participants_tsv` {table}: {problem}. Correct the path or remove the option."
            raise UserError(message)
        return table
    folders = list(roi_table.absolute().parents)[:_N_FOLDERS]
    return next((path for folder in folders if (path := folder / "participants.tsv").is_file()), None)


def find_quality_table(roi_table: Path) -> Path | None:
    """Return the table of quality metrics of the set of an ROI table, None if there is none.

    Parameters
    ----------
    roi_table : Path
    """
    path = roi_table.with_name(roi_table.name.partition("_seg-")[0] + "_desc-qc_metrics.tsv")
    return path if path.is_file() else None


def read_tables(
    tables: Sequence[Path], covariates: Sequence[str], batch_effects: Sequence[str]
) -> list[ParticipantRows]:
    """Read tables of participants, and check that one of them has each column.

    Parameters
    ----------
    tables : sequence of Path
        ``participants.tsv`` and the table of quality metrics, in order of precedence.
    covariates, batch_effects : sequence of str
        Names of columns.

    Returns
    -------
    list of ParticipantRows

    Raises
    ------
    InputError
        If a table cannot be read.
    UserError
        If there is no table, or no table has a column.
    """
    sources = [read_rows(table) for table in tables]
    if not sources:
        message = (
            "No participants.tsv was found in the folders above the ROI table. Name the table in "
            "`participants_tsv`."
        )
        raise UserError(message)
    paths = " and ".join(str(table) for table in tables)
    available = {column for source in sources for column in source.columns}
    require_names(covariates, available, f"{paths}: no column", "covariates")
    require_names(batch_effects, available, f"{paths}: no column", "batch_effects")
    return sources


def read_columns(
    observations: Sequence[Observation],
    sources: Sequence[ParticipantRows],
    covariates: Sequence[str],
    batch_effects: Sequence[str],
) -> Columns:
    """Join covariates and batch effects to observations.

    A covariate is averaged over the runs of a session, then over the sessions of the observation. A batch
    effect must not differ between them.

    Parameters
    ----------
    observations : sequence of Observation
    sources : sequence of ParticipantRows
        Tables in order of precedence, from `read_tables`.
    covariates, batch_effects : sequence of str
        Names of columns.

    Returns
    -------
    Columns

    Raises
    ------
    InputError
        If a table cannot be joined, or a covariate has text.
    """
    labels = list(dict.fromkeys(bare_label(observation.participant_id) for observation in observations))
    columns = Columns()
    for name in (*covariates, *batch_effects):
        source = next(source for source in sources if name in source.columns)
        rows = source.match(labels)
        if not rows:
            message = (
                f"{source.path}: has no row of any participant of the ROI table ({abbreviate(labels)}).\n"
                "Write the labels in its column participant_id as in the names of the folders."
            )
            raise InputError(message)
        if name in covariates:
            columns.covariates[name] = _numbers(observations, source, rows, name, columns.reasons)
        else:
            columns.batch_effects[name] = _texts(observations, source, rows, name, columns.reasons)
    return columns


def _numbers(
    observations: Sequence[Observation],
    source: ParticipantRows,
    rows: _Rows,
    name: str,
    reasons: dict[int, str],
) -> list[float]:
    numbers = []
    for number, observation in enumerate(observations):
        label = bare_label(observation.participant_id)
        means = []
        for session in observation.sessions:
            cells = _cells(rows.get(label, []), session, name, label)
            values = [_number(source.path, name, label, cell) for cell in cells]
            means += [float(np.mean(values))] if values else []
        numbers.append(float(np.mean(means)) if means else float("nan"))
        if not means:
            reasons.setdefault(number, _reason(source, rows, label, name))
    return numbers


def _number(path: Path, name: str, label: str, cell: str) -> float:
    if not is_number(cell) or not np.isfinite(float(cell)):
        message = (
            f"{path}: the covariate {name} is {cell!r} for sub-{label}, not a finite number.\nName a column "
            "of categories in `batch_effects`, or write n/a for a missing value."
        )
        raise InputError(message)
    return float(cell)


def _texts(
    observations: Sequence[Observation],
    source: ParticipantRows,
    rows: _Rows,
    name: str,
    reasons: dict[int, str],
) -> list[str]:
    texts = []
    for number, observation in enumerate(observations):
        label = bare_label(observation.participant_id)
        cells = {
            cell
            for session in observation.sessions
            for cell in _cells(rows.get(label, []), session, name, label)
        }
        texts.append(next(iter(cells)) if len(cells) == 1 else "")
        if len(cells) > 1:
            reasons.setdefault(number, f"{name} differs between its sessions: {abbreviate(sorted(cells))}")
        elif not cells:
            reasons.setdefault(number, _reason(source, rows, label, name))
    _check_spelling(source.path, name, texts)
    return texts


def _cells(rows: list[dict[str, str]], session: str | None, name: str, label: str) -> list[str]:
    """Return the values of a session that are not missing: one, or one for each of its runs."""
    session_label = (session or "").removeprefix("ses-")
    of_session = [row for row in rows if same_label(_session_of(row), session_label)]
    if len(of_session) > 1 and not of_session[0].keys().isdisjoint(("run", "dir")):
        return [row[name] for row in of_session if not is_missing(row[name])]
    narrow = [{"session_id": row.get("session_id", "n/a"), name: row[name]} for row in rows]
    cell = columns_of_session(narrow, session_label or None, f"sub-{label}").get(name, "n/a")
    return [] if is_missing(cell) else [cell]


def _session_of(row: Mapping[str, str]) -> str:
    session = row.get("session_id", "")
    return "" if is_missing(session) else session.removeprefix("ses-")


def _reason(source: ParticipantRows, rows: _Rows, label: str, name: str) -> str:
    return f"no value of {name}" if label in rows else f"no row in {source.path.name}"


def _check_spelling(path: Path, name: str, texts: Sequence[str]) -> None:
    """Refuse categories that differ in letter case alone: PCNtoolkit would take them for two sites."""
    spellings: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        other_text = spellings.setdefault(text.casefold(), text)
        if other_text != text:
            message = (
                f"{path}: the column {name} has {other_text!r} and {text!r}, which differ in letter case "
                "alone.\nWrite one category in one way."
            )
            raise InputError(message)
