"""Training participants whose measured maps are cached in files that hold only the model's voxels."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.connectome_files import (
    read_window,
)
from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.io.npy import save_array
from bids_deeptaskgen.stats.map_sum import MapSum
from bids_deeptaskgen.training.data import Floats, TrainingData
from bids_deeptaskgen.training.pairs import Pair, check_targets, load_targets
from bids_deeptaskgen.training.sampling import TRAIN, VALIDATION

logger = logging.getLogger("bids_deeptaskgen")


@dataclass(frozen=True)
class CachedParticipant:
    """A training participant whose measured maps are cached in a file that holds only the model's voxels.

    Attributes
    ----------
    pair : Pair
    data : TrainingData
    folder : Path
        Folder of the cached maps.
    on_window_read : function
        Called for each window that is read.
    """

    pair: Pair
    data: TrainingData
    folder: Path
    on_window_read: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        """Return the unique name of the participant's session."""
        return self.pair.name

    @property
    def n_windows(self) -> int:
        """Return the number of connectomes, one for each window."""
        return self.pair.connectome.n_windows

    def connectome(self, window: int) -> Floats:
        """Read the connectome of a window, shape (n_rois, n_brain_voxels).

        Parameters
        ----------
        window : int
            Index of the window, 0 to ``n_windows - 1``.
        """
        self.on_window_read()
        return read_window(self.pair.connectome, window)

    def statmaps(self) -> Floats:
        """Load the measured maps, shape (n_contrasts, n_output_voxels); NaN where there is no value."""
        if self._path.is_file():
            cached: Floats = np.load(self._path)
            return cached
        maps = load_targets(self.pair, self.data.labels, self.data.output_mask)
        save_array(self._path, maps)
        return maps

    def has_map(self) -> NDArray[np.bool_]:
        """Return for each contrast whether the measured map has a value, shape (n_contrasts,)."""
        # Mapped, since the first values of a usable map suffice.
        maps = np.load(self._path, mmap_mode="r") if self._path.is_file() else self.statmaps()
        return np.array([np.isfinite(row[:1000]).any() or np.isfinite(row).any() for row in maps])

    @property
    def _path(self) -> Path:
        return self.folder / f"{self.name.replace(' ', '_')}.npy"


def read_cached_participants(data: TrainingData, folder: Path) -> None:
    """Read and cache all measured maps; the log lists maps with missing values and unusable maps.

    Parameters
    ----------
    data : TrainingData
    folder : Path
        Folder of the cached maps.

    Raises
    ------
    InputError
        If a contrast has no usable map of a training participant.
    """
    check_targets(
        data.fit_pairs,
        data.labels,
        data.output_mask,
        lambda pair: CachedParticipant(pair, data, folder).statmaps(),
    )
    for name in (TRAIN, VALIDATION):
        usable = usable_pairs(data, name, folder)
        unusable_names = [pair.name for pair in data.pairs[name] if pair not in usable]
        if unusable_names:
            logger.warning(
                "%d sessions (%s) are left out, since none of their measured maps can be used: %s.",
                len(unusable_names), name, abbreviate(unusable_names),
            )  # fmt: skip
    _check_training_contrasts(data, folder)


def usable_pairs(data: TrainingData, name: str, folder: Path) -> tuple[Pair, ...]:
    """List the pairs of a split that have a usable measured map.

    Parameters
    ----------
    data : TrainingData
    name : str
        Split: ``train`` or ``validation``.
    folder : Path
        Folder of the cached maps, see `read_cached_participants`.

    Returns
    -------
    tuple of Pair
    """
    return tuple(pair for pair in data.pairs[name] if CachedParticipant(pair, data, folder).has_map().any())


def _check_training_contrasts(data: TrainingData, folder: Path) -> None:
    """Refuse contrasts whose measured maps of all training participants are unusable."""
    is_measured = np.zeros(len(data.labels), bool)
    for pair in data.pairs[TRAIN]:
        is_measured |= CachedParticipant(pair, data, folder).has_map()
    missing_labels = [
        label for label, is_usable in zip(data.labels, is_measured, strict=True) if not is_usable
    ]
    if missing_labels:
        message = (
            f"None of the training participants has a usable measured map for {abbreviate(missing_labels)}; "
            "the log names the files.\n"
            "Repair these files, or exclude the contrasts (`contrasts`)."
        )
        raise InputError(message)


def sum_maps(participants: Sequence[CachedParticipant]) -> MapSum:
    """Sum measured maps over participants.

    Parameters
    ----------
    participants : sequence of CachedParticipant
        At least one; their maps have the same contrasts and voxels.

    Returns
    -------
    MapSum
    """
    maps = participants[0].statmaps()
    total = MapSum((maps.shape[0], maps.shape[1]))
    for participant in participants:
        total.add(participant.statmaps())
    return total


def group_relatives(participants: Sequence[CachedParticipant]) -> list[list[CachedParticipant]]:
    """Group the sessions of a participant, and the members of a family.

    Parameters
    ----------
    participants : sequence of CachedParticipant

    Returns
    -------
    list of list of CachedParticipant
    """
    groups: dict[str, list[CachedParticipant]] = {}
    for participant in participants:
        groups.setdefault(participant.pair.group, []).append(participant)
    return list(groups.values())
