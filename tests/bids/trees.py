"""Small derivatives with valid names and headers, but without data."""

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
    """Return a grid over the output's box with cubic voxels; 1 mm includes all points of the output grid."""
    shape = tuple(int(extent_mm // size_mm) + 1 for extent_mm in (180, 216, 180))
    affine = np.diag([size_mm, size_mm, size_mm, 1.0])
    affine[:3, 3] = -90, -126, -72
    return Grid.from_image(shape, affine)


def touch(path: Path, content: str = "") -> Path:
    """Write a text file and its folders, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
    return path


def image(path: Path, grid: Grid = OUTPUT_GRID, n_volumes: int | None = None) -> Path:
    """Write the header of an image, without data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = grid.shape if n_volumes is None else (*grid.shape, n_volumes)
    header = nifti_header(shape, grid.matrix, np.uint8)
    path.write_bytes(gzip.compress(header) if path.suffix == ".gz" else header)
    return path


def describe(folder: Path, **fields: object) -> Path:
    """Write a dataset_description.json of fMRIPrep, or with the given fields."""
    fmriprep = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.5"}]}
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
    omitted_files: Sequence[str] = (),
) -> Path:
    """Write the files of a run as fMRIPrep does, at one or more resolutions, and return the folder.

    ``grids`` maps the entities between space and desc, e.g. ``_res-2``, to a grid; ``omitted_files`` lists
    the files to omit: ``mask``, ``confounds``, ``json``.
    """
    participant = f"sub-{subject}" + (f"_ses-{session}" if session else "")
    func = root / participant.replace("_", "/") / "func"
    prefix = f"{participant}_{entities}"
    for res, grid in (grids or {"_res-2": OUTPUT_GRID}).items():
        image(func / f"{prefix}_{SPACE}{res}_desc-preproc_bold.nii.gz", grid, 10)
        if "mask" not in omitted_files:
            image(func / f"{prefix}_{SPACE}{res}_desc-brain_mask.nii.gz", grid)
        if "json" not in omitted_files:
            content = {"TaskName": "rest"} if t_r is None else {"RepetitionTime": t_r}
            touch(func / f"{prefix}_{SPACE}{res}_desc-preproc_bold.json", json.dumps(content))
    if "confounds" not in omitted_files:
        touch(func / f"{prefix}_{CONFOUNDS}")
    return func
