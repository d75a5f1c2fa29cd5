"""Overlap of predicted with measured functional ROIs, beside the overlap of group averages.

The averages are over all participants of a set but the one to whom they are compared. Their sums are
complete after all sessions were read, so the sessions of participants with measured maps are read twice.
Memory depends on the number of contrasts and voxels of the search space, not on the number of participants.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.measured_sessions import MeasuredSessions, match_session
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.cohort_store.regions.froi_overlap import compare_rois
from bids_deeptaskgen.cohort_store.tables import ColumnKind, TidyTable
from bids_deeptaskgen.group.regions.froi_images import describe_frois
from bids_deeptaskgen.group.regions.froi_plan import FroiPlan, SetMaps
from bids_deeptaskgen.group.regions.froi_summary import OVERLAPS, OverlapSummary, overlap_cells
from bids_deeptaskgen.group.regions.session_outputs import read_known_maps
from bids_deeptaskgen.group.tables import describe_table
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.tsv import join_columns
from bids_deeptaskgen.stats.leave_one_out import LeaveOneOutMean, WeightedMean

Floats = NDArray[np.floating]
COLUMNS: dict[str, ColumnKind] = {
    **dict.fromkeys(("participant_id", "session_id", "run", "contrast"), "text"),
    "index": "integer",
    "name": "text",
    **dict.fromkeys(("n_available", "n_voxels"), "integer"),
    **dict.fromkeys(OVERLAPS, "number"),
}
# Measured maps of a participant by contrast and session.
Measured = Mapping[str, Mapping[str | None, Floats]]


class ParticipantMean:
    """Mean map of a participant: over the runs of each session, then over sessions, which have equal weights.

    Each contrast and voxel has the sessions and runs with a value: a session of two runs has its full weight
    in a contrast that only one of them has.

    Parameters
    ----------
    shape : tuple of int
        Shape of the maps.

    Examples
    --------
    >>> mean = ParticipantMean((2,))
    >>> for session, values in ("1", [1.0, 1.0]), ("1", [3.0, np.nan]), ("2", [4.0, 5.0]):
    ...     mean.add(session, np.array(values))
    >>> mean.values
    array([3., 3.])
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._sessions = WeightedMean(shape)
        self._session: str | None = None
        self._runs = WeightedMean(shape)

    def add(self, session: str | None, values: Floats) -> None:
        """Add the maps of a session or run; the runs of a session must follow each other.

        Parameters
        ----------
        session : str or None
        values : array of the shape of the maps
            NaN where a map has no value.
        """
        if session != self._session:
            self._finish_session()
            self._session = session
        self._runs.add(values)

    def _finish_session(self) -> None:
        self._sessions.add(self._runs.values)
        self._runs = WeightedMean(self._shape)

    @property
    def values(self) -> NDArray[np.float64]:
        """Return the mean; NaN where no map has a value. No maps can be added to the last session then."""
        self._finish_session()
        return self._sessions.values


class FroiOverlap:
    """Comparison of functional ROIs of predicted and measured maps.

    Parameters
    ----------
    plan : FroiPlan
    maps : SetMaps
    measured : MeasuredSessions
    """

    def __init__(self, plan: FroiPlan, maps: SetMaps, measured: MeasuredSessions) -> None:
        self._plan, self._maps, self._measured = plan, maps, measured
        self._shape = len(maps.contrasts), len(plan.space.voxels)
        self._others = LeaveOneOutMean(self._shape)
        self._subject = ""
        self._mean = ParticipantMean(self._shape)

    def add(self, result: Result, values: Floats) -> None:
        """Add the maps of a session or run; those of a participant and of a session must follow each other.

        Parameters
        ----------
        result : Result
        values : array of shape (n_contrasts, n_members)
            NaN where a map has no value.
        """
        if result.subject != self._subject:
            self._finish_participant()
            self._subject = result.subject
        self._mean.add(result.session, values)

    def _finish_participant(self) -> None:
        if self._subject:
            self._others.add(self._mean.values)
        self._mean = ParticipantMean(self._shape)

    def write(self, root: Path) -> None:
        """Compare the functional ROIs of all participants with measured maps, and write the tables.

        Parameters
        ----------
        root : Path
            Folder for the files, with the layout of the dataset.
        """
        self._finish_participant()
        plan, maps = self._plan, self._maps
        measured_others = LeaveOneOutMean(self._shape)
        for subject in self._measured.files:
            measured_others.add(self._measured_means(self._read_measured(subject)))
        summary = OverlapSummary(maps.contrasts, plan.space)
        path = maps.group_set.path(root, "group_froi_overlap", seg=plan.space.label)
        words = describe_table("group_froi_overlap", list(COLUMNS))
        write_json(sidecar_path(path), words | {"DeepTaskGen": describe_frois(plan, maps.group_set)})
        with TidyTable(path, COLUMNS) as table:
            for subject, results in groupby(maps.group_set.results, key=lambda result: result.subject):
                if subject in self._measured.files:
                    rows = list(self._compare(subject, list(results), measured_others, summary))
                    if rows:
                        table.write(join_columns(rows))
        summary.write(root, maps.group_set)

    def _compare(
        self,
        subject: str,
        results: Sequence[Result],
        measured_others: LeaveOneOutMean,
        summary: OverlapSummary,
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of a participant."""
        plan, contrasts = self._plan, self._maps.contrasts
        measured = self._read_measured(subject)
        measured_means = self._measured_means(measured)
        sessions, mean = [], ParticipantMean(self._shape)
        for result in results:
            maps = read_known_maps(
                self._maps.output, result, contrasts, self._maps.mask, self._maps.known_faults
            )
            sessions.append(maps[:, plan.space.voxels])
            mean.add(result.session, sessions[-1])
        means = mean.values
        for row, contrast in enumerate(contrasts):
            baselines = {
                "dice_mean_predicted": self._others.exclude(row, means[row]),
                "dice_mean_measured": measured_others.exclude(row, measured_means[row]),
            }
            for result, predicted in zip(results, sessions, strict=True):
                target = match_session(measured.get(contrast, {}), result.session)
                if target is not None and np.isfinite(predicted[row]).any():
                    for place, cells in self._overlaps(target, predicted[row], baselines):
                        summary.add(row, place, result.session, cells)
                        labels = result.row_labels | {"contrast": contrast}
                        names = {"index": plan.space.numbers[place], "name": plan.space.names[place]}
                        yield labels | names | cells
        summary.finish_participant()

    def _overlaps(
        self, target: Floats, predicted: Floats, baselines: Mapping[str, Floats]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the place and the cells of each region in which all maps have values."""
        for place, region in enumerate(self._plan.space.regions):
            means = {name: values[region] for name, values in baselines.items()}
            overlap = compare_rois(target[region], predicted[region], means, self._plan.percent)
            if overlap is not None:
                yield place, overlap_cells(overlap)

    def _read_measured(self, subject: str) -> Measured:
        """Read the measured maps of a participant at the members of the search space."""
        voxels = self._plan.space.voxels
        maps = self._measured.read(subject, self._maps.contrasts)
        return {
            contrast: {session: values[voxels] for session, values in sessions.items()}
            for contrast, sessions in maps.items()
        }

    def _measured_means(self, measured: Measured) -> Floats:
        """Average the measured sessions of a participant; shape (n_contrasts, n_members)."""
        means = np.full(self._shape, np.nan)
        for row, contrast in enumerate(self._maps.contrasts):
            mean = WeightedMean(self._shape[1:])
            for values in measured.get(contrast, {}).values():
                mean.add(values)
            means[row] = mean.values
        return means
