"""Images of a session for its page, as one compressed file of arrays.

Keys of the file: ``facts`` (JSON text), ``tsnr``, ``tsnr_limit``, ``roi_maps``, ``n_runs``, and for run
number i ``run{i}_`` followed by the name of a field of `RunPreview`. A field without a value has no key.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.axial_slices import slice_indices, take_slices
from bids_deeptaskgen.connectome.series_preview import RunPreview
from bids_deeptaskgen.connectome.session import SessionConnectomes
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import MODEL_GRID, unmask
from bids_deeptaskgen.io.atomic import atomic_path

Bytes = NDArray[np.uint8]

# Every second voxel shows the correlations, whose spatial detail is coarser.
ROI_MAP_STEP = 2
TSNR_PERCENTILE = 99.0
_PREVIEW_ARRAYS = (
    "mean", "mask", "carpet", "fd_mm", "dvars", "global_signal", "is_kept", "is_dummy",
)  # fmt: skip


@dataclass(frozen=True)
class SessionImages:
    """Images of a session.

    Attributes
    ----------
    runs : tuple of RunPreview
    tsnr : uint8 array of shape (n_slices, 109, 91)
        Temporal signal-to-noise ratio on the slices of `connectome.axial_slices`; byte 255 is `tsnr_limit`.
    tsnr_limit : float
        0 for demeaned series, which have no such ratio.
    roi_maps : uint8 array of shape (n_rois, n_slices, 55, 46)
        Correlation of each ROI with every second voxel, mean over the connectomes of the session:
        r = (byte - 128) / 127; 0 means no signal.
    """

    runs: tuple[RunPreview, ...]
    tsnr: Bytes
    tsnr_limit: float
    roi_maps: Bytes


def make_session_images(result: SessionConnectomes, brain_mask: NDArray[np.bool_]) -> SessionImages:
    """Build the images of a session.

    Parameters
    ----------
    result : SessionConnectomes
        With previews.
    brain_mask : boolean array of shape (76, 93, 78)
        The model's brain mask, on ``MODEL_GRID``.

    Returns
    -------
    SessionImages
    """
    tsnr = np.maximum(result.tsnr, 0.0)
    has_ratio = result.has_signal & (tsnr > 0)
    limit = float(np.percentile(tsnr[has_ratio], TSNR_PERCENTILE)) if has_ratio.any() else 0.0
    # A ratio below 1 is that of a series without mean.
    limit = float(f"{limit:.6g}") if limit >= 1 else 0.0
    ratio = np.clip(np.rint(tsnr * (255 / limit if limit else 0)), 0, 255).astype(np.uint8)
    slices = take_slices(unmask(ratio, brain_mask), slice_indices(MODEL_GRID))
    return SessionImages(
        runs=result.previews,
        tsnr=np.asarray(slices, np.uint8),
        tsnr_limit=limit,
        roi_maps=draw_roi_maps(result.connectomes, result.has_signal, brain_mask),
    )


def draw_roi_maps(
    connectomes: NDArray[np.float32], has_signal: NDArray[np.bool_], brain_mask: NDArray[np.bool_]
) -> Bytes:
    """Convert connectomes to slices of bytes.

    Parameters
    ----------
    connectomes : array of shape (n_connectomes, n_rois, n_voxels)
        Pearson r.
    has_signal : boolean array of shape (n_voxels,)
    brain_mask : boolean array of shape (76, 93, 78)

    Returns
    -------
    uint8 array of shape (n_rois, n_slices, 55, 46)
        Mean over the connectomes: r = (byte - 128) / 127; 0 means no signal.
    """
    # Number of the brain voxel at each point, from 1; 0 where there is none.
    numbers = unmask(np.arange(1, len(has_signal) + 1) * has_signal, brain_mask)
    voxels = np.asarray(take_slices(numbers, slice_indices(MODEL_GRID, ROI_MAP_STEP)), np.intp)
    is_brain = voxels > 0
    correlations = np.mean([connectome[:, voxels[is_brain] - 1] for connectome in connectomes], axis=0)
    maps = np.zeros((len(correlations), *voxels.shape), np.uint8)
    maps[:, is_brain] = np.clip(np.rint(128 + 127 * correlations), 1, 255).astype(np.uint8)
    return maps


def save_session_images(path: Path, images: SessionImages, facts: Mapping[str, Any] | None = None) -> None:
    """Save the images of a session, atomically; equal arguments give equal bytes.

    Parameters
    ----------
    path : Path
        Path of the ``.npz`` file; its folder is created.
    images : SessionImages
    facts : dict, optional
        Facts of the run for the page, such as its command line; JSON values.
    """
    arrays: dict[str, Any] = {
        "facts": np.array(json.dumps(dict(facts or {}), ensure_ascii=False)),
        "n_runs": np.array(len(images.runs)),
        "tsnr": images.tsnr,
        "tsnr_limit": np.array(images.tsnr_limit),
        "roi_maps": images.roi_maps,
    }
    for number, run in enumerate(images.runs):
        prefix = f"run{number}_"
        arrays[f"{prefix}name"] = np.array(run.name)
        arrays[f"{prefix}is_demeaned"] = np.array(run.is_demeaned)
        arrays[f"{prefix}carpet_groups"] = np.array(json.dumps(run.carpet_groups))
        for name in _PREVIEW_ARRAYS:
            if (values := getattr(run, name)) is not None:
                # Traces are shown with three digits.
                is_trace = values.dtype == np.float64 and name != "global_signal"
                arrays[prefix + name] = values.astype(np.float32) if is_trace else values
    # Entries of the archive have no time.
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_session_images(path: Path) -> tuple[SessionImages, dict[str, Any]]:
    """Load the images of a session and the facts of its run.

    Parameters
    ----------
    path : Path
        Written by `save_session_images`.

    Returns
    -------
    images : SessionImages
    facts : dict

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        runs = tuple(_load_run(arrays, f"run{number}_") for number in range(int(arrays["n_runs"])))
        images = SessionImages(runs, arrays["tsnr"], float(arrays["tsnr_limit"]), arrays["roi_maps"])
        facts: dict[str, Any] = json.loads(str(arrays["facts"]))
    except Exception as error:  # a damaged archive raises errors of zipfile, zlib, struct, NumPy ...
        message = (
            f"{path}: the images of the page cannot be read ({type(error).__name__}: {error}).\n"
            "Delete it and re-run this participant."
        )
        raise InputError(message) from error
    return images, facts


def _load_run(arrays: Mapping[str, NDArray[Any]], prefix: str) -> RunPreview:
    fields = {name: arrays.get(prefix + name) for name in _PREVIEW_ARRAYS}
    for name in ("fd_mm", "dvars"):
        if (values := fields[name]) is not None:
            fields[name] = values.astype(np.float64)
    groups = json.loads(str(arrays[prefix + "carpet_groups"]))
    return RunPreview(
        name=str(arrays[prefix + "name"]),
        carpet_groups=tuple((str(name), int(n_rows)) for name, n_rows in groups),
        # Files of an earlier version lack it.
        is_demeaned=bool(arrays.get(f"{prefix}is_demeaned", False)),
        **fields,  # type: ignore[arg-type]
    )
