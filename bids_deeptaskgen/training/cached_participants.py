"""Participants as `fit` reads them, their measured maps kept in files of the model's voxels alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bids_deeptaskgen.bids.output.connectome_files import (
    read_window,
)
from bids_deeptaskgen.io.npy import save_array
from bids_deeptaskgen.training.data import Floats, TrainingData
from bids_deeptaskgen.training.pairs import Pair, check_targets, load_targets


@dataclass(frozen=True)
class CachedParticipant:
    """A person as `fit` reads them, the measured maps from a file that holds the model's voxels alone.

    Attributes
    ----------
    pair : Pair
    data : TrainingData
    folder : Path
        Of the files.
    seen : function
        Called for each window that is read.
    """

    pair: Pair
    data: TrainingData
    folder: Path
    seen: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        """Name that no other person has."""
        return self.pair.name

    @property
    def n_windows(self) -> int:
        """Number of connectomes."""
        return self.pair.connectome.n_windows

    def connectome(self, window: int) -> Floats:
        """Read a connectome, (n_rois, n_brain_voxels)."""
        self.seen()
        return read_window(self.pair.connectome, window)

    def statmaps(self) -> Floats:
        """Read the measured maps, (n_contrasts, n_output_voxels); NaN where nothing was measured."""
        path = self.folder / f"{self.name.replace(' ', '_')}.npy"
        if path.is_file():
            kept: Floats = np.load(path)
            return kept
        maps = load_targets(self.pair, self.data.labels, self.data.output_mask)
        save_array(path, maps)
        return maps


def read_cached_participants(data: TrainingData, folder: Path) -> None:
    """Read all measured maps once and keep them; the log tells of values that are missing.

    Raises
    ------
    InputError
        If a map cannot be used.
    """
    check_targets(
        data.shown,
        data.labels,
        data.output_mask,
        lambda pair: CachedParticipant(pair, data, folder).statmaps(),
    )


def mean_maps(participants: Sequence[CachedParticipant]) -> Floats:
    """Mean of people's measured maps over those who have a value, (n_contrasts, n_voxels); 0 without any."""
    total, n_participants = np.float64(0), np.intp(0)
    for participant in participants:
        maps = participant.statmaps()
        known = np.isfinite(maps)
        total = total + np.where(known, maps, 0)
        n_participants = n_participants + known
    means: Floats = (total / np.maximum(n_participants, 1)).astype(np.float32)
    return means
