"""Reader of the maps of many participants and contrasts, with one read per image and bounded memory."""

import logging
import os
from collections.abc import Mapping, MutableMapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.measured_map_images import read_statmap, read_statmaps
from bids_deeptaskgen.bids.measured_map_selection import StatmapFile
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.stats.common_voxels import MAX_MISSING, common_voxels

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]
# Contrast to participant to the maps of the sessions.
Files = Mapping[str, Mapping[str, Sequence[StatmapFile]]]
# Larger arrays lie in a mapped file, whose pages the system can drop from memory.
_IN_MEMORY_BYTES = 1_000_000_000


def allocate(shape: tuple[int, ...], scratch: Path) -> Floats:
    """Allocate an array in memory, or in an unnamed file if it is too large.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    scratch : Path
        Folder of the file.

    Returns
    -------
    float32 array of that shape
        Its values are undefined.

    Raises
    ------
    UserError
        If there is not enough disk space for the file.
    """
    n_bytes = 4 * int(np.prod(shape))
    if n_bytes <= _IN_MEMORY_BYTES:
        return np.empty(shape, np.float32)
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / "maps.dat"
    with path.open("wb+") as file:
        # An unlinked file disappears with the array, however the run ends.
        path.unlink()
        try:
            # Without this, a full disk would kill the process when a page is written.
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        except OSError as error:
            message = (
                f"{scratch.parent}: not enough disk space for a work file of {n_bytes / 1e9:.0f} GB "
                f"({error}).\n"
                "Choose an output folder with more space, or evaluate fewer `contrasts` at a time."
            )
            raise UserError(message) from error
        array: Floats = np.memmap(file, np.float32, "r+", shape=shape)
    return array


def read_participant(contrasts: Sequence[Sequence[StatmapFile]], mask: NDArray[np.bool_]) -> Floats:
    """Read the maps of a participant, averaged over sessions.

    Parameters
    ----------
    contrasts : sequence of sequence of StatmapFile
        Files of the sessions of each contrast; empty if there is no map.
    mask : boolean array of shape (76, 93, 78)
        Voxels to read.

    Returns
    -------
    array of shape (n_contrasts, n_voxels)
        NaN in voxels that a session lacks. A contrast with an unusable file is NaN in all voxels, and the
        file is reported in the log.
    """
    values = _read_files([file for files in contrasts for file in files], mask)
    maps = np.full((len(contrasts), int(mask.sum())), np.nan, np.float32)
    for row, files in zip(maps, contrasts, strict=True):
        if files and all(file in values for file in files):
            row[:] = np.mean([values[file] for file in files], axis=0)
    return maps


def _read_files(files: Sequence[StatmapFile], mask: NDArray[np.bool_]) -> dict[StatmapFile, Floats]:
    """Read the usable files; all volumes of an image in one read."""
    values: dict[StatmapFile, Floats] = {}
    for _, group in groupby(sorted(files, key=lambda file: str(file.path)), key=lambda file: file.path):
        volumes = list(group)
        try:
            values |= dict(zip(volumes, read_statmaps(volumes, mask), strict=True))
        except InputError:
            # A volume that is 0 throughout must not exclude the other volumes of its image.
            for volume in volumes:
                try:
                    values[volume] = read_statmap(volume, mask)
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
    """Read the maps of some contrasts of all participants, one participant at a time.

    Parameters
    ----------
    files : Files
        Files of each contrast and participant.
    contrasts : sequence of str
        Labels of the contrasts to read.
    participants : sequence of str
        Participant labels without ``sub-``.
    mask : boolean array of shape (76, 93, 78)
        Voxels to read.
    scratch : Path
        Folder for large arrays, see `allocate`.

    Returns
    -------
    array of shape (n_contrasts, n_participants, n_voxels)
        NaN where there is no map.
    """
    maps = allocate((len(contrasts), len(participants), int(mask.sum())), scratch)
    for number, participant in enumerate(participants):
        maps[:, number] = read_participant(
            [files.get(label, {}).get(participant, ()) for label in contrasts], mask
        )
    return maps


def average_participants(
    files: Files, contrasts: Sequence[str], mask: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.intp]]:
    """Average contrasts over the participants of a dataset, who are read once and one at a time.

    Parameters
    ----------
    files : Files
        Files of each contrast and participant.
    contrasts : sequence of str
        Labels of the contrasts to average.
    mask : boolean array of shape (76, 93, 78)
        Voxels to read.

    Returns
    -------
    array of shape (n_contrasts, n_voxels)
        Mean over the participants with a value; NaN in voxels that at least half of the participants lack.
    integer array of shape (n_contrasts,)
        Number of participants.
    """
    shape = len(contrasts), int(mask.sum())
    total, counts = np.zeros(shape), np.zeros(shape, np.int32)
    n_participants = np.zeros(len(contrasts), np.intp)
    for participant in sorted({participant for label in contrasts for participant in files.get(label, ())}):
        maps = read_participant([files.get(label, {}).get(participant, ()) for label in contrasts], mask)
        is_finite = np.isfinite(maps)
        total += np.where(is_finite, maps, 0)
        counts += is_finite
        n_participants += is_finite.any(axis=1)
    is_usual = counts > n_participants[:, None] / 2
    return np.where(is_usual, total / np.maximum(counts, 1), np.nan).astype(np.float32), n_participants


def common_mask(
    maps: Mapping[str, Floats],
    average: Floats | None,
    participants: Sequence[str],
    contrast: str,
    excluded_labels: MutableMapping[str, set[str]],
) -> NDArray[np.bool_]:
    """Find the voxels of all maps of a contrast, excluding participants who would remove many voxels.

    Parameters
    ----------
    maps : dict of str to array of shape (n_participants, n_voxels)
        Measured maps first, then the maps of each predictor. Rows of excluded participants are set to NaN,
        and so are predictions for participants without a measured map.
    average : array of shape (n_voxels,), or None
        Group average, whose voxels count too.
    participants : sequence of str
        Participant labels without ``sub-``.
    contrast : str
        Label of the contrast, for messages.
    excluded_labels : dict of str to set of str
        Updated: excluded participants by the name of the maps that lack voxels.

    Returns
    -------
    boolean array of shape (n_voxels,)
        Voxels with a value in all remaining maps.
    """
    measured = next(iter(maps.values()))
    voxels = np.ones(measured.shape[1], bool) if average is None else np.isfinite(average)
    for name, values in maps.items():
        if values is not measured:
            values[[not np.isfinite(row).any() for row in measured]] = np.nan
        common, excluded_rows = common_voxels(values)
        voxels &= common
        if len(excluded_rows):
            labels = [f"sub-{participants[row]}" for row in excluded_rows]
            logger.warning(
                "%s, %s: %d participants were excluded because they lack more than %.0f%% of the voxels that "
                "most participants have: %s. If these voxels were scanned, set them to 0.",
                contrast,
                name,
                len(labels),
                100 * MAX_MISSING,
                ", ".join(labels),
            )
            values[excluded_rows] = np.nan
            excluded_labels.setdefault(name, set()).update(labels)
    return voxels
