"""Tidy ROI tables as the group level writes them, with a planted effect of age."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bids_deeptaskgen.io.tsv import write_tsv

REGIONS = {1: "7Networks_LH_Vis_1", 2: "7Networks_LH_Vis-1", 7: "Left Amygdala"}
CONTRASTS = ("wm2bk", "motorLh")
# Units of the maps per year, in the first region of the first contrast.
AGE_SLOPE = 0.05


def tidy_columns(rows, *, contrasts=CONTRASTS, regions=REGIONS, value=None, coverage=lambda *_: 1.0):
    """Return the columns of a tidy table.

    Parameters
    ----------
    rows : sequence of (str, str or None, str or None)
        Participant, session and run.
    value, coverage : callable
        Of row, contrast and index of the region.
    """
    keys = [(row, contrast, index) for row in rows for contrast in contrasts for index in regions]
    return {
        "participant_id": [row[0] for row, _, _ in keys],
        "session_id": [row[1] for row, _, _ in keys],
        "run": [row[2] for row, _, _ in keys],
        "contrast": [contrast for _, contrast, _ in keys],
        "index": [index for _, _, index in keys],
        "name": [regions[index] for _, _, index in keys],
        "mean": [value(*key) for key in keys],
        "sd": [1.0] * len(keys),
        "n_voxels": [10] * len(keys),
        "coverage": [coverage(*key) for key in keys],
    }


def write_roi_table(path, columns):
    """Write a table as Parquet or TSV, by the end of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        text = {name: pa.string() for name in ("participant_id", "session_id", "run", "contrast", "name")}
        arrays = {name: pa.array(cells, text.get(name)) for name, cells in columns.items()}
        pq.write_table(pa.table(arrays), path)
    else:
        write_tsv(path, columns)
    return path


def make_cohort(folder, n=40, *, ending="parquet", sessions=(None,), runs=(None,), seed=0):
    """Write an ROI table and participants.tsv with age, sex and site; return the path and the ages."""
    rng = np.random.default_rng(seed)
    age = rng.uniform(20, 80, n).round(1)
    labels = [f"sub-{number:02d}" for number in range(1, n + 1)]
    years = dict(zip(labels, age, strict=True))
    rows = [(label, session, run) for label in labels for session in sessions for run in runs]

    def value(row, contrast, index):
        slope = AGE_SLOPE if (contrast, index) == (CONTRASTS[0], 1) else 0.0
        return float(slope * years[row[0]] + 0.2 * rng.standard_normal())

    path = folder / "group" / f"task-rest_seg-toy_desc-maps_rois.{ending}"
    write_roi_table(path, tidy_columns(rows, value=value))
    columns = {
        "participant_id": labels,
        "age": list(age),
        "sex": ["FM"[number % 2] for number in range(n)],
        "site": [("01", "02")[(number // 2) % 2] for number in range(n)],
    }
    write_tsv(folder / "participants.tsv", columns)
    return path, age
