"""Which volumes of a run are kept: dummies, how the head moved, what others have marked."""

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.cleaning import Cleaning
from bids_deeptaskgen.connectome.confounds import Confounds, numbers
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.nuisance_presets import MOTION

Matrix = NDArray[np.float64]


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


def fd_of(confounds: Confounds | None) -> Matrix | None:
    """Framewise displacement in mm of each volume, from the table's own column or its motion parameters.

    Returns
    -------
    array of shape (n_volumes,) or None
        None where the table holds neither.
    """
    if confounds is None:
        return None
    table, column = confounds.table, "framewise_displacement"
    # Only the first volume has no predecessor; a column with other holes is not taken.
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
        Tables of the run.
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
    elif confounds is not None:
        marked = [name for name in map(str, confounds.table) if name.startswith("non_steady_state_outlier")]
        keep &= ~(confounds.table[marked] == 1).any(axis=1).to_numpy(dtype=bool)
    n_dummies = int((~keep).sum())
    if confounds is not None and confounds.outliers is not None:
        keep &= ~confounds.outliers
    if cleaning.fd_threshold > 0:
        keep &= _wanted_fd(confounds) <= cleaning.fd_threshold
    if not keep.any():
        n_moved, limit = n_volumes - n_dummies, f"--fd-threshold {cleaning.fd_threshold:g} mm"
        advice = "Raise --fd-threshold" if n_moved else "Lower --dummy-scans"
        message = (
            f"none of the {n_volumes} volumes is left (dummies: {n_dummies}; over {limit}: {n_moved}).\n"
            f"{advice}, or leave this person or run out."
        )
        raise InputError(message)
    return np.flatnonzero(keep)


def _wanted_fd(confounds: Confounds | None) -> Matrix:
    fd = fd_of(confounds)
    if fd is None:
        found = "there is no table of confounds beside the BOLD"
        if confounds is not None:
            found = "the confounds hold neither without n/a after the first volume"
        message = (
            "--fd-threshold needs the column framewise_displacement or the six motion parameters, "
            f"and {found}.\nPut fMRIPrep's confounds of this run there, or leave --fd-threshold out."
        )
        raise InputError(message)
    return fd
