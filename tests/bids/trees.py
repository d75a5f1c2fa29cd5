"""Small derivatives to look things up in: right names and headers, no data."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bids_deeptaskgen.grid import OUTPUT_GRID, Grid
from bids_deeptaskgen.io.nifti_writer import nifti_header

SPACE = "space-MNI152NLin6Asym"
BOLD = f"{SPACE}_res-2_desc-preproc_bold.nii.gz"
MASK = f"{SPACE}_res-2_desc-brain_mask.nii.gz"
CONFOUNDS = "desc-confounds_timeseries.tsv"


def isotropic(size_mm: float) -> Grid:
    """Grid of the output's box with cubic voxels: that of 1 mm holds all points of the output's grid."""
    shape = tuple(int(extent_mm // size_mm) + 1 for extent_mm in (180, 216, 180))
    affine = np.diag([size_mm, size_mm, size_mm, 1.0])
    affine[:3, 3] = -90, -126, -72
    return Grid.of(shape, affine)


def touch(path: Path, content: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
    return path


def image(path: Path, grid: Grid = OUTPUT_GRID, n_volumes: int | None = None) -> Path:
    """Write the header of an image; its data are never there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = grid.shape if n_volumes is None else (*grid.shape, n_volumes)
    header = nifti_header(shape, grid.matrix, np.uint8)
    path.write_bytes(gzip.compress(header) if path.suffix == ".gz" else header)
    return path


def describe(folder: Path, **fields: object) -> Path:
    """Write a dataset_description.json of fMRIPrep, or with other fields."""
    fmriprep = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.2.0"}]}
    base = {"Name": "x", "BIDSVersion": "1.9.0"}
    touch(folder / "dataset_description.json", json.dumps(base | (fields or fmriprep)))
    return folder


def run(
    root: Path,
    subject: str,
    entities: str = "task-rest",
    *,
    session: str | None = None,
    grids: Mapping[str, Grid] | None = None,
    t_r: float | None = 2.0,
    without: Sequence[str] = (),
) -> Path:
    """Write what fMRIPrep writes of a run at one or more resolutions; returns the folder.

    ``grids`` maps what stands between space and desc, e.g. ``_res-2``, to a grid; ``without`` names what is
    left out: ``mask``, ``confounds``, ``json``.
    """
    participant = f"sub-{subject}" + (f"_ses-{session}" if session else "")
    func = root / participant.replace("_", "/") / "func"
    prefix = f"{participant}_{entities}"
    for res, grid in (grids or {"_res-2": OUTPUT_GRID}).items():
        image(func / f"{prefix}_{SPACE}{res}_desc-preproc_bold.nii.gz", grid, 10)
        if "mask" not in without:
            image(func / f"{prefix}_{SPACE}{res}_desc-brain_mask.nii.gz", grid)
        if "json" not in without:
            content = {"TaskName": "rest"} if t_r is None else {"RepetitionTime": t_r}
            touch(func / f"{prefix}_{SPACE}{res}_desc-preproc_bold.json", json.dumps(content))
    if "confounds" not in without:
        touch(func / f"{prefix}_{CONFOUNDS}")
    return func
