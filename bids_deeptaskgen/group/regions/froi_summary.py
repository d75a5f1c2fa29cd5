"""Mean overlap of functional ROIs over participants, by contrast and region."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.cohort_store.regions.froi_overlap import RoiOverlap
from bids_deeptaskgen.cohort_store.regions.search_space import SearchSpace
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.group.tables import write_group_table

# Dice coefficients with the measured functional ROI: of the participant's predicted map, of the mean
# predicted and the mean measured map of all other participants, and the expected value of random voxels.
BASELINES = ("dice_mean_predicted", "dice_mean_measured")
OVERLAPS = ("dice", *BASELINES, "dice_chance")


def overlap_cells(overlap: RoiOverlap) -> dict[str, Any]:
    """Return the cells of a row of the table of overlaps.

    Parameters
    ----------
    overlap : RoiOverlap

    Returns
    -------
    dict
        By name of the column.
    """
    sizes = {"n_available": overlap.n_available, "n_voxels": overlap.n_voxels}
    return sizes | {"dice": overlap.dice, **overlap.baselines, "dice_chance": overlap.chance}


class OverlapSummary:
    """Mean over participants of their overlaps, and of the differences from each baseline.

    The overlaps of the sessions of a participant are averaged first.

    Parameters
    ----------
    contrasts : sequence of str
        Labels.
    space : SearchSpace
    """

    def __init__(self, contrasts: Sequence[str], space: SearchSpace) -> None:
        self._contrasts, self._space = contrasts, space
        shape = len(contrasts), len(space.numbers)
        n_values = len(OVERLAPS) + len(BASELINES)
        self._session_sums = np.zeros((*shape, len(OVERLAPS)))
        self._n_sessions = np.zeros((*shape, 1), np.intp)
        # Of the overlaps, then of the differences; sums of squares of the differences.
        self._sums, self._counts = np.zeros((*shape, n_values)), np.zeros((*shape, n_values), np.intp)
        self._squares = np.zeros((*shape, len(BASELINES)))

    def add(self, contrast: int, region: int, cells: Mapping[str, Any]) -> None:
        """Add the overlaps of a session of the current participant.

        Parameters
        ----------
        contrast, region : int
            Their places.
        cells : dict
            By name, see `OVERLAPS`; NaN for baselines that do not exist.
        """
        self._session_sums[contrast, region] += [cells[name] for name in OVERLAPS]
        self._n_sessions[contrast, region] += 1

    def finish_participant(self) -> None:
        """Add the means over the sessions of the current participant."""
        means = np.full(self._session_sums.shape, np.nan)
        np.divide(self._session_sums, self._n_sessions, out=means, where=self._n_sessions > 0)
        differences = means[..., :1] - means[..., 1 : 1 + len(BASELINES)]
        values = np.concatenate([means, differences], axis=-1)
        is_known = np.isfinite(values)
        self._sums += np.where(is_known, values, 0)
        self._counts += is_known
        self._squares += np.where(np.isfinite(differences), differences**2, 0)
        self._session_sums[:], self._n_sessions[:] = 0, 0

    def write(self, root: Path, group_set: GroupSet) -> None:
        """Write the table.

        Parameters
        ----------
        root : Path
            Folder for the file, with the layout of the dataset.
        group_set : GroupSet
        """
        path = group_set.path(root, "group_froi_contrasts", seg=self._space.label)
        write_group_table(path, "group_froi_contrasts", self.columns())

    def columns(self) -> dict[str, list[Any]]:
        """Return the columns of the table: contrasts and regions with an overlap of any participant."""
        n_overlaps = len(OVERLAPS)
        means = np.full(self._sums.shape, np.nan)
        np.divide(self._sums, self._counts, out=means, where=self._counts > 0)
        n = self._counts[..., n_overlaps:]
        errors = np.full(self._squares.shape, np.nan)
        centred = np.maximum(self._squares - n * means[..., n_overlaps:] ** 2, 0)
        np.divide(centred, n * (n - 1), out=errors, where=n > 1)
        rows, places = (axis.tolist() for axis in np.nonzero(self._counts[..., 0]))
        columns: dict[str, list[Any]] = {
            "contrast": [self._contrasts[row] for row in rows],
            "index": [self._space.numbers[place] for place in places],
            "name": [self._space.names[place] for place in places],
            "n_participants": self._counts[rows, places, 0].tolist(),
        }
        for number, name in enumerate(OVERLAPS):
            columns[name] = means[rows, places, number].tolist()
        for number, name in enumerate(BASELINES):
            difference = name.replace("dice", "difference")
            columns[difference] = means[rows, places, n_overlaps + number].tolist()
            columns[f"{difference}_se"] = np.sqrt(errors[rows, places, number]).tolist()
        return columns
