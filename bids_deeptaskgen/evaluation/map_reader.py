"""Maps of many people and contrasts, read such that each image is opened once and the memory is bounded."""

import logging
import os
from collections.abc import Mapping, MutableMapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.measured_map_images import read_statmap, read_statmaps
from bids_deeptaskgen.bids.measured_maps import StatmapFile
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.stats.common_voxels import MAX_LACKING, common_voxels

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]
# Contrast to person to the maps of their sessions.
Files = Mapping[str, Mapping[str, Sequence[StatmapFile]]]
# Maps of more than this are held in a file, which the system may drop from memory.
_IN_MEMORY_BYTES = 1_000_000_000


def allocate(shape: tuple[int, ...], scratch: Path) -> Floats:
    """Make an array to be written, in a file without a name where it is too large to stay in memory.

    Parameters
    ----------
    shape : tuple of int
    scratch : Path
        Folder of that file.

    Returns
    -------
    float32 array of that shape
        What it holds is not defined.

    Raises
    ------
    UserError
        If there is no room for the file.
    """
    n_bytes = 4 * int(np.prod(shape))
    if n_bytes <= _IN_MEMORY_BYTES:
        return np.empty(shape, np.float32)
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / "maps.dat"
    with path.open("wb+") as file:
        # The file goes when the array does, however the run ends.
        path.unlink()
        try:
            # A mapped file that finds no room later would kill the process without a word.
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        except OSError as error:
            message = (
                f"{scratch.parent}: there is no room for a work file of {n_bytes / 1e9:.0f} GB ({error}).\n"
                "Put OUT where there is, or evaluate some --contrasts at a time."
            )
            raise UserError(message) from error
        array: Floats = np.memmap(file, np.float32, "r+", shape=shape)
    return array


def read_participant(contrasts: Sequence[Sequence[StatmapFile]], mask: NDArray[np.bool_]) -> Floats:
    """Read a person's maps, each the mean over sessions.

    Parameters
    ----------
    contrasts : sequence of sequence of StatmapFile
        The sessions of each contrast; none where there is no map.
    mask : boolean array of shape (76, 93, 78)

    Returns
    -------
    array of shape (n_contrasts, n_voxels)
        NaN where a session has none, and all along where a file cannot be used, which is told of.
    """
    values = _read_files([file for files in contrasts for file in files], mask)
    maps = np.full((len(contrasts), int(mask.sum())), np.nan, np.float32)
    for row, files in zip(maps, contrasts, strict=True):
        if files and all(file in values for file in files):
            row[:] = np.mean([values[file] for file in files], axis=0)
    return maps


def _read_files(files: Sequence[StatmapFile], mask: NDArray[np.bool_]) -> dict[StatmapFile, Floats]:
    """Read files, those that can be read; the volumes of one image in one go."""
    values: dict[StatmapFile, Floats] = {}
    for _, group in groupby(sorted(files, key=lambda file: str(file.path)), key=lambda file: file.path):
        members = list(group)
        try:
            values |= dict(zip(members, read_statmaps(members, mask), strict=True))
        except InputError:
            # One volume that is nothing but 0 must not take the others along.
            for file in members:
                try:
                    values[file] = read_statmap(file, mask)
                except InputError as error:
                    logger.warning("%s", error)
    return values


def read_participants(
    files: Files,
    contrasts: Sequence[str],
    participants: Sequence[str],
    mask: NDArray[np.bool_],
    scratch: Path,
) -> Floats:
    """Read everybody's maps of some contrasts, person by person.

    Parameters
    ----------
    files : Files
    contrasts, participants : sequence of str
    mask : boolean array of shape (76, 93, 78)
    scratch : Path
        See `allocate`.

    Returns
    -------
    array of shape (n_contrasts, n_people, n_voxels)
        NaN where there is none.
    """
    maps = allocate((len(contrasts), len(participants), int(mask.sum())), scratch)
    for number, participant in enumerate(participants):
        maps[:, number] = read_participant(
            [files.get(label, {}).get(participant, ()) for label in contrasts], mask
        )
    return maps


def averages_of(
    files: Files, contrasts: Sequence[str], mask: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.intp]]:
    """Average contrasts over the people of a dataset, who are read once and one at a time.

    Parameters
    ----------
    files : Files
    contrasts : sequence of str
    mask : boolean array of shape (76, 93, 78)

    Returns
    -------
    array of shape (n_contrasts, n_voxels)
        The mean over those who have the voxel; NaN where these are no more than half of the people.
    integer array of shape (n_contrasts,)
        How many people there are.
    """
    shape = len(contrasts), int(mask.sum())
    total, counts = np.zeros(shape), np.zeros(shape, np.int32)
    n_participants = np.zeros(len(contrasts), np.intp)
    for participant in sorted({participant for label in contrasts for participant in files.get(label, ())}):
        maps = read_participant([files.get(label, {}).get(participant, ()) for label in contrasts], mask)
        finite = np.isfinite(maps)
        total += np.where(finite, maps, 0)
        counts += finite
        n_participants += finite.any(axis=1)
    enough = counts > n_participants[:, None] / 2
    return np.where(enough, total / np.maximum(counts, 1), np.nan).astype(np.float32), n_participants


def common_mask(
    maps: Mapping[str, Floats],
    average: Floats | None,
    participants: Sequence[str],
    contrast: str,
    left_out: MutableMapping[str, set[str]],
) -> NDArray[np.bool_]:
    """Find the voxels that all maps of a contrast have, and leave out those who would cost many.

    Parameters
    ----------
    maps : dict of str to array of shape (n_people, n_voxels)
        Measured maps first, then those of the predictors. Rows of people who are left out become NaN, and so
        do predictions for people who have no measured map.
    average : array of shape (n_voxels,), or None
    participants : sequence of str
    contrast : str
        For messages.
    left_out : dict of str to set of str
        To which the names of people are added, by whose maps they are.

    Returns
    -------
    boolean array of shape (n_voxels,)
    """
    measured = next(iter(maps.values()))
    voxels = np.ones(measured.shape[1], bool) if average is None else np.isfinite(average)
    for name, own in maps.items():
        if own is not measured:
            own[[not np.isfinite(row).any() for row in measured]] = np.nan
        common, costly = common_voxels(own)
        voxels &= common
        if len(costly):
            names = [f"sub-{participants[row]}" for row in costly]
            logger.warning(
                "%s, %s: left out for lacking more than %.0f%% of the voxels that most people have: %s. Set "
                "these voxels to 0 if they were scanned and hold nothing.",
                contrast,
                name,
                100 * MAX_LACKING,
                ", ".join(names),
            )
            own[costly] = np.nan
            left_out.setdefault(name, set()).update(names)
    return voxels
