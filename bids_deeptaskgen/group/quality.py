"""Quality of a group: outliers, and the table of sessions as the page shows it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.bids.output.quality_tables import describe_columns
from bids_deeptaskgen.connectome.qc_verdicts import metric_specs, single_value
from bids_deeptaskgen.report.group_content import Column, Outlier, SessionRow
from bids_deeptaskgen.stats.robust_outliers import OUTLIER_LIMIT, robust_z

# From this number of participants on, the typicality of each among the others has a stable distribution.
MIN_TYPICALITY = 50
# A median of fewer sessions is no reference.
MIN_SESSIONS = 10
TYPICALITY = "cohort_typicality"
_HIDDEN_COLUMNS = ("participant_id", "session_id", "run", "dir")


def row_name(row: Mapping[str, Any]) -> str:
    """Return the name of a session or run, e.g. ``sub-01 ses-1 run-2``.

    Parameters
    ----------
    row : dict
        Row of the joined table.

    Returns
    -------
    str
    """
    entities = [f"{key}-{row[key]}" for key in ("dir", "run") if row.get(key)]
    return " ".join(filter(None, (row["participant_id"], row.get("session_id"), *entities)))


def find_outliers(rows: Sequence[Mapping[str, Any]]) -> list[Outlier]:
    """Find sessions with an unusual value of a quality metric.

    Parameters
    ----------
    rows : sequence of dict
        Joined table of sessions.

    Returns
    -------
    list of Outlier
        Values with a robust z beyond ``robust_outliers.OUTLIER_LIMIT``, the largest first. Metrics that fewer
        than ``MIN_SESSIONS`` sessions have are not judged, and the typicality in the cohort only from
        ``MIN_TYPICALITY`` participants on.
    """
    titles = {name: spec.title for name, spec in metric_specs().items()}
    if len({row["participant_id"] for row in rows}) >= MIN_TYPICALITY:
        titles[TYPICALITY] = describe_columns([TYPICALITY])[TYPICALITY]["LongName"]
    outliers: list[Outlier] = []
    for name, title in titles.items():
        numbers = [single_value(row.get(name)) for row in rows]
        values = np.array([np.nan if number is None else number for number in numbers])
        if np.isfinite(values).sum() < MIN_SESSIONS:
            continue
        # Fisher's z is symmetric near r = 1.
        scale = np.arctanh(np.clip(values, -1 + 1e-9, 1 - 1e-9)) if name == TYPICALITY else values
        for row, value, z in zip(rows, values, robust_z(scale), strict=True):
            if np.isfinite(z) and abs(z) > OUTLIER_LIMIT:
                outliers.append(Outlier(row["participant_id"], row_name(row), title, float(value), float(z)))
    return sorted(outliers, key=lambda outlier: -abs(outlier.robust_z))


def table_columns(table: Mapping[str, Sequence[Any]]) -> list[Column]:
    """Describe the columns of the table of sessions for the page.

    Parameters
    ----------
    table : dict of str to list
        Joined table.

    Returns
    -------
    list of Column
        Without labels, and without columns in which no session has a value.
    """
    specs = metric_specs()
    descriptions = describe_columns(table)
    columns = []
    for name, cells in table.items():
        values = [cell for cell in cells if cell not in (None, "n/a", "")]
        if name in _HIDDEN_COLUMNS or not values:
            continue
        spec = specs.get(name)
        columns.append(
            Column(
                name=name,
                title=spec.title if spec else descriptions[name].get("LongName", name),
                unit=spec.unit if spec and spec.unit else "",
                description=descriptions[name].get("Description", ""),
                limits=spec.limits if spec else "",
                is_number=all(_is_number(value) for value in values),
                is_metric=spec is not None or name == TYPICALITY,
                warn=spec.warn if spec else {},
                fail=spec.fail if spec else {},
            )
        )
    return columns


def table_rows(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], output: Path
) -> list[SessionRow]:
    """Convert the table of sessions for the page.

    Parameters
    ----------
    rows : sequence of dict
        Joined table.
    columns : sequence of Column
    output : Path
        Root of the dataset, with the pages of the participants.

    Returns
    -------
    list of SessionRow
    """
    pages = page_links(output)
    return [
        SessionRow(
            participant=row["participant_id"],
            name=row_name(row),
            page=pages.get(row["participant_id"], ""),
            cells=[_cell(row.get(column.name), is_number=column.is_number) for column in columns],
        )
        for row in rows
    ]


def page_links(output: Path) -> dict[str, str]:
    """List the pages of participants.

    Parameters
    ----------
    output : Path
        Root of the dataset.

    Returns
    -------
    dict of str to str
        Relative link by participant: ``sub-01.html`` of ``sub-01``.
    """
    return {path.stem: path.name for path in output.glob("sub-*.html")}


def _is_number(value: object) -> bool:
    try:
        return bool(np.isfinite(float(value)))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _cell(value: object, *, is_number: bool) -> float | str | None:
    if value in (None, "n/a", ""):
        return None
    return float(value) if is_number else str(value)  # type: ignore[arg-type]
