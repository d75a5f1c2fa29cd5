"""Voxels that all maps have in common, where maps are NaN outside the scanned or analysed volume.

Statistics packages differ: FSL writes 0 outside a participant's mask, SPM writes NaN. Scores on different
voxels cannot be compared, so all maps are restricted to the voxels in which every map has a value.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]

# A participant without more than this share of the usual voxels would remove them from all participants.
MAX_MISSING = 0.1
_BLOCK = 64


def missing_fraction(maps: Floats) -> NDArray[np.float64]:
    """Compute for each participant the share of the usual voxels without a value.

    Usual voxels are those in which more than half of the participants have a value.

    Parameters
    ----------
    maps : array of shape (n_participants, n_voxels)
        NaN or infinite where there is no value. A row without any value is a participant without a map.

    Returns
    -------
    array of shape (n_participants,)
        0 to 1; NaN for participants without a map.

    Examples
    --------
    >>> missing_fraction(np.array([[1.0, 2], [3, 4], [5, np.nan]]))
    array([0. , 0. , 0.5])
    """
    counts, n_participants = np.zeros(maps.shape[1], np.intp), 0
    for _, is_finite in _finite_blocks(maps):
        counts += is_finite.sum(axis=0)
        n_participants += int(is_finite.any(axis=1).sum())
    is_usual = counts > n_participants / 2
    shares = np.full(len(maps), np.nan)
    for start, is_finite in _finite_blocks(maps):
        rows = np.flatnonzero(is_finite.any(axis=1))
        n_missing = (is_usual & ~is_finite[rows]).sum(axis=1)
        shares[start + rows] = n_missing / max(1, int(is_usual.sum()))
    return shares


def common_voxels(maps: Floats) -> tuple[Flags, NDArray[np.intp]]:
    """Find the voxels of all participants, excluding participants who would remove many voxels.

    Parameters
    ----------
    maps : array of shape (n_participants, n_voxels)
        As for `missing_fraction`.

    Returns
    -------
    boolean array of shape (n_voxels,)
        Voxels with a value in all remaining maps.
    integer array of shape (n_excluded,)
        Rows that miss more than ``MAX_MISSING`` of the usual voxels.
    """
    shares = missing_fraction(maps)
    common = np.ones(maps.shape[1], bool)
    is_kept = shares <= MAX_MISSING
    for start, is_finite in _finite_blocks(maps):
        common &= is_finite[is_kept[start : start + len(is_finite)]].all(axis=0)
    return common, np.flatnonzero(shares > MAX_MISSING)


def restrict_in_place(maps: Floats, voxels: Flags) -> Floats:
    """Restrict maps to some voxels, in place, so that large arrays are not copied.

    Parameters
    ----------
    maps : array of shape (n_participants, n_voxels)
        Overwritten: its first columns hold the result, the others are undefined.
    voxels : boolean array of shape (n_voxels,)
        Voxels to keep.

    Returns
    -------
    array of shape (n_participants, n_kept)
        View of the first columns of `maps`.

    Examples
    --------
    >>> restrict_in_place(np.array([[1.0, 2, 3]]), np.array([True, False, True]))
    array([[1., 3.]])
    """
    n_kept = int(voxels.sum())
    if n_kept < len(voxels):
        for row in maps:
            row[:n_kept] = row[voxels]
    return maps[:, :n_kept]


def _finite_blocks(maps: Floats) -> Iterator[tuple[int, Flags]]:
    """Yield the first row of each block, and which of its values are finite."""
    for start in range(0, len(maps), _BLOCK):
        yield start, np.isfinite(maps[start : start + _BLOCK])
