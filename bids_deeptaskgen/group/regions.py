"""ROI tables of a group: atlases, loaded before anything is computed; tables, written by session."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.contrast_entries import contrast_of
from bids_deeptaskgen.bids.output.output_mask import read_output_mask
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.cohort_store.atlas import Atlas
from bids_deeptaskgen.cohort_store.atlas_sources import load_atlas
from bids_deeptaskgen.cohort_store.roi_values import region_values
from bids_deeptaskgen.cohort_store.tables import ColumnKind, TidyTable
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.group.selection import restrict_contrasts
from bids_deeptaskgen.group.tables import describe_table
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.settings.group import GroupSettings

KIND = "group_roi_values"
COLUMNS: dict[str, ColumnKind] = {
    "participant_id": "text",
    "session_id": "text",
    "run": "text",
    "contrast": "text",
    "index": "integer",
    "name": "text",
    "mean": "number",
    "sd": "number",
    "n_voxels": "integer",
    "coverage": "number",
}
# Bytes of a row: numbers and tabs of the TSV (at most), and the Parquet file; labels are added.
_NUMBER_BYTES = 60
_PARQUET_BYTES = 20


@dataclass(frozen=True)
class RegionPlan:
    """Mask and atlases of the maps of a set.

    Attributes
    ----------
    mask : boolean array of shape (91, 109, 91)
        Voxels of the maps, on ``OUTPUT_GRID``.
    atlases : tuple of Atlas
        Of the ROI tables.
    """

    mask: NDArray[np.bool_]
    atlases: tuple[Atlas, ...] = ()


def plan_regions(settings: GroupSettings, group_set: GroupSet) -> RegionPlan | None:
    """Load the atlases of a set.

    Parameters
    ----------
    settings : GroupSettings
    group_set : GroupSet

    Returns
    -------
    RegionPlan or None
        None if no regions are requested.

    Raises
    ------
    UserError
        If an atlas cannot be fetched, or two have the same label.
    InputError
        If the dataset has no mask of the maps, or an atlas cannot be used.
    """
    if not settings.atlas:
        return None
    mask = read_output_mask(settings.output_dir, group_set.provenance)
    atlases = tuple(load_atlas(source, mask) for source in dict.fromkeys(settings.atlas))
    _refuse_equal_labels(atlases)
    return RegionPlan(mask, atlases)


def _refuse_equal_labels(atlases: Sequence[Atlas]) -> None:
    """Refuse atlases whose tables would have the same name, on any file system."""
    sources: dict[str, str] = {}
    for atlas in atlases:
        earlier_source = sources.setdefault(atlas.label.lower(), atlas.source)
        if earlier_source != atlas.source:
            message = (
                f"`atlas`: {earlier_source} and {atlas.source} have the same label, {atlas.label}, in the "
                "names of their tables.\nLeave one out, or rename one of the files."
            )
            raise UserError(message)


def table_bytes(plan: RegionPlan | None, group_set: GroupSet, labels: Sequence[str]) -> int:
    """Estimate the size of the ROI tables of a set; it is rather too large than too small.

    Parameters
    ----------
    plan : RegionPlan or None
    group_set : GroupSet
    labels : sequence of str
        Requested contrasts; empty for all.

    Returns
    -------
    int
    """
    if plan is None or not plan.atlases:
        return 0
    contrasts = restrict_contrasts(group_set, labels)
    label_bytes = sum(len(label) for label in contrasts) / max(len(contrasts), 1)
    row_labels = [value or "n/a" for value in group_set.results[0].row_labels.values()]
    row_bytes = label_bytes + sum(map(len, row_labels)) + _NUMBER_BYTES + _PARQUET_BYTES
    name_bytes = sum(len(name.encode()) for atlas in plan.atlases for name in atlas.names)
    n_regions = sum(len(atlas.names) for atlas in plan.atlases)
    return int(len(group_set.results) * len(contrasts) * (n_regions * row_bytes + name_bytes))


class RoiTable:
    """Rows of a table of an atlas; a `SessionOutput`.

    Parameters
    ----------
    table : TidyTable
        Open, with the columns ``COLUMNS``.
    atlas : Atlas
    contrasts : sequence of str
        Labels, in the order of the maps.
    """

    def __init__(self, table: TidyTable, atlas: Atlas, contrasts: Sequence[str]) -> None:
        self._table, self._atlas = table, atlas
        n_regions = len(atlas.numbers)
        self._labels = {
            "contrast": np.repeat(list(contrasts), n_regions),
            "index": np.tile(atlas.numbers, len(contrasts)),
            "name": np.tile(atlas.names, len(contrasts)),
        }

    def add(self, result: Result, maps: NDArray[np.float32]) -> None:
        """Add the rows of a session or run: one for each contrast and region.

        Parameters
        ----------
        result : Result
        maps : float32 array of shape (n_contrasts, n_voxels)
            NaN where a map has no value.
        """
        values = region_values(maps, self._atlas)
        cells = {name: column.ravel() for name, column in values._asdict().items()}
        self._table.write({**result.row_labels, **self._labels, **cells})


@contextmanager
def roi_table(
    output: Path, root: Path, group_set: GroupSet, atlas: Atlas, contrasts: Sequence[str]
) -> Iterator[RoiTable]:
    """Write the ROI table of an atlas, with its sidecar.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    root : Path
        Root of the dataset, or of a folder with its layout, for the files.
    group_set : GroupSet
    atlas : Atlas
    contrasts : sequence of str
        Labels, in the order of the maps.

    Yields
    ------
    RoiTable
    """
    path = group_set.path(root, KIND, seg=atlas.label)
    with TidyTable(path, COLUMNS) as table:
        yield RoiTable(table, atlas, contrasts)
    write_json(sidecar_path(path), _sidecar(output, group_set, atlas, contrasts))


def _sidecar(output: Path, group_set: GroupSet, atlas: Atlas, contrasts: Sequence[str]) -> dict[str, Any]:
    """Describe the columns, the atlas, and the maps."""
    content = describe_table(KIND, list(COLUMNS))
    units = dict.fromkeys(contrast_of(output, group_set.results, label)[1] for label in contrasts)
    for name in ("mean", "sd"):
        content[name]["Units"] = ", ".join(units)
    return {
        **content,
        "TaskName": group_set.task,
        "DeepTaskGen": {
            **describe_maps(group_set),
            "Atlas": describe_atlas(atlas),
            "Contrasts": list(contrasts),
        },
    }


def describe_maps(group_set: GroupSet) -> dict[str, Any]:
    """Describe the model and the settings of the maps of a set, for sidecars.

    Parameters
    ----------
    group_set : GroupSet

    Returns
    -------
    dict
        JSON values.
    """
    model = group_set.provenance.get("Model")
    return {"SettingsHash": group_set.settings_hash, **({"Model": model} if model else {})}


def describe_atlas(atlas: Atlas) -> dict[str, Any]:
    """Describe an atlas, for sidecars.

    Parameters
    ----------
    atlas : Atlas

    Returns
    -------
    dict
        JSON values.
    """
    return {
        "Source": atlas.source,
        "Sha256": atlas.sha256,
        "Type": "probabilities" if atlas.is_probabilistic else "labels",
        "NumberOfRegions": len(atlas.numbers),
    }
