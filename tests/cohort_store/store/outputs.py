"""Small output datasets with the mask and the model of their maps, and small stores without images."""

import json
from pathlib import Path

import numpy as np

from bids_deeptaskgen.bids.output.output_mask import output_mask_path
from bids_deeptaskgen.cohort_store.store.create import create_store
from bids_deeptaskgen.cohort_store.store.description import StoreDescription
from bids_deeptaskgen.cohort_store.store.pack import RowContent, pack_shards
from bids_deeptaskgen.cohort_store.store.row_tables import add_rows
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.nifti_writer import save_nifti
from tests.group.dataset import BLOCK, make_dataset

MODEL = {"Name": "small", "WeightsSha256": "b" * 64, "OutputMaskSha256": "c" * 64}
SETTINGS = {"fd_threshold": 0.5, "smoothing": 0.0}
N_VOXELS, N_ROIS = 40, 3
CONTRASTS = ("wm2bk", "motorLh")


def make_output(folder, *, model=None, settings=None, mask=None, **plan):
    """Write an output dataset whose sidecars name a model, with the mask of its maps."""
    cohort = make_dataset(folder, **({"n": 3, "sessions": (None,)} | plan))
    describe_maps(folder, model=model, settings=settings, mask=mask, seed=plan.get("seed", 0))
    return cohort


def describe_maps(folder, *, model=None, settings=None, mask=None, seed=0):
    """Add the model to the sidecars of all maps, hashes of series to the records, and the mask."""
    for path in Path(folder).rglob("*_desc-qc_metrics.json"):
        content = json.loads(path.read_text())
        if "SeriesHashes" not in content:
            path.write_text(json.dumps(content | {"SeriesHashes": [f"{seed} {path.name}"]}))
    facts = {"Model": MODEL | (model or {}), "Settings": SETTINGS | (settings or {})}
    for path in Path(folder).rglob("*_desc-predicted_statmap.json"):
        content = json.loads(path.read_text())
        content["DeepTaskGen"] |= facts
        path.write_text(json.dumps(content))
    if mask is None:
        mask = block_mask()
    path = output_mask_path(Path(folder), facts["Model"]["OutputMaskSha256"])
    save_nifti(path, mask, OUTPUT_GRID.matrix, dtype=np.uint8)


def block_mask():
    """Return the mask of the voxels with values."""
    mask = np.zeros(OUTPUT_GRID.shape, bool)
    mask[BLOCK] = True
    return mask


def description(**changes):
    """Describe a store of few voxels, with two rows in a shard."""
    mask = np.zeros(OUTPUT_GRID.shape, bool)
    mask.ravel()[5000 : 5000 + N_VOXELS] = True
    contrasts = tuple({"label": label, "units": "z"} for label in CONTRASTS)
    values = {"contrasts": contrasts, "mask": mask, "n_rois": N_ROIS, "rows_per_shard": 2, "model": MODEL}
    return StoreDescription(**(values | changes))


def row_table(n_rows, first=1):
    """Return rows of participants."""
    numbers = range(first, first + n_rows)
    return [
        {"participant_id": f"sub-{number:02d}", "session_id": None, "run": None, "age": 20 + number}
        for number in numbers
    ]


def row_content(row):
    """Simulate the content of a row, which depends on its number alone."""
    rng = np.random.default_rng(row)
    matrix = np.corrcoef(rng.standard_normal((N_ROIS, 20)))
    maps = rng.standard_normal((len(CONTRASTS), N_VOXELS)).astype(np.float32)
    return RowContent(maps, matrix, source=f"row {row}")


def make_store(folder, n_rows=5, read_row=row_content, **changes):
    """Create a store of simulated rows, and pack all shards."""
    planned = description(**changes)
    create_store(folder, planned)
    add_rows(folder, row_table(n_rows), "/out")
    pack_shards(folder, read_row, range(planned.n_shards(n_rows)))
    return folder
