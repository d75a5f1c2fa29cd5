"""Mean overlap of functional ROIs over participants, by contrast and region."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.regions.froi_overlap import RoiOverlap
from bids_deeptaskgen.cohort_store.regions.search_space import SearchSpace
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.group.tables import write_group_table
from bids_deeptaskgen.stats.leave_one_out import WeightedMean

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

    The overlaps of the runs of a session are averaged first, then those of the sessions of a participant.

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
        # Of the current participant.
        self._sessions: dict[str | None, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        self._shape = (*shape, len(OVERLAPS))
        # Of the overlaps, then of the differences; sums of squares of the differences.
        self._sums, self._counts = np.zeros((*shape, n_values)), np.zeros((*shape, n_values), np.intp)
        self._squares = np.zeros((*shape, len(BASELINES)))

    def add(self, contrast: int, region: int, session: str | None, cells: Mapping[str, Any]) -> None:
        """Add the overlaps of a session or run of the current participant.

        Parameters
        ----------
        contrast, region : int
            Their places.
        session : str or None
        cells : dict
            By name, see `OVERLAPS`; NaN for baselines that do not exist.
        """
        sums, counts = self._sessions.setdefault(
            session, (np.zeros(self._shape), np.zeros((*self._shape[:-1], 1)))
        )
        sums[contrast, region] += [cells[name] for name in OVERLAPS]
        counts[contrast, region] += 1

    def finish_participant(self) -> None:
        """Add the means over the sessions of the current participant."""
        mean = WeightedMean(self._shape)
        for sums, counts in self._sessions.values():
            runs = np.full(self._shape, np.nan)
            mean.add(np.divide(sums, counts, out=runs, where=counts > 0))
        means = mean.values
        differences = means[..., :1] - means[..., 1 : 1 + len(BASELINES)]
        values = np.concatenate([means, differences], axis=-1)
        is_known = np.isfinite(values)
        self._sums += np.where(is_known, values, 0)
        self._counts += is_known
        self._squares += np.where(np.isfinite(differences), differences**2, 0)
        self._sessions.clear()

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
