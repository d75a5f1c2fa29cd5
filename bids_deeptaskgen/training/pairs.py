"""Pairs of the connectomes and the measured maps of a participant."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.measured_map_images import read_usable_statmaps
from bids_deeptaskgen.bids.measured_map_selection import StatmapFile
from bids_deeptaskgen.bids.output.connectome_files import ConnectomeFile
from bids_deeptaskgen.bids.participant_ids import align_labels
from bids_deeptaskgen.bids.participants_table import read_families
from bids_deeptaskgen.errors import InputError, abbreviate

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """The connectomes of a participant's session, and the participant's measured maps.

    Attributes
    ----------
    subject : str
    family, site : str
        From the table of participants; empty where it has none.
    connectome : ConnectomeFile
    statmaps : dict of str to StatmapFile
        Measured maps by the model's labels; contrasts may be missing.
    """

    subject: str
    family: str
    site: str
    connectome: ConnectomeFile
    statmaps: Mapping[str, StatmapFile]

    @property
    def name(self) -> str:
        """Return the unique name for random numbers and messages, e.g. ``sub-01 ses-1``."""
        return self.connectome.name

    @property
    def group(self) -> str:
        """Return the family, or the participant if the family is not known."""
        return f"family {self.family}" if self.family else self.subject


@dataclass(frozen=True)
class Pairing:
    """The pairs of a dataset, and the sessions without a counterpart.

    Attributes
    ----------
    pairs : tuple of Pair
        Sorted by name.
    only_connectomes, only_statmaps : tuple of str
        Names of sessions without measured maps; names of participants (and sessions) without connectomes.
    """

    pairs: tuple[Pair, ...]
    only_connectomes: tuple[str, ...]
    only_statmaps: tuple[str, ...]


def make_pairs(
    connectomes: Sequence[ConnectomeFile],
    statmaps: Sequence[StatmapFile],
    contrasts: Sequence[str],
    participants: Path | None = None,
    *,
    with_sites: bool = True,
) -> Pairing:
    """Match connectomes and measured maps; the log lists participants with only one of them.

    The connectomes of a session match the measured maps of the same session; without such, the maps without a
    session; and if the participant has one session of each, these.

    Parameters
    ----------
    connectomes : sequence of ConnectomeFile
    statmaps : sequence of StatmapFile
        Measured maps; their contrasts are labels of the model.
    contrasts : sequence of str
        The model's labels.
    participants : Path, optional
        Table with ``participant_id`` and optionally ``family_id`` (or ``family``) and ``site`` (or
        ``site_id``), in any letter case.
    with_sites : bool
        Read the sites, too.

    Returns
    -------
    Pairing

    Raises
    ------
    InputError
        If no participant has both, or a contrast is measured in none of those who have.
    """
    measured: dict[tuple[str, str], dict[str, StatmapFile]] = {}
    subjects = list(dict.fromkeys(file.subject for file in connectomes))
    aligned_labels = align_labels((file.subject for file in statmaps), subjects, "measured maps")
    for file in statmaps:
        if file.contrast in contrasts:
            key = (aligned_labels[file.subject], file.session or "")
            measured.setdefault(key, {})[file.contrast] = file
    by_subject = read_families(participants, subjects, with_sites=with_sites)
    scanned, sessions = defaultdict(set), defaultdict(list)
    for file in connectomes:
        scanned[file.subject].add(file.session)
    for subject, session in measured:
        sessions[subject].append(session)
    pairs, without_maps, matched_sessions = [], [], set()
    for file in connectomes:
        session = _session_of(file, len(scanned[file.subject]), sessions[file.subject])
        if session is None:
            without_maps.append(file.name)
            continue
        matched_sessions.add((file.subject, session))
        family, site = by_subject[file.subject]
        pairs.append(Pair(file.subject, family, site, file, measured[file.subject, session]))
    without_connectomes = [
        f"sub-{subject}" + (f" ses-{session}" if session else "")
        for subject, session in set(measured) - matched_sessions
    ]
    pairing = Pairing(
        tuple(sorted(pairs, key=lambda pair: pair.name)),
        tuple(sorted(without_maps)),
        tuple(sorted(without_connectomes)),
    )
    _warn_unpaired(pairing)
    _check_contrasts(pairing, contrasts)
    return pairing


def _session_of(file: ConnectomeFile, n_scanned: int, measured: Sequence[str]) -> str | None:
    """Find the session whose measured maps match connectomes, empty for maps without session, or None.

    `n_scanned` counts the participant's sessions with connectomes; `measured` lists those with measured maps.
    """
    for session in (file.session or "", ""):
        if session in measured:
            return session
    return measured[0] if len(measured) == 1 and n_scanned == 1 else None


def _warn_unpaired(pairing: Pairing) -> None:
    for names, condition in (
        (pairing.only_connectomes, "have connectomes but no measured maps"),
        (pairing.only_statmaps, "have measured maps but no connectomes"),
    ):
        if names:
            logger.warning("%d participants or sessions %s: %s.", len(names), condition, abbreviate(names))


def _check_contrasts(pairing: Pairing, contrasts: Sequence[str]) -> None:
    if not pairing.pairs:
        message = (
            "No participant has both connectomes and measured maps.\n"
            f"With connectomes: {abbreviate(pairing.only_connectomes) or 'none'}. "
            f"With measured maps: {abbreviate(pairing.only_statmaps) or 'none'}.\n"
            "Check that both datasets have the same participants, with the same labels and sessions."
        )
        raise InputError(message)
    missing_labels = [
        label for label in contrasts if not any(label in pair.statmaps for pair in pairing.pairs)
    ]
    if missing_labels:
        message = (
            f"None of the {len(pairing.pairs)} sessions with connectomes has a measured map for "
            f"{abbreviate(missing_labels)}.\n"
            "Exclude these contrasts (`contrasts`), or give a dataset that has them (`statmaps`). "
            "A table of paths (TSV) can list maps with different labels."
        )
        raise InputError(message)


def load_targets(pair: Pair, contrasts: Sequence[str], output_mask: NDArray[np.bool_]) -> Floats:
    """Load the measured maps of a pair, equal for all windows.

    Parameters
    ----------
    pair : Pair
    contrasts : sequence of str
        The model's labels, in channel order.
    output_mask : boolean array of shape (76, 93, 78)

    Returns
    -------
    float32 array of shape (n_contrasts, n_output_voxels)
        NaN where there is no value or no map. A map that cannot be used is NaN, and is reported in the log.
    """
    targets = np.full((len(contrasts), int(output_mask.sum())), np.nan, np.float32)
    values = read_usable_statmaps(
        [pair.statmaps[label] for label in contrasts if label in pair.statmaps], output_mask
    )
    for row, label in zip(targets, contrasts, strict=True):
        if label in pair.statmaps and pair.statmaps[label] in values:
            row[:] = values[pair.statmaps[label]]
    return targets


def nan_counts(pair: Pair, contrasts: Sequence[str], targets: Floats) -> dict[str, int]:
    """Count the voxels without a value in the measured maps of a pair.

    Parameters
    ----------
    pair : Pair
    contrasts : sequence of str
        Labels of the rows of `targets`.
    targets : float32 array of shape (n_contrasts, n_output_voxels)

    Returns
    -------
    dict of str to int
        Counts by contrast; complete maps, and maps without any value, are not listed.
    """
    counts = zip(contrasts, np.isnan(targets).sum(axis=1).tolist(), strict=True)
    return {
        label: count for label, count in counts if 0 < count < targets.shape[1] and label in pair.statmaps
    }


def check_targets(
    pairs: Sequence[Pair],
    contrasts: Sequence[str],
    output_mask: NDArray[np.bool_],
    load: Callable[[Pair], Floats] | None = None,
) -> list[tuple[str, str, int]]:
    """Read all measured maps once, so that unusable maps are reported before the training.

    Parameters
    ----------
    pairs : sequence of Pair
    contrasts : sequence of str
    output_mask : boolean array of shape (76, 93, 78)
    load : function of Pair, optional
        Reads the maps of a pair in place of `load_targets`, for example to cache them.

    Returns
    -------
    list of (str, str, int)
        Pair's name, contrast, and number of voxels without a value; the log summarises them.
    """
    read = load or partial(load_targets, contrasts=contrasts, output_mask=output_mask)
    incomplete_maps = [
        (pair.name, label, count)
        for pair in pairs
        for label, count in nan_counts(pair, contrasts, read(pair)).items()
    ]
    if incomplete_maps:
        n_voxels = int(output_mask.sum())
        by_count = sorted(incomplete_maps, key=lambda row: -row[2])
        counts = [f"{name} {label} ({count})" for name, label, count in by_count]
        logger.warning(
            "%d measured maps have no value in some of the model's %d voxels, which training excludes: %s.",
            len(incomplete_maps), n_voxels, abbreviate(counts),
        )  # fmt: skip
    return incomplete_maps
