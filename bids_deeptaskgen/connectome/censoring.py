"""Selection of volumes: dummy scans, framewise displacement, outliers of XCP-D."""

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.cleaning import Cleaning
from bids_deeptaskgen.connectome.confounds import Confounds, numbers
from bids_deeptaskgen.errors import InputError
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
    # Only the first volume has no predecessor; a column with further n/a values is not used.
    if column in table and len(table) > 1 and table[column][1:].notna().all():
        return numbers(table, [column])[column].fillna(0.0).to_numpy(np.float64)
    if set(MOTION) <= set(table.columns) and table[list(MOTION)].notna().to_numpy().all():
        return framewise_displacement(numbers(table, MOTION).to_numpy(np.float64))
    return None


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
    is_kept = np.ones(n_volumes, dtype=bool)
    if cleaning.dummy_scans is not None:
        is_kept[: cleaning.dummy_scans] = False
    elif confounds is not None:
        outlier_columns = [
            name for name in map(str, confounds.table) if name.startswith("non_steady_state_outlier")
        ]
        is_kept &= ~(confounds.table[outlier_columns] == 1).any(axis=1).to_numpy(dtype=bool)
    n_dummies = int((~is_kept).sum())
    if confounds is not None and confounds.outliers is not None:
        is_kept &= ~confounds.outliers
    if cleaning.fd_threshold > 0:
        is_kept &= _require_fd(confounds) <= cleaning.fd_threshold
    if not is_kept.any():
        n_censored = n_volumes - n_dummies
        advice = "Increase `fd_threshold`" if n_censored else "Lower `dummy_scans`"
        # Where no threshold is set, XCP-D's outliers are the only censored volumes.
        reason = (
            f"with FD > {cleaning.fd_threshold:g} mm" if cleaning.fd_threshold > 0 else "marked as outliers"
        )
        message = (
            f"No volumes remain: {n_dummies} dummy scans and {n_censored} volumes {reason} were removed.\n"
            f"{advice} or exclude this run."
        )
        raise InputError(message)
    return np.flatnonzero(is_kept)


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
