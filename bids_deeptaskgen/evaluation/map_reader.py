"""Reader of the maps of many participants and contrasts, with one read per image and bounded memory."""

import logging
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.measured_map_images import read_usable_statmaps
from bids_deeptaskgen.bids.measured_map_selection import StatmapFile
from bids_deeptaskgen.io.work_array import allocate
from bids_deeptaskgen.stats.common_voxels import MAX_MISSING, common_voxels

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]
# Contrast to participant to the maps of the sessions.
Files = Mapping[str, Mapping[str, Sequence[StatmapFile]]]


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
    values = read_usable_statmaps([file for files in contrasts for file in files], mask)
    maps = np.full((len(contrasts), int(mask.sum())), np.nan, np.float32)
    for row, files in zip(maps, contrasts, strict=True):
        if files and all(file in values for file in files):
            row[:] = np.mean([values[file] for file in files], axis=0)
    return maps


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
