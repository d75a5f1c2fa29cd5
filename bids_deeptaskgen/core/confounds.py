"""Which volumes are kept, and what is regressed out of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.linalg
from numpy.typing import NDArray

from bids_deeptaskgen.errors import InputError

Matrix = NDArray[np.float64]

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
# fMRIPrep's high-pass: a period of 128 s.
FMRIPREP_HIGH_PASS_HZ = 1 / 128
N_COMPCOR = 5
# A direction whose length is below this share of the longest is what rounding in the table leaves.
RANK_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Cleaning:
    """How a run is cleaned.

    Attributes
    ----------
    nuisance_regressors : str
        A key of ``PRESETS``.
    high_pass : float or None
        Cut-off in Hz of a cosine basis made here, 0 for none; None lets the preset decide.
    fd_threshold : float
        Volumes that moved more than this (mm) are left out; 0 keeps them.
    dummy_scans : int or None
        Leading volumes to leave out; None takes those that fMRIPrep marked as not in steady state.
    """

    nuisance_regressors: str = "acompcor"
    high_pass: float | None = None
    fd_threshold: float = 0.0
    dummy_scans: int | None = None


@dataclass(frozen=True)
class Design:
    """What is regressed out of the kept volumes of a run.

    Attributes
    ----------
    columns : tuple of str
        Names of the regressors, without the intercept.
    basis : array of shape (n_kept, rank)
        Orthonormal columns that span the regressors and the intercept; the first is constant.
    """

    columns: tuple[str, ...]
    basis: Matrix


def read_confounds(path: Path, n_volumes: int) -> pd.DataFrame:
    """Read fMRIPrep's table of confounds.

    Parameters
    ----------
    path : Path
        TSV with one row a volume; missing values are ``n/a``.
    n_volumes : int
        Rows that must be there.

    Returns
    -------
    DataFrame of shape (n_volumes, n_columns)

    Raises
    ------
    InputError
        If the table cannot be read or has another number of rows.
    """
    try:
        table = pd.read_csv(path, sep="\t", na_values=["n/a"])
    except (OSError, ValueError) as error:
        message = (
            f"{path}: the table of confounds cannot be read ({error}).\n"
            "Copy it again from its source, or re-run the preprocessing of this run."
        )
        raise InputError(message) from error
    if len(table) != n_volumes:
        message = (
            f"{path}: has {len(table)} rows, but the BOLD run has {n_volumes} volumes.\n"
            "Put the confounds of this run in its place, or re-run the preprocessing of this run."
        )
        raise InputError(message)
    return table


def framewise_displacement(motion: Matrix, radius_mm: float = 50.0) -> Matrix:
    """Head movement between successive volumes (Power et al. 2012, NeuroImage 59:2142).

    Parameters
    ----------
    motion : array of shape (n_volumes, 6)
        Translations x, y, z in mm, then rotations x, y, z in radians.
    radius_mm : float
        Radius of the sphere on which rotations are turned into mm.

    Returns
    -------
    array of shape (n_volumes,)
        Displacement in mm; 0 for the first volume.

    Raises
    ------
    ValueError
        If there are not six columns.
    """
    if motion.ndim != 2 or motion.shape[1] != 6:
        message = f"motion has shape {motion.shape}; (n_volumes, 6) is wanted."
        raise ValueError(message)
    steps = np.abs(np.diff(motion, axis=0, prepend=motion[:1]))
    steps[:, 3:] *= radius_mm
    return np.asarray(steps.sum(axis=1), dtype=np.float64)


def fd_of(table: pd.DataFrame | None) -> Matrix | None:
    """Framewise displacement in mm of each volume, from the table's own column or its motion parameters.

    Returns
    -------
    array of shape (n_volumes,) or None
        None where the table holds neither.
    """
    if table is None:
        return None
    for column in ("framewise_displacement", "FramewiseDisplacement"):
        # Only the first volume has no predecessor; a column with other holes is not taken.
        if column in table and len(table) > 1 and table[column][1:].notna().all():
            return _numbers(table, [column])[column].fillna(0.0).to_numpy(np.float64)
    if set(MOTION) <= set(table.columns) and table[list(MOTION)].notna().to_numpy().all():
        return framewise_displacement(_numbers(table, MOTION).to_numpy(np.float64))
    return None


def _numbers(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Take columns, and refuse text in them."""
    columns = table[list(names)]
    text = [str(name) for name in columns.select_dtypes(exclude=["number", "bool"])]
    if text:
        message = (
            f"the confounds hold something else than numbers and n/a in {', '.join(text)}.\n"
            "Copy the table again from its source, or re-run the preprocessing of this run."
        )
        raise InputError(message)
    return columns


def _filled(table: pd.DataFrame, names: Sequence[str]) -> Matrix:
    """Take columns as numbers; their first row, which derivatives lack, is that of the second volume.

    So does ``nilearn.interfaces.fmriprep.load_confounds``.
    """
    columns = _numbers(table, names).astype(np.float64)
    holes = columns[1:].isna()
    if holes.to_numpy().any():
        rows = ", ".join(str(row) for row in holes.index[holes.any(axis=1)][:5])
        message = (
            f"the confounds {', '.join(holes.columns[holes.any()])} hold n/a after the first volume (volumes "
            f"{rows}, counted from 0).\nCopy the table again from its source, or re-run the preprocessing of "
            "this run."
        )
        raise InputError(message)
    return columns.bfill(limit=1).fillna(0.0).to_numpy(np.float64)


def sample_mask(n_volumes: int, table: pd.DataFrame | None, cleaning: Cleaning) -> NDArray[np.intp]:
    """Choose the volumes that are kept.

    Parameters
    ----------
    n_volumes : int
    table : DataFrame or None
        Confounds of the run.
    cleaning : Cleaning

    Returns
    -------
    integer array of shape (n_kept,)
        Numbers of the kept volumes, in order.

    Raises
    ------
    InputError
        If censoring is asked for and there is no displacement, or if no volume is left.
    """
    keep = np.ones(n_volumes, dtype=bool)
    if cleaning.dummy_scans is not None:
        keep[: cleaning.dummy_scans] = False
    elif table is not None:
        marked = [name for name in map(str, table) if name.startswith("non_steady_state_outlier")]
        keep &= ~(table[marked] == 1).any(axis=1).to_numpy(dtype=bool)
    n_dummies = int((~keep).sum())
    if cleaning.fd_threshold > 0:
        fd = fd_of(table)
        if fd is None:
            found = "there is no table of confounds beside the BOLD"
            if table is not None:
                found = "the confounds hold neither without n/a after the first volume"
            message = (
                "--fd-threshold needs the column framewise_displacement or the six motion parameters, "
                f"and {found}.\nPut fMRIPrep's confounds of this run there, or leave --fd-threshold out."
            )
            raise InputError(message)
        keep &= fd <= cleaning.fd_threshold
    if not keep.any():
        n_moved, limit = n_volumes - n_dummies, f"--fd-threshold {cleaning.fd_threshold:g} mm"
        advice = "Raise --fd-threshold" if n_moved else "Lower --dummy-scans"
        message = (
            f"none of the {n_volumes} volumes is left (dummies: {n_dummies}; over {limit}: {n_moved}).\n"
            f"{advice}, or leave this person or run out."
        )
        raise InputError(message)
    return np.flatnonzero(keep)


def cosine_basis(n_volumes: int, t_r: float, high_pass_hz: float) -> Matrix:
    """Slow cosines that high-pass filter a series when regressed out (as in SPM and fMRIPrep).

    Parameters
    ----------
    n_volumes : int
    t_r : float
        Repetition time in s.
    high_pass_hz : float
        Cut-off frequency.

    Returns
    -------
    array of shape (n_volumes, n_cosines)
        Orthonormal columns, slowest first, without the constant; none for a run shorter than half a period.
    """
    n_cosines = min(int(np.floor(2 * n_volumes * high_pass_hz * t_r)), n_volumes - 1)
    times = (np.arange(n_volumes) + 0.5) / n_volumes
    orders = np.arange(1, max(n_cosines, 0) + 1)
    return np.asarray(np.sqrt(2 / n_volumes) * np.cos(np.pi * times[:, None] * orders), dtype=np.float64)


def _motion_columns(table: pd.DataFrame) -> list[str]:  # noqa: ARG001 - all choosers have one signature
    return [name + suffix for suffix in ("", "_derivative1") for name in MOTION]


def _compcor_columns(table: pd.DataFrame) -> list[str]:
    """Up to five components of each tissue: fMRIPrep keeps as many as explain half of its variance."""
    names = []
    for tissue in "cw":
        numbered = [f"{tissue}_comp_cor_{i:02d}" for i in range(N_COMPCOR)]
        # A gap in the numbers is a damaged table, and is told of as any missing column.
        n_kept = max((i + 1 for i, name in enumerate(numbered) if name in table), default=1)
        names += numbered[:n_kept]
    return names


@dataclass(frozen=True)
class Preset:
    """A named choice of regressors: the columns to take, and whether slow drifts are removed by default."""

    choosers: tuple[Callable[[pd.DataFrame], list[str]], ...]
    filters_drift: bool


# Names and contents as in XCP-D.
PRESETS: dict[str, Preset] = {
    "none": Preset((), filters_drift=False),
    "acompcor": Preset((_motion_columns, _compcor_columns), filters_drift=True),
}


def choose_columns(
    table: pd.DataFrame | None, n_volumes: int, t_r: float, cleaning: Cleaning
) -> tuple[list[str], Matrix]:
    """Pick or make the regressors of a run, for all its volumes.

    Parameters
    ----------
    table : DataFrame or None
        Confounds of the run, needed unless the preset takes no column of it.
    n_volumes : int
    t_r : float
        Repetition time in s.
    cleaning : Cleaning

    Returns
    -------
    names : list of str
        ``cosineXX`` are fMRIPrep's, ``high_pass_cosineXX`` are made here.
    values : array of shape (n_volumes, n_regressors)

    Raises
    ------
    InputError
        If columns are missing; all of them are named at once.
    """
    preset = PRESETS[cleaning.nuisance_regressors]
    if table is None:
        if preset.choosers:
            message = (
                f"--nuisance-regressors {cleaning.nuisance_regressors} needs fMRIPrep's table of confounds "
                "(desc-confounds_timeseries.tsv), and there is none beside the BOLD.\n"
                "Put it there, or use --nuisance-regressors none for data that are cleaned already."
            )
            raise InputError(message)
        table = pd.DataFrame(index=range(n_volumes))
    names = [name for chooser in preset.choosers for name in chooser(table)]
    missing = [name for name in names if name not in table or table[name].isna().all()]
    if missing:
        message = (
            f"--nuisance-regressors {cleaning.nuisance_regressors} needs columns that the confounds lack: "
            f"{', '.join(missing)}.\nRe-run fMRIPrep 21 or later, or choose other --nuisance-regressors."
        )
        raise InputError(message)
    cosines = [name for name in map(str, table) if name.startswith("cosine")]
    if cleaning.high_pass is None and preset.filters_drift and cosines:
        names += cosines
    values = _filled(table, names).reshape(n_volumes, len(names))
    made_here = cleaning.high_pass
    if made_here is None:
        made_here = FMRIPREP_HIGH_PASS_HZ if preset.filters_drift and not cosines else 0.0
    basis = cosine_basis(n_volumes, t_r, made_here)
    names += [f"high_pass_cosine{i:02d}" for i in range(basis.shape[1])]
    return names, np.hstack([values, basis])


def make_design(names: Sequence[str], regressors: Matrix, kept: NDArray[np.intp]) -> Design:
    """Orthonormalise the regressors over the kept volumes.

    Collinear columns are common (a real 36-parameter table of a short run has rank 10), hence the pivoted
    QR decomposition in place of normal equations.

    Parameters
    ----------
    names : sequence of str
    regressors : array of shape (n_volumes, n_regressors)
    kept : integer array of shape (n_kept,)

    Returns
    -------
    Design
    """
    rows = regressors[kept]
    rows = rows - rows.mean(axis=0)
    scale = rows.std(axis=0)
    largest = np.abs(regressors[kept]).max(axis=0, initial=0)
    varies = scale > 1e-12 * largest
    constant = np.full((len(kept), 1), 1 / np.sqrt(len(kept)))
    if not varies.any():
        return Design(tuple(names), constant)
    q, r, _ = scipy.linalg.qr(rows[:, varies] / scale[varies], mode="economic", pivoting=True)
    lengths = np.abs(np.diag(r))
    rank = int((lengths > RANK_TOLERANCE * lengths[0]).sum())
    basis = q[:, :rank]
    # Pivoted QR leaves the columns' mean at rounding size; the constant must be exactly apart.
    basis = basis - basis.mean(axis=0)
    return Design(tuple(names), np.hstack([constant, basis]))
