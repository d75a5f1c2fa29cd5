"""Which voxels all maps have, where maps hold NaN outside of what was scanned or analysed.

Statistics packages differ: FSL writes 0 outside of a person's mask, SPM writes NaN. Scores of different
voxels cannot be compared, so all maps are cut down to the voxels that every one of them has.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]

# Who lacks more than this share of the voxels that most people have would take them from everybody.
MAX_LACKING = 0.1
_BLOCK = 64


def missing_fraction(maps: Floats) -> NDArray[np.float64]:
    """Say which share of the voxels that most people have each person lacks.

    Parameters
    ----------
    maps : array of shape (n_people, n_voxels)
        NaN or infinite where there is no value; a row of nothing else is nobody's.

    Returns
    -------
    array of shape (n_people,)
        0 to 1; NaN of those who have no map.
    """
    counts, n_participants = np.zeros(maps.shape[1], np.intp), 0
    for _, finite in _finite(maps):
        counts += finite.sum(axis=0)
        n_participants += int(finite.any(axis=1).sum())
    usual = counts > n_participants / 2
    shares = np.full(len(maps), np.nan)
    for start, finite in _finite(maps):
        present = np.flatnonzero(finite.any(axis=1))
        lacking = (usual & ~finite[present]).sum(axis=1)
        shares[start + present] = lacking / max(1, int(usual.sum()))
    return shares


def common_voxels(maps: Floats) -> tuple[Flags, NDArray[np.intp]]:
    """Find the voxels that everybody has, but for those people who would cost many.

    Parameters
    ----------
    maps : array of shape (n_people, n_voxels)
        As for `missing_fraction`.

    Returns
    -------
    boolean array of shape (n_voxels,)
        Voxels that hold a value in all maps that remain.
    integer array of shape (n_left_out,)
        Rows that lack more than ``MAX_LACKING`` of the voxels that most people have.
    """
    shares = missing_fraction(maps)
    common = np.ones(maps.shape[1], bool)
    kept = shares <= MAX_LACKING
    for start, finite in _finite(maps):
        common &= finite[kept[start : start + len(finite)]].all(axis=0)
    return common, np.flatnonzero(shares > MAX_LACKING)


def restrict_in_place(maps: Floats, voxels: Flags) -> Floats:
    """Keep some voxels, in place: the maps of many people need not be there twice.

    Parameters
    ----------
    maps : array of shape (n_people, n_voxels)
        What is in it afterwards is no map any more, unless all voxels are kept.
    voxels : boolean array of shape (n_voxels,)

    Returns
    -------
    array of shape (n_people, n_kept)
        The first columns of `maps`.
    """
    n_kept = int(voxels.sum())
    if n_kept < len(voxels):
        for row in maps:
            row[:n_kept] = row[voxels]
    return maps[:, :n_kept]


def _finite(maps: Floats) -> Iterable[tuple[int, Flags]]:
    for start in range(0, len(maps), _BLOCK):
        yield start, np.isfinite(maps[start : start + _BLOCK])
