"""Tables of a group: written with the sidecar that describes their columns."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.idp_table import idp_table
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.quality_tables import describe_columns
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.tsv import join_columns, write_tsv

# Digits of a similarity: rounding is below the error of float32 maps.
N_DECIMALS = 5


def describe_table(kind: str, columns: Sequence[str]) -> dict[str, Any]:
    """Describe the columns of a table for its sidecar.

    Parameters
    ----------
    kind : str
        Key of ``data/group_tables.json``.
    columns : sequence of str
        Columns that the file does not describe are named after participants or design columns.

    Returns
    -------
    dict
        ``Description`` of the table and of each column.
    """
    words = load_table("group_tables.json")[kind]
    return {
        "Description": words["Description"],
        **{name: {"Description": words[name]} for name in columns if name in words},
    }


def write_group_table(path: Path, kind: str, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write a table and its sidecar.

    Parameters
    ----------
    path : Path
    kind : str
        Key of ``data/group_tables.json``.
    columns : dict of str to sequence
    """
    write_tsv(path, columns)
    write_json(sidecar_path(path), describe_table(kind, list(columns)))


def write_rows(root: Path, group_set: GroupSet, kind: str, rows: Sequence[Any]) -> None:
    """Write dataclasses as a table, a column for each field; nothing without rows.

    Parameters
    ----------
    root : Path
        Root of the dataset, or of a folder with its layout.
    group_set : GroupSet
    kind : str
    rows : sequence of dataclass instances
    """
    if rows:
        columns = join_columns(
            {name: int(value) if isinstance(value, bool) else value for name, value in asdict(row).items()}
            for row in rows
        )
        write_group_table(group_set.path(root, kind), kind, columns)


def write_quality_tables(
    root: Path, group_set: GroupSet, results: Sequence[Result], columns: Mapping[str, Sequence[Any]]
) -> None:
    """Write the joined quality table and the table of imaging-derived phenotypes, with sidecars.

    Parameters
    ----------
    root : Path
    group_set : GroupSet
    results : sequence of Result
    columns : dict of str to list
        Joined table.
    """
    path = group_set.path(root, "group_metrics")
    write_tsv(path, columns)
    write_json(sidecar_path(path), describe_columns(columns))
    phenotypes, sidecar = idp_table(results)
    path = group_set.path(root, "group_idps")
    write_tsv(path, phenotypes)
    write_json(sidecar_path(path), sidecar)


def write_matrix(
    root: Path, group_set: GroupSet, kind: str, names: Sequence[str], matrix: NDArray[np.float64]
) -> None:
    """Write a matrix of participants by participants.

    Parameters
    ----------
    root : Path
    group_set : GroupSet
    kind : str
    names : sequence of str
        Names of rows and columns.
    matrix : array of shape (n, n)
        NaN becomes ``n/a``.
    """
    columns: dict[str, Sequence[Any]] = {"participant_id": names}
    columns |= dict(zip(names, matrix.T.round(N_DECIMALS).tolist(), strict=True))
    write_group_table(group_set.path(root, kind), kind, columns)
