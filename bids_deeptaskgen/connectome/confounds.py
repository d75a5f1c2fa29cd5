"""Tables with one row a volume: fMRIPrep's confounds under one set of names, and what stands beside them."""

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
_AGAIN = "Copy it again from its source, or re-run the preprocessing of this run."


@dataclass(frozen=True)
class Confounds:
    """What is known of each volume of a run.

    Attributes
    ----------
    table : DataFrame of shape (n_volumes, n_columns)
        Under the names of fMRIPrep 21 and later; the user's own regressors begin with ``custom_``.
    sources : dict of str to str
        What columns are called in their file, where that is another name.
    outliers : boolean array of shape (n_volumes,) or None
        Volumes that XCP-D interpolated, which hold no data of their own.
    aroma : bool
        The noise components of fMRIPost-AROMA have been read, even if there are none.
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
        Rows that must be there.

    Returns
    -------
    Confounds or None
        None where the run has no table at all.

    Raises
    ------
    InputError
        If a table cannot be read or has another number of rows.
    """
    if run.confounds is None and run.aroma is None and run.custom is None and run.outliers is None:
        return None
    outliers, absent = _read_outliers(run.outliers, n_volumes)
    table, sources = pd.DataFrame(index=range(n_volumes)), {}
    if run.confounds is not None:
        table = read_table(run.confounds)
        if absent is not None and len(table) == len(absent):
            table = table[~absent].reset_index(drop=True)
        _check_rows(run.confounds, table, n_volumes)
        new_names = modern_names(map(str, table), _read_masks(run.confounds))
        sources = {new: old for old, new in new_names.items()}
        table = table.rename(columns=new_names)
    if run.aroma is not None:
        noise = _of_length(run.aroma, n_volumes)
        noise = noise[[name for name in noise if str(name).startswith("aroma_")]]
        table = table.drop(columns=[name for name in noise if name in table]).join(noise)
    if run.custom is not None:
        table = table.join(_of_length(run.custom, n_volumes).add_prefix(CUSTOM))
    return Confounds(table, sources, outliers, aroma=run.aroma is not None)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table with one row a volume.

    Parameters
    ----------
    path : Path
        TSV, where missing values are ``n/a``; or six or more columns of numbers without names: ``.txt`` as
        HCP's ``Movement_Regressors.txt`` (mm, then degrees), ``.par`` as MCFLIRT's (radians, then mm).

    Returns
    -------
    DataFrame
        Of the latter two, the motion parameters in mm and radians.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        if path.suffix in _MOTION_FILES:
            values = np.loadtxt(path, ndmin=2)[:, :6]
            return pd.DataFrame(_MOTION_FILES[path.suffix](values), columns=list(MOTION))
        return pd.read_csv(path, sep="\t", na_values=["n/a"])
    except (OSError, ValueError) as error:
        message = f"{path}: the table of confounds cannot be read ({error}).\n{_AGAIN}"
        raise InputError(message) from error


_MOTION_FILES: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    ".txt": lambda values: np.hstack([values[:, :3], np.deg2rad(values[:, 3:])]),
    ".par": lambda values: np.hstack([values[:, 3:], values[:, :3]]),
}


def numbers(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Take columns, and refuse text in them.

    Raises
    ------
    InputError
        If a column holds something else than numbers and missing values.
    """
    columns = table[list(names)]
    text = [str(name) for name in columns.select_dtypes(exclude=["number", "bool"])]
    if text:
        message = (
            f"the confounds hold something else than numbers and n/a in {', '.join(text)}.\n"
            "Copy the table again from its source, or re-run the preprocessing of this run."
        )
        raise InputError(message)
    return columns


def modern_names(names: Iterable[str], masks: Mapping[str, str]) -> dict[str, str]:
    """Say which columns go by another name in fMRIPrep 21 and later.

    Parameters
    ----------
    names : iterable of str
        Columns of a table of any version.
    masks : dict of str to str
        ``Mask`` of components in the table's JSON. From 1.4 to 20.2 it alone tells white matter from
        cerebrospinal fluid; before 1.4 there were components of both together only.

    Returns
    -------
    dict of str to str
        Old name to new one.
    """
    names = list(names)
    renamed = {old: _CAMEL[old] for old in names if old in _CAMEL}
    for old in names:
        parts = re.fullmatch(r"([A-Za-z]+?)(\d+)", old)
        if parts and parts[1] in _CAMEL_NUMBERED:
            renamed[old] = _CAMEL_NUMBERED[parts[1]] + parts[2]
    if any(name.startswith(tuple(_TISSUES.values())) for name in names):
        return renamed
    for tissue, prefix in _TISSUES.items():
        # As text, 100 would come before 70.
        of_tissue = sorted(
            (name for name in names if name.startswith("a_comp_cor_") and masks.get(name) == tissue),
            key=lambda name: int(name.rpartition("_")[2]),
        )
        renamed |= {name: f"{prefix}{number:02d}" for number, name in enumerate(of_tissue)}
    return renamed


def _read_masks(path: Path) -> dict[str, str]:
    """Read the ``Mask`` of each column from the JSON beside a table; empty where there is none."""
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
    """Read XCP-D's outliers: those among the volumes, and among all volumes if it has taken them out."""
    if path is None:
        return None, None
    table = read_table(path)
    if table.shape[1] == 0:
        message = f"{path}: the table of outliers is empty.\n{_AGAIN}"
        raise InputError(message)
    marked = np.asarray(table.iloc[:, 0] == 1)
    if len(marked) != n_volumes and int((~marked).sum()) == n_volumes:
        return None, marked
    _check_rows(path, table, n_volumes)
    return marked, None


def _of_length(path: Path, n_volumes: int) -> pd.DataFrame:
    table = read_table(path)
    _check_rows(path, table, n_volumes)
    return table


def _check_rows(path: Path, table: pd.DataFrame, n_volumes: int) -> None:
    if len(table) != n_volumes:
        message = (
            f"{path}: has {len(table)} rows, but the BOLD run has {n_volumes} volumes.\n"
            "Put the confounds of this run in its place, or re-run the preprocessing of this run."
        )
        raise InputError(message)
