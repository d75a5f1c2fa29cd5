"""Datasets of any shape for measurements of memory: few distinct volumes, so that files are small."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bids_deeptaskgen.connectome.template_masks import brain_mask
from bids_deeptaskgen.connectome.template_warp import MODEL_SPACE, WARPED_SPACE
from bids_deeptaskgen.grid import MODEL_GRID, OUTPUT_GRID, Grid, make_sampler
from bids_deeptaskgen.io.nifti_writer import nifti_header

N_DISTINCT = 12
# Adjacent voxels with the same value: what the files hold does not affect memory.
N_EQUAL = 16
N_COSINES = 8
_SEED = 20


@dataclass(frozen=True)
class Series:
    """Properties of the series of a dataset, which has one participant.

    Attributes
    ----------
    voxel_mm : float
        1, 2 or 3 mm; on 2 mm the series is on the model's points.
    n_volumes : int
        Volumes of each run.
    dtype : str
        Type of the stored values.
    slope : float or None
        Slope of the header; None for none.
    n_runs, n_sessions : int
    tasks : tuple of str
    t_r : float
        In s.
    is_compressed : bool
    has_mask, has_confounds : bool
        Whether these files are beside the series.
    is_warped : bool
        The series is in the space of the other template.
    mask_share : float
        Share of the slices, from the lowest, in the mask.
    is_shifted : bool
        The grid lies a quarter of a voxel beside that of the model, so that all values are interpolated.
    """

    voxel_mm: float = 2.0
    n_volumes: int = 200
    dtype: str = "float32"
    slope: float | None = None
    n_runs: int = 1
    n_sessions: int = 1
    tasks: tuple[str, ...] = ("rest",)
    t_r: float = 2.0
    is_compressed: bool = True
    has_mask: bool = True
    has_confounds: bool = True
    is_warped: bool = False
    mask_share: float = 1.0
    is_shifted: bool = False


def build_dataset(folder: Path, series: Series, *, has_values: bool = True) -> Path:
    """Write a dataset in the layout of fMRIPrep, unless it exists.

    Parameters
    ----------
    folder : Path
        Folder of the dataset.
    series : Series
    has_values : bool
        Without them, the images consist of their headers.

    Returns
    -------
    Path
        `folder`.
    """
    description = folder / "dataset_description.json"
    if description.exists():
        return folder
    grid, rng = _grid(series), np.random.default_rng(_SEED)
    mask = _mask(grid, series.mask_share)
    space = WARPED_SPACE if series.is_warped else MODEL_SPACE
    sessions = [f"ses-{number + 1}" for number in range(series.n_sessions)]
    for session in sessions if series.n_sessions > 1 else [""]:
        func = folder / "sub-01" / session / "func"
        func.mkdir(parents=True)
        for task in series.tasks:
            for run in range(series.n_runs):
                words = ["sub-01", session, f"task-{task}", f"run-{run + 1}" if series.n_runs > 1 else ""]
                stem = "_".join(filter(None, words))
                bold = func / f"{stem}_space-{space}_desc-preproc_bold.nii"
                _write_run(bold, stem, series, (grid, mask), rng, has_values=has_values)
    content = {
        "Name": "memory", "BIDSVersion": "1.10.0", "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.5"}],
    }  # fmt: skip
    description.write_text(json.dumps(content))
    return folder


def _grid(series: Series) -> Grid:
    """Return TemplateFlow's grid of 2 mm, or one that covers the same space with other voxels."""
    voxel_mm, shape, origin = series.voxel_mm, OUTPUT_GRID.shape, OUTPUT_GRID.matrix[:3, 3]
    if voxel_mm == 1:
        # The shape and the origin of TemplateFlow's res-01 image.
        shape, origin = (182, 218, 182), (-91, -126, -72)
    elif voxel_mm != OUTPUT_GRID.voxel_sizes_mm[0]:
        extents = zip(OUTPUT_GRID.shape, OUTPUT_GRID.voxel_sizes_mm, strict=True)
        shape = tuple(int(n * size / voxel_mm) for n, size in extents)
    affine = np.diag([voxel_mm] * 3 + [1.0])
    affine[:3, 3] = np.array(origin) + (voxel_mm / 4 if series.is_shifted else 0)
    return Grid.from_image(shape, affine)


def _mask(grid: Grid, share: float) -> np.ndarray:
    """Return the model's brain on a grid, or its lower part."""
    sampler = make_sampler(MODEL_GRID, grid, np.ones(grid.shape, bool))
    values = np.zeros((1, int(np.prod(grid.shape))))
    inside = np.zeros((1, int(sampler.is_covered.sum())))
    sampler.take([brain_mask().ravel(order="F").astype(np.float32)], inside)
    values[:, sampler.is_covered] = inside
    mask = values.reshape(grid.shape) >= 0.5  # noqa: PLR2004 - nearest voxel
    mask[..., int(np.ceil(share * grid.shape[2])) :] = False
    return mask


def _write_run(
    bold: Path,
    stem: str,
    series: Series,
    space: tuple[Grid, np.ndarray],
    rng: np.random.Generator,
    *,
    has_values: bool,
) -> None:
    grid, mask = space
    path = bold.with_suffix(".nii.gz") if series.is_compressed else bold
    _write_bold(path, series, grid, mask if has_values else mask[:0], rng)
    bold.with_suffix(".json").write_text(json.dumps({"RepetitionTime": series.t_r, "TaskName": "rest"}))
    if series.has_mask:
        content = nifti_header(grid.shape, grid.matrix, np.uint8) + mask.astype(np.uint8).tobytes(order="F")
        mask_path = bold.with_name(bold.name.replace("desc-preproc_bold.nii", "desc-brain_mask.nii.gz"))
        mask_path.write_bytes(gzip.compress(content, 1, mtime=0))
    if series.has_confounds:
        _write_confounds(bold.with_name(f"{stem}_desc-confounds_timeseries.tsv"), series.n_volumes, rng)


def _write_bold(path: Path, series: Series, grid: Grid, mask: np.ndarray, rng: np.random.Generator) -> None:
    """Write a series of repeated volumes; each is compressed once, as a member of the gzip file."""
    dtype = np.dtype(series.dtype).newbyteorder("<")
    header = nifti_header(
        (*grid.shape, series.n_volumes), grid.matrix, dtype, t_r=series.t_r, slope=series.slope
    )
    members = [_encode(header, is_compressed=series.is_compressed)]
    flat = mask.ravel(order="F")
    for _ in range(min(N_DISTINCT, series.n_volumes)):
        values = np.repeat(rng.integers(900, 1100, flat.size // N_EQUAL + 1), N_EQUAL)[: flat.size] * flat
        members.append(_encode(values.astype(dtype).tobytes(), is_compressed=series.is_compressed))
    order = 1 + rng.permuted(np.arange(series.n_volumes) % (len(members) - 1))
    with path.open("wb") as file:
        file.write(members[0])
        for number in order:
            file.write(members[number])


def _encode(content: bytes, *, is_compressed: bool) -> bytes:
    return gzip.compress(content, 1, mtime=0) if is_compressed else content


def _write_confounds(path: Path, n_volumes: int, rng: np.random.Generator) -> None:
    """Write the columns that the presets use."""
    motion = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    tissues = [f"{tissue}_comp_cor_{number:02d}" for tissue in "cw" for number in range(5)]
    cosines = [f"cosine{number:02d}" for number in range(N_COSINES)]
    names: Sequence[str] = [*motion, "csf", "white_matter", "global_signal", *tissues, *cosines]
    table = pd.DataFrame(0.01 * rng.standard_normal((n_volumes, len(names))).round(4), columns=names)
    table[["csf", "white_matter", "global_signal"]] += 1000
    table["framewise_displacement"] = 0.1
    table.to_csv(path, sep="\t", index=False)
    metadata = {name: {"Mask": "CSF" if name[0] == "c" else "WM"} for name in tissues}
    path.with_suffix(".json").write_text(json.dumps(metadata))
