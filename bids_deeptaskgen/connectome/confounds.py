"""Confounds of a run, from all its tables, under the names of fMRIPrep 21."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.confound_names import modern_names
from bids_deeptaskgen.connectome.findings import Finding
from bids_deeptaskgen.connectome.inputs import RunInputs
from bids_deeptaskgen.connectome.motion_files import find_implausible
from bids_deeptaskgen.connectome.volume_tables import (
    AROMA_ADVICE,
    CONFOUNDS_ADVICE,
    CUSTOM_ADVICE,
    LENGTH_ADVICE,
    OUTLIERS_ADVICE,
    Column,
    TableError,
    n_rows_of,
    read_columns,
    read_outliers,
    require_rows,
    select_rows,
)
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.json_file import read_json

CUSTOM = "custom_"


@dataclass(frozen=True)
class Confounds:
    """Confounds of a run, one row per volume.

    Attributes
    ----------
    table : DataFrame of shape (n_volumes, n_columns)
        Under the names of fMRIPrep 21 and later; the user's own regressors begin with ``custom_``. NaN for
        n/a, and for cells that are not numbers.
    sources : dict of str to str
        Name of a column in its file, where it differs.
    outliers : boolean array of shape (n_volumes,) or None
        Volumes that XCP-D interpolated, which contain no measured data.
    aroma : bool
        Whether fMRIPost-AROMA's table was read; it may list no noise component.
    origins : dict of str to Column
        Columns of `table` as they were read.
    findings : tuple of Finding
        Suspicious values.
    json_problem : str
        Why the JSON of the confounds table cannot be read; empty if it can, or does not exist.
    """

    table: pd.DataFrame
    sources: Mapping[str, str] = field(default_factory=dict)
    outliers: NDArray[np.bool_] | None = None
    aroma: bool = False
    origins: Mapping[str, Column] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    json_problem: str = ""

    def columns(self, names: Sequence[str]) -> list[Column]:
        """Return columns of the table with their origin.

        Parameters
        ----------
        names : sequence of str
            Columns of `table`.

        Returns
        -------
        list of Column
        """
        return [
            self.origins.get(name)
            or Column(name, self.table[name].to_numpy(np.float64), Path("confounds"), CONFOUNDS_ADVICE)
            for name in names
        ]


def read_confounds(run: RunInputs, n_volumes: int) -> Confounds | None:
    """Read all tables of a run.

    Parameters
    ----------
    run : RunInputs
    n_volumes : int
        Required number of rows.

    Returns
    -------
    Confounds or None
        None if the run has no table.

    Raises
    ------
    TableError
        If a table cannot be read or has another number of rows.
    """
    if run.confounds is None and run.aroma is None and run.custom is None and run.outliers is None:
        return None
    outliers, removed_volumes = _match_outliers(run.outliers, n_volumes)
    columns: dict[str, Column] = {}
    findings: tuple[Finding, ...] = ()
    json_problem = ""
    if run.confounds is not None:
        columns, json_problem = _read_fmriprep(run.confounds, removed_volumes, n_volumes)
        values = {name: column.values for name, column in columns.items() if not column.problem}
        findings = find_implausible(run.confounds, values)
    sources = {name: column.name for name, column in columns.items() if column.name != name}
    if run.aroma is not None:
        noise = _read_table(run.aroma, AROMA_ADVICE, n_volumes)
        columns |= {name: column for name, column in noise.items() if name.startswith("aroma_")}
    if run.custom is not None:
        custom = _read_table(run.custom, CUSTOM_ADVICE, n_volumes)
        columns |= {CUSTOM + name: column for name, column in custom.items()}
    table = pd.DataFrame({name: column.values for name, column in columns.items()}, index=range(n_volumes))
    return Confounds(
        table,
        sources,
        outliers,
        aroma=run.aroma is not None,
        origins=columns,
        findings=findings,
        json_problem=json_problem,
    )


def _read_fmriprep(
    path: Path, removed_volumes: NDArray[np.bool_] | None, n_volumes: int
) -> tuple[dict[str, Column], str]:
    """Read the confounds table under the names of fMRIPrep 21, and its JSON's problem."""
    columns = read_columns(path, CONFOUNDS_ADVICE)
    if removed_volumes is not None and n_rows_of(columns) == len(removed_volumes):
        columns = select_rows(columns, ~removed_volumes)
    require_rows(path, n_rows_of(columns), n_volumes, LENGTH_ADVICE)
    masks, json_problem = _read_masks(path)
    new_names = modern_names(columns, masks)
    new_columns = {new_names.get(name, name): column for name, column in columns.items()}
    if len(new_columns) < len(columns):
        twins = [name for name in columns if name in new_names and new_names[name] in columns]
        pairs = ", ".join(f"{name} and {new_names[name]}" for name in twins)
        message = f"{path}: has one quantity under two names ({pairs}).\n{CONFOUNDS_ADVICE}"
        raise TableError(message)
    return new_columns, json_problem


def _read_masks(path: Path) -> tuple[dict[str, str], str]:
    """Read the ``Mask`` of each column from the sidecar of a table, and why it cannot be read."""
    sidecar = path.with_suffix(".json")
    if not sidecar.exists() and not sidecar.is_symlink():
        return {}, ""
    try:
        content = read_json(sidecar)
    except InputError as error:
        return {}, str(error)
    masks = {name: str(entry["Mask"]) for name, entry in content.items() if "Mask" in _as_dict(entry)}
    return masks, ""


def _as_dict(entry: object) -> dict[str, object]:
    return entry if isinstance(entry, dict) else {}


def _match_outliers(
    path: Path | None, n_volumes: int
) -> tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None]:
    """Read XCP-D's outliers among the run's volumes, or among the original ones if it removed them."""
    if path is None:
        return None, None
    is_outlier = read_outliers(path)
    if len(is_outlier) != n_volumes and int((~is_outlier).sum()) == n_volumes:
        return None, is_outlier
    require_rows(path, len(is_outlier), n_volumes, OUTLIERS_ADVICE)
    return is_outlier, None


def _read_table(path: Path, advice: str, n_volumes: int) -> dict[str, Column]:
    columns = read_columns(path, advice)
    require_rows(path, n_rows_of(columns), n_volumes, advice)
    return columns
