"""Functional ROIs of the sessions of a set: a table, label images, and the overlap with measured maps."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.contrast_entries import contrast_of
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.cohort_store.regions.functional_rois import FunctionalRoi, measure_roi, select_top
from bids_deeptaskgen.cohort_store.tables import ColumnKind, TidyTable
from bids_deeptaskgen.group.regions.froi_images import (
    describe_frois,
    froi_image_path,
    write_froi_image,
    write_region_names,
)
from bids_deeptaskgen.group.regions.froi_overlap import FroiOverlap
from bids_deeptaskgen.group.regions.froi_plan import FroiPlan, SetMaps
from bids_deeptaskgen.group.tables import describe_table
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.tsv import join_columns

COLUMNS: dict[str, ColumnKind] = {
    **dict.fromkeys(("participant_id", "session_id", "run", "contrast"), "text"),
    "index": "integer",
    "name": "text",
    **dict.fromkeys(FunctionalRoi._fields, "number"),
    **dict.fromkeys(("n_available", "n_voxels"), "integer"),
}


class FunctionalRois:
    """Writer of the functional ROIs of a set, to which the maps of one session at a time are added.

    Parameters
    ----------
    plan : FroiPlan
    maps : SetMaps
    staging : Path
        Folder for the files, with the layout of the dataset.
    """

    def __init__(self, plan: FroiPlan, maps: SetMaps, staging: Path) -> None:
        self._plan, self._maps, self._staging = plan, maps, staging
        self._overlap = FroiOverlap(plan, maps, plan.measured) if plan.measured else None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Open the table, and write the names of the regions."""
        plan, group_set = self._plan, self._maps.group_set
        path = group_set.path(self._staging, "group_frois", seg=plan.space.label)
        self._table = self._stack.enter_context(TidyTable(path, COLUMNS))
        write_json(sidecar_path(path), self._describe_table())
        write_region_names(self._staging, plan, group_set)
        return self

    def _describe_table(self) -> dict[str, Any]:
        """Describe the columns with their units, the maps and the search space."""
        maps = self._maps
        content = describe_table("group_frois", list(COLUMNS))
        entries = [contrast_of(maps.output, maps.group_set.results, label) for label in maps.contrasts]
        units = dict.fromkeys(unit for _, unit in entries)
        for name in ("mean", "minimum", "peak"):
            content[name]["Units"] = ", ".join(units)
        for name in COLUMNS:
            if name.endswith("_mm"):
                content[name]["Units"] = "mm"
        content["volume_mm3"]["Units"] = "mm3"
        facts = describe_frois(self._plan, maps.group_set)
        return content | {"TaskName": maps.group_set.task, "DeepTaskGen": facts}

    def add(self, result: Result, maps: NDArray[np.float32]) -> None:
        """Add the functional ROIs of a session or run.

        Parameters
        ----------
        result : Result
        maps : float32 array of shape (n_contrasts, n_voxels)
            Voxels of the mask of the maps in C order; NaN where a map has no value. A contrast without any
            value has no functional ROIs.
        """
        space, group_set = self._plan.space, self._maps.group_set
        values = maps[:, space.voxels]
        rows: list[dict[str, Any]] = []
        for contrast, whole_map, members in zip(self._maps.contrasts, maps, values, strict=True):
            if np.isfinite(whole_map).any():
                selection = self._add_contrast(result.row_labels | {"contrast": contrast}, members, rows)
                path = froi_image_path(self._staging, group_set, result, seg=space.label, contrast=contrast)
                write_froi_image(path, space, selection)
        if rows:
            self._table.write(join_columns(rows))
        if self._overlap:
            self._overlap.add(result, values)

    def _add_contrast(
        self, labels: dict[str, str | None], values: NDArray[np.float32], rows: list[dict[str, Any]]
    ) -> NDArray[np.bool_]:
        """Add a row for each region of a map, and return the members that are in a functional ROI."""
        space = self._plan.space
        selection = np.zeros(len(values), bool)
        for number, name, region in zip(space.numbers, space.names, space.regions, strict=True):
            selection[region] = select_top(values[region], self._plan.percent)
            measures = measure_roi(values[region], selection[region], space.positions_mm[region])
            rows.append(labels | {"index": number, "name": name} | measures._asdict())
        return selection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the table, and compare with the measured maps."""
        self._stack.__exit__(kind, error, traceback)
        if self._overlap and error is None:
            self._overlap.write(self._staging)
