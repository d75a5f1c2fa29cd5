"""ROI tables of a group: a row for each session or run, contrast and region."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.contrast_entries import contrast_of
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.cohort_store.atlases.atlas import Atlas
from bids_deeptaskgen.cohort_store.regions.roi_values import region_values
from bids_deeptaskgen.cohort_store.tables import ColumnKind, TidyTable
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.group.tables import describe_table
from bids_deeptaskgen.io.atomic import write_json

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
