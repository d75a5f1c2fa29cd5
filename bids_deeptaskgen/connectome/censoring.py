"""Selection of volumes: dummy scans, framewise displacement, outliers of XCP-D."""

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.cleaning import Cleaning
from bids_deeptaskgen.connectome.confounds import Confounds
from bids_deeptaskgen.connectome.volume_tables import require_marks, require_numbers
from bids_deeptaskgen.errors import InputError, quantity
from bids_deeptaskgen.nuisance_presets import MOTION

Matrix = NDArray[np.float64]


def framewise_displacement(motion: Matrix, radius_mm: float = 50.0) -> Matrix:
    """Compute framewise displacement (Power et al. 2012, NeuroImage 59:2142).

    Parameters
    ----------
    motion : array of shape (n_volumes, 6)
        Translations x, y, z in mm, then rotations x, y, z in radians.
    radius_mm : float
        Radius of the sphere on which rotations are converted to mm.

    Returns
    -------
    array of shape (n_volumes,)
        Displacement in mm; 0 for the first volume.

    Raises
    ------
    ValueError
        If `motion` does not have six columns.

    Examples
    --------
    >>> framewise_displacement(np.zeros((3, 6)))
    array([0., 0., 0.])
    """
    if motion.ndim != 2 or motion.shape[1] != 6:
        message = f"motion has shape {motion.shape}; (n_volumes, 6) is required."
        raise ValueError(message)
    steps = np.abs(np.diff(motion, axis=0, prepend=motion[:1]))
    steps[:, 3:] *= radius_mm
    return np.asarray(steps.sum(axis=1), dtype=np.float64)


def get_fd(confounds: Confounds | None) -> Matrix | None:
    """Return framewise displacement in mm, from its column or the motion parameters.

    Parameters
    ----------
    confounds : Confounds or None
        Confounds of a run; None if it has no table.

    Returns
    -------
    array of shape (n_volumes,) or None
        None if the table contains neither.
    """
    if confounds is None:
        return None
    table, column = confounds.table, "framewise_displacement"
    problems = [item for item in confounds.columns([column] if column in table else []) if item.problem]
    require_numbers(problems)
    # Only the first volume has no predecessor; a column with further n/a values is not used.
    if column in table and len(table) > 1 and table[column][1:].notna().all():
        return table[column].fillna(0.0).to_numpy(np.float64)
    if set(MOTION) <= set(table.columns):
        require_numbers(item for item in confounds.columns(MOTION) if item.problem)
        if table[list(MOTION)].notna().to_numpy().all():
            return framewise_displacement(table[list(MOTION)].to_numpy(np.float64))
    return None


def find_dummies(n_volumes: int, confounds: Confounds | None, cleaning: Cleaning) -> NDArray[np.bool_]:
    """Find the dummy scans: the first volumes, or those that fMRIPrep marked as not in steady state.

    Parameters
    ----------
    n_volumes : int
    confounds : Confounds or None
        Confounds of the run.
    cleaning : Cleaning

    Returns
    -------
    boolean array of shape (n_volumes,)
    """
    is_dummy = np.zeros(n_volumes, dtype=bool)
    if cleaning.dummy_scans is not None:
        is_dummy[: cleaning.dummy_scans] = True
    elif confounds is not None:
        outlier_columns = [
            name for name in map(str, confounds.table) if name.startswith("non_steady_state_outlier")
        ]
        require_marks(confounds.columns(outlier_columns))
        is_dummy |= (confounds.table[outlier_columns] == 1).any(axis=1).to_numpy(dtype=bool)
    return is_dummy


def sample_mask(n_volumes: int, confounds: Confounds | None, cleaning: Cleaning) -> NDArray[np.intp]:
    """Choose the volumes that are kept.

    Parameters
    ----------
    n_volumes : int
    confounds : Confounds or None
        Confounds of the run.
    cleaning : Cleaning

    Returns
    -------
    integer array of shape (n_kept,)
        Indices of the kept volumes, ascending.

    Raises
    ------
    InputError
        If `cleaning` censors but displacement is unavailable, or if no volumes remain.
    """
    is_kept = ~find_dummies(n_volumes, confounds, cleaning)
    n_dummies = int((~is_kept).sum())
    if confounds is not None and confounds.outliers is not None:
        is_kept &= ~confounds.outliers
    n_outliers = int((~is_kept).sum()) - n_dummies
    if cleaning.fd_threshold > 0:
        is_kept &= _require_fd(confounds) <= cleaning.fd_threshold
    if not is_kept.any():
        raise InputError(_explain_no_volumes(n_volumes, n_dummies, n_outliers, cleaning))
    return np.flatnonzero(is_kept)


def _explain_no_volumes(n_volumes: int, n_dummies: int, n_outliers: int, cleaning: Cleaning) -> str:
    n_moving = n_volumes - n_dummies - n_outliers
    removed_volumes = [f"{n_dummies} dummy {'scan' if n_dummies == 1 else 'scans'}"]
    if n_outliers:
        removed_volumes.append(quantity(n_outliers, "outlier of XCP-D"))
    if n_moving:
        removed_volumes.append(quantity(n_moving, f"volume with FD > {cleaning.fd_threshold:g} mm"))
    if n_moving:
        advice = "Increase `fd_threshold` or exclude this run."
    elif n_dummies and cleaning.dummy_scans is not None:
        advice = "Lower `dummy_scans` or exclude this run."
    else:
        advice = "Exclude this run."
    return f"No volumes remain: {' and '.join(removed_volumes)} were removed.\n{advice}"


def _require_fd(confounds: Confounds | None) -> Matrix:
    """Return framewise displacement, or raise if it is unavailable."""
    fd = get_fd(confounds)
    if fd is None:
        finding = "there is no confounds table beside the BOLD"
        if confounds is not None:
            finding = "the confounds contain neither without n/a after the first volume"
        message = (
            "`fd_threshold` needs the column framewise_displacement or the six motion parameters, "
            f"and {finding}.\nPut fMRIPrep's confounds of this run there, or omit `fd_threshold`."
        )
        raise InputError(message)
    return fd
