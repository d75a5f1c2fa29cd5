"""Quality metrics as imaging-derived phenotypes (IDPs): one row per session, numbers only, unique columns."""

from collections.abc import Sequence
from typing import Any

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.output.quality_tables import describe_columns, describe_metric
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.connectome.qc_verdicts import metric_specs, single_value
from bids_deeptaskgen.io.tsv import join_columns

PREFIX = "deeptaskgen"


def column_prefix(entities: Entities) -> str:
    """Return the start of the names of the columns of maps.

    Parameters
    ----------
    entities : tuple of (str, str)
        Entities of the maps, without participant and session.

    Returns
    -------
    str
        ``deeptaskgen_``, the task, and other entities, for example ``deeptaskgen_rest_run1_``: no column of
        another table or task has that name.

    Examples
    --------
    >>> column_prefix((("task", "rest"), ("run", "1")))
    'deeptaskgen_rest_run1_'
    """
    labels = [value if key == "task" else f"{key}{value}" for key, value in entities]
    return "_".join([PREFIX, *labels]) + "_"


def idp_table(results: Sequence[Result]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Build the table of imaging-derived phenotypes, to be joined with others by participant and session.

    Parameters
    ----------
    results : sequence of Result
        Sessions of one series of a dataset.

    Returns
    -------
    columns : dict of str to list
        ``participant_id`` without ``sub-``, ``session_id`` without ``ses-``, and a column per metric; runs
        that have their own maps have their own columns. None where unavailable.
    sidecar : dict
        Description of each column.
    """
    rows: dict[tuple[str, str | None], dict[str, Any]] = {}
    sidecar = describe_columns(("participant_id", "session_id"))
    specs = metric_specs()
    for result in results:
        prefix = column_prefix(result.entities)
        labels = {"participant_id": result.subject, "session_id": result.session}
        row = rows.setdefault((result.subject, result.session), labels)
        for name, spec in specs.items():
            row[prefix + name] = single_value(result.metrics.get(name))
            if prefix + name not in sidecar:
                sidecar[prefix + name] = describe_metric(spec)
    return join_columns(rows.values()), sidecar
