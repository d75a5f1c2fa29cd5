"""What a model is trained on: the connectomes of a person beside the task maps that were measured in them."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.measured_map_images import read_statmaps
from bids_deeptaskgen.bids.measured_maps import StatmapFile
from bids_deeptaskgen.bids.output.connectome_files import ConnectomeFile, read_window
from bids_deeptaskgen.bids.participants_table import read_families
from bids_deeptaskgen.errors import InputError, shown

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """The connectomes of one session of a person, and the person's measured task maps.

    Attributes
    ----------
    subject : str
    family, site : str
        Of the table of participants; empty where it does not say.
    connectome : ConnectomeFile
    statmaps : dict of str to StatmapFile
        By the model's label; some contrasts may be lacking.
    """

    subject: str
    family: str
    site: str
    connectome: ConnectomeFile
    statmaps: Mapping[str, StatmapFile]

    @property
    def name(self) -> str:
        """Name in draws and messages, e.g. ``sub-01 ses-1``; no two pairs of a dataset have the same."""
        return self.connectome.name


@dataclass(frozen=True)
class Pairing:
    """Who can be trained on, and who has only one of both.

    Attributes
    ----------
    pairs : tuple of Pair
        Sorted by name.
    only_connectomes, only_statmaps : tuple of str
        Names of sessions without task maps, and of people (and sessions) without connectomes.
    """

    pairs: tuple[Pair, ...]
    only_connectomes: tuple[str, ...]
    only_statmaps: tuple[str, ...]


def make_pairs(
    connectomes: Sequence[ConnectomeFile],
    statmaps: Sequence[StatmapFile],
    contrasts: Sequence[str],
    participants: Path | None = None,
) -> Pairing:
    """Bring together what was found of each person; the log names who has only one of both.

    A session's connectomes go with the task maps of that session; if there are none, with those that are of
    no session; and if the person has one session of each, with that.

    Parameters
    ----------
    connectomes : sequence of ConnectomeFile
    statmaps : sequence of StatmapFile
        Their contrasts are labels of the model.
    contrasts : sequence of str
        The model's labels.
    participants : Path, optional
        Table with ``participant_id`` and perhaps ``family_id`` (or ``family``) and ``site`` (or ``site_id``),
        in any case.

    Returns
    -------
    Pairing

    Raises
    ------
    InputError
        If nobody has both, or nobody who has both has a map of some contrast.
    """
    measured: dict[tuple[str, str], dict[str, StatmapFile]] = {}
    for file in statmaps:
        if file.contrast in contrasts:
            measured.setdefault((file.subject, file.session or ""), {})[file.contrast] = file
    by_subject = read_families(participants)
    scanned, sessions = defaultdict(set), defaultdict(list)
    for file in connectomes:
        scanned[file.subject].add(file.session)
    for subject, session in measured:
        sessions[subject].append(session)
    pairs, without, used = [], [], set()
    for file in connectomes:
        session = _session_of(file, len(scanned[file.subject]), sessions[file.subject])
        if session is None:
            without.append(file.name)
            continue
        used.add((file.subject, session))
        family, site = by_subject.get(file.subject, ("", ""))
        pairs.append(Pair(file.subject, family, site, file, measured[file.subject, session]))
    unused = [f"sub-{subject}" + (f" ses-{ses}" if ses else "") for subject, ses in set(measured) - used]
    pairing = Pairing(
        tuple(sorted(pairs, key=lambda pair: pair.name)), tuple(sorted(without)), tuple(sorted(unused))
    )
    _tell(pairing)
    _check_contrasts(pairing, contrasts)
    return pairing


def _session_of(file: ConnectomeFile, n_scanned: int, measured: Sequence[str]) -> str | None:
    """Say which session's task maps go with connectomes; empty for those of no session, None if none do.

    Of the same person are the number of sessions with connectomes, and the sessions with task maps.
    """
    for session in (file.session or "", ""):
        if session in measured:
            return session
    return measured[0] if len(measured) == 1 and n_scanned == 1 else None


def _tell(pairing: Pairing) -> None:
    for names, lacking in (
        (pairing.only_connectomes, "have connectomes and no task maps"),
        (pairing.only_statmaps, "have task maps and no connectomes"),
    ):
        if names:
            logger.warning("%d people or sessions %s: %s.", len(names), lacking, shown(names))


def _check_contrasts(pairing: Pairing, contrasts: Sequence[str]) -> None:
    if not pairing.pairs:
        message = (
            "Nobody has both connectomes and task maps.\n"
            f"With connectomes: {shown(pairing.only_connectomes) or 'nobody'}. "
            f"With task maps: {shown(pairing.only_statmaps) or 'nobody'}.\n"
            "Are they of the same people, under the same labels and in the same sessions?"
        )
        raise InputError(message)
    lacking = [label for label in contrasts if not any(label in pair.statmaps for pair in pairing.pairs)]
    if lacking:
        message = (
            f"Nobody of the {len(pairing.pairs)} with connectomes has a task map of {shown(lacking)}.\n"
            "Leave these contrasts out, or name the dataset that has them; maps under other labels can be "
            "listed in a table of paths (TSV)."
        )
        raise InputError(message)


def load_pair(
    pair: Pair, window: int, contrasts: Sequence[str], output_mask: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Read what is shown of a person in an epoch, and what shall come out.

    Parameters
    ----------
    pair : Pair
    window : int
        Which of the connectomes.
    contrasts : sequence of str
        The model's labels, in channel order.
    output_mask : boolean array of shape (76, 93, 78)

    Returns
    -------
    connectome : float32 array of shape (n_rois, n_voxels)
    targets : float32 array of shape (n_contrasts, n_output_voxels)
        Measured maps, the same for all windows; NaN where there is no value or no map.
    """
    return read_window(pair.connectome, window), load_targets(pair, contrasts, output_mask)


def load_targets(pair: Pair, contrasts: Sequence[str], output_mask: NDArray[np.bool_]) -> Floats:
    """Read the measured maps of a person, as `load_pair` does: NaN where there is no value or no map."""
    targets = np.full((len(contrasts), int(output_mask.sum())), np.nan, np.float32)
    rows = [row for row, label in enumerate(contrasts) if label in pair.statmaps]
    # Volumes of one image are read in one go.
    rows.sort(key=lambda row: str(pair.statmaps[contrasts[row]].path))
    if rows:
        targets[rows] = read_statmaps([pair.statmaps[contrasts[row]] for row in rows], output_mask)
    return targets


def nan_counts(pair: Pair, contrasts: Sequence[str], targets: Floats) -> dict[str, int]:
    """Count the voxels without a value in the maps that a person has; maps that are whole are not listed."""
    counts = np.isnan(targets).sum(axis=1)
    found = zip(contrasts, counts.tolist(), strict=True)
    return {label: count for label, count in found if count and label in pair.statmaps}


def check_targets(
    pairs: Sequence[Pair],
    contrasts: Sequence[str],
    output_mask: NDArray[np.bool_],
    load: Callable[[Pair], Floats] | None = None,
) -> list[tuple[str, str, int]]:
    """Read all measured maps once, so that what is no use is known before hours of training.

    Parameters
    ----------
    pairs : sequence of Pair
    contrasts : sequence of str
    output_mask : boolean array of shape (76, 93, 78)
    load : function of Pair, optional
        Reads a person's maps in place of `load_targets`, for example to keep them.

    Returns
    -------
    list of (str, str, int)
        Pair's name, contrast, and how many of its voxels have no value; the log sums them up.

    Raises
    ------
    InputError
        As of `read_statmap`.
    """
    read = load or partial(load_targets, contrasts=contrasts, output_mask=output_mask)
    missing = [
        (pair.name, label, count)
        for pair in pairs
        for label, count in nan_counts(pair, contrasts, read(pair)).items()
    ]
    if missing:
        n_voxels = int(output_mask.sum())
        worst = sorted(missing, key=lambda one: -one[2])
        logger.warning(
            "%d task maps lack values in some of the model's %d voxels, which are left out of the loss: %s.",
            len(missing), n_voxels, shown([f"{name} {label} ({count})" for name, label, count in worst]),
        )  # fmt: skip
    return missing
