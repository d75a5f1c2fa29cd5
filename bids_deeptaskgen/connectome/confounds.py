"""Tables with one row per volume: confounds under the names of fMRIPrep 21, motion files, XCP-D outliers."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.inputs import RunInputs
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.nuisance_presets import MOTION

CUSTOM = "custom_"

# fMRIPrep up to 1.1 wrote names in CamelCase.
_CAMEL = {
    "CSF": "csf",
    "WhiteMatter": "white_matter",
    "GlobalSignal": "global_signal",
    "FramewiseDisplacement": "framewise_displacement",
    **dict(zip(("X", "Y", "Z", "RotX", "RotY", "RotZ"), MOTION, strict=True)),
}
_CAMEL_NUMBERED = {
    "aCompCor": "a_comp_cor_",
    "Cosine": "cosine",
    "NonSteadyStateOutlier": "non_steady_state_outlier",
    "AROMAAggrComp": "aroma_motion_",
}
_TISSUES = {"CSF": "c_comp_cor_", "WM": "w_comp_cor_"}
_COPY_ADVICE = "Copy it again from its source, or re-run the preprocessing of this run."


@dataclass(frozen=True)
class Confounds:
    """Confounds of a run, one row per volume.

    Attributes
    ----------
    table : DataFrame of shape (n_volumes, n_columns)
        Under the names of fMRIPrep 21 and later; the user's own regressors begin with ``custom_``.
    sources : dict of str to str
        Name of a column in its file, where it differs.
    outliers : boolean array of shape (n_volumes,) or None
        Volumes that XCP-D interpolated, which contain no measured data.
    aroma : bool
        Whether fMRIPost-AROMA's table was read; it may list no noise component.
    """

    table: pd.DataFrame
    sources: Mapping[str, str] = field(default_factory=dict)
    outliers: NDArray[np.bool_] | None = None
    aroma: bool = False


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
    InputError
        If a table cannot be read or has another number of rows.
    """
    if run.confounds is None and run.aroma is None and run.custom is None and run.outliers is None:
        return None
    outliers, removed_volumes = _read_outliers(run.outliers, n_volumes)
    table, sources = pd.DataFrame(index=range(n_volumes)), {}
    if run.confounds is not None:
        table = read_table(run.confounds)
        if removed_volumes is not None and len(table) == len(removed_volumes):
            table = table[~removed_volumes].reset_index(drop=True)
        _check_rows(run.confounds, table, n_volumes)
        new_names = modern_names(map(str, table), _read_masks(run.confounds))
        sources = {new_name: name for name, new_name in new_names.items()}
        table = table.rename(columns=new_names)
    if run.aroma is not None:
        noise = _of_length(run.aroma, n_volumes)
        noise = noise[[name for name in noise if str(name).startswith("aroma_")]]
        table = table.drop(columns=[name for name in noise if name in table]).join(noise)
    if run.custom is not None:
        table = table.join(_of_length(run.custom, n_volumes).add_prefix(CUSTOM))
    return Confounds(table, sources, outliers, aroma=run.aroma is not None)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table with one row per volume.

    Parameters
    ----------
    path : Path
        TSV with ``n/a`` for missing values; or six or more columns of numbers without names: ``.txt`` as
        HCP's ``Movement_Regressors.txt`` (mm, then degrees), ``.par`` as MCFLIRT's (radians, then mm).

    Returns
    -------
    DataFrame
        For ``.txt`` and ``.par``, the motion parameters in mm and radians.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        if path.suffix in _MOTION_FILES:
            values = np.loadtxt(path, ndmin=2)[:, :6]
            return pd.DataFrame(_MOTION_FILES[path.suffix](values), columns=list(MOTION))
        return pd.read_csv(path, sep="\t", na_values=["n/a"])
    except (OSError, ValueError) as error:
        message = f"{path}: the confounds table cannot be read ({error}).\n{_COPY_ADVICE}"
        raise InputError(message) from error


_MOTION_FILES: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    ".txt": lambda values: np.hstack([values[:, :3], np.deg2rad(values[:, 3:])]),
    ".par": lambda values: np.hstack([values[:, 3:], values[:, :3]]),
}


def numbers(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Select columns of a table and require numbers in them.

    Parameters
    ----------
    table : DataFrame of shape (n_volumes, n_columns)
    names : sequence of str
        Columns to select.

    Returns
    -------
    DataFrame of shape (n_volumes, n_names)

    Raises
    ------
    InputError
        If a column contains values other than numbers and n/a.
    """
    columns = table[list(names)]
    text_columns = [str(name) for name in columns.select_dtypes(exclude=["number", "bool"])]
    if text_columns:
        message = (
            f"the confounds contain values other than numbers and n/a in {', '.join(text_columns)}.\n"
            "Copy the table again from its source, or re-run the preprocessing of this run."
        )
        raise InputError(message)
    return columns


def modern_names(names: Iterable[str], masks: Mapping[str, str]) -> dict[str, str]:
    """Map column names to those of fMRIPrep 21 and later, where they differ.

    Parameters
    ----------
    names : iterable of str
        Columns of a table of any version.
    masks : dict of str to str
        ``Mask`` of components in the table's JSON. From fMRIPrep 1.4 to 20.2, only this field distinguishes
        white matter from cerebrospinal fluid; earlier versions wrote joint components only.

    Returns
    -------
    dict of str to str
        Name in the table to name in fMRIPrep 21.
    """
    names = list(names)
    new_names = {name: _CAMEL[name] for name in names if name in _CAMEL}
    for name in names:
        parts = re.fullmatch(r"([A-Za-z]+?)(\d+)", name)
        if parts and parts[1] in _CAMEL_NUMBERED:
            new_names[name] = _CAMEL_NUMBERED[parts[1]] + parts[2]
    if any(name.startswith(tuple(_TISSUES.values())) for name in names):
        return new_names
    for tissue, prefix in _TISSUES.items():
        # As text, 100 would sort before 70.
        of_tissue = sorted(
            (name for name in names if name.startswith("a_comp_cor_") and masks.get(name) == tissue),
            key=lambda name: int(name.rpartition("_")[2]),
        )
        new_names |= {name: f"{prefix}{number:02d}" for number, name in enumerate(of_tissue)}
    return new_names


def _read_masks(path: Path) -> dict[str, str]:
    """Read the ``Mask`` of each column from the sidecar of a table; empty without one."""
    try:
        content = json.loads(path.with_suffix(".json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: str(entry["Mask"]) for name, entry in content.items() if "Mask" in _as_dict(entry)}


def _as_dict(entry: object) -> dict[str, object]:
    return entry if isinstance(entry, dict) else {}


def _read_outliers(
    path: Path | None, n_volumes: int
) -> tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None]:
    """Read XCP-D's outliers among the run's volumes, or among the original ones if it removed them."""
    if path is None:
        return None, None
    table = read_table(path)
    if table.shape[1] == 0:
        message = f"{path}: the table of outliers is empty.\n{_COPY_ADVICE}"
        raise InputError(message)
    is_outlier = np.asarray(table.iloc[:, 0] == 1)
    if len(is_outlier) != n_volumes and int((~is_outlier).sum()) == n_volumes:
        return None, is_outlier
    _check_rows(path, table, n_volumes)
    return is_outlier, None


def _of_length(path: Path, n_volumes: int) -> pd.DataFrame:
    table = read_table(path)
    _check_rows(path, table, n_volumes)
    return table


def _check_rows(path: Path, table: pd.DataFrame, n_volumes: int) -> None:
    if len(table) != n_volumes:
        message = (
            f"{path}: has {len(table)} rows, but the BOLD run has {n_volumes} volumes.\n"
            "Put the confounds of this run there, or re-run the preprocessing of this run."
        )
        raise InputError(message)
