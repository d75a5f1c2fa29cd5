"""Training participants whose measured maps are cached in files that hold only the model's voxels."""

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
        path = self.folder / f"{self.name.replace(' ', '_')}.npy"
        if path.is_file():
            cached: Floats = np.load(path)
            return cached
        maps = load_targets(self.pair, self.data.labels, self.data.output_mask)
        save_array(path, maps)
        return maps


def read_cached_participants(data: TrainingData, folder: Path) -> None:
    """Read and cache all measured maps; the log lists maps with missing values.

    Parameters
    ----------
    data : TrainingData
    folder : Path
        Folder of the cached maps.

    Raises
    ------
    InputError
        If a map cannot be used.
    """
    check_targets(
        data.fit_pairs,
        data.labels,
        data.output_mask,
        lambda pair: CachedParticipant(pair, data, folder).statmaps(),
    )


def mean_maps(participants: Sequence[CachedParticipant]) -> Floats:
    """Average measured maps over the participants with a value, shape (n_contrasts, n_voxels).

    Voxels without any value are 0.

    Parameters
    ----------
    participants : sequence of CachedParticipant
        Participants whose maps have the same contrasts and voxels.
    """
    total, n_participants = np.float64(0), np.intp(0)
    for participant in participants:
        maps = participant.statmaps()
        is_measured = np.isfinite(maps)
        total = total + np.where(is_measured, maps, 0)
        n_participants = n_participants + is_measured
    means: Floats = (total / np.maximum(n_participants, 1)).astype(np.float32)
    return means
