"""Time from a BOLD file to a connectome, compared with decompression only and with a whole array."""

import gzip
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from isal import igzip
from numpy.typing import NDArray
from zlib_ng import gzip_ng

from benchmarks.speed.datasets import N_VOLUMES, one_participant
from benchmarks.speed.timing import Comparison, Timing, measure_alternately, measure_in_new_process
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import SessionFault, collect_sessions
from bids_deeptaskgen.connectome.cleaning import Cleaning, DataRequirements
from bids_deeptaskgen.connectome.inputs import SessionInputs
from bids_deeptaskgen.connectome.session import compute_session_connectomes
from bids_deeptaskgen.grid import CROP, OUTPUT_GRID
from bids_deeptaskgen.io.nifti_reader import open_series
from bids_deeptaskgen.models.bundle import open_bundle

# As long as all four runs of a participant of HCP Young Adult.
N_TIMES = 10
READ_BYTES = 1 << 20
BLOCK_VOLUMES = 20

NO_CLEANING = Cleaning(nuisance_regressors="none")
# For a run of that size: 24 columns of motion and 6 slow cosines.
FULL_CLEANING = Cleaning(nuisance_regressors="24P", high_pass=0.0085, fd_threshold=0.2)
ANY_LENGTH = DataRequirements(min_minutes=0, min_dof=1)


def measure_reading(work: Path, bundle: Path, n_repeats: int, n_volumes: int = N_VOLUMES) -> list[Comparison]:
    """Measure the time of reading, ROI time series and connectome of one run.

    Parameters
    ----------
    work : Path
        Folder for the datasets, reused by later calls.
    bundle : Path
        Folder of the model.
    n_repeats : int
        Number of measurements of each variant.
    n_volumes : int
        Number of volumes of the run.

    Returns
    -------
    list of Comparison
        float32 and int16 with a slope, compared with a whole array in memory; float32 with 30 regressors,
        censoring and 8 windows; a run that is ten times as long.
    """
    comparisons = []
    for dtype in ("float32", "int16"):
        root = one_participant(work, dtype, n_volumes)
        ways = {
            "decompression only": partial(measure_in_new_process, _decompressing, bold_of(root)),
            "bids_deeptaskgen": partial(
                measure_in_new_process, _connecting, root, bundle, NO_CLEANING, ANY_LENGTH
            ),
            "whole array in memory": partial(measure_in_new_process, _whole_array, root, bundle),
        }
        timings = measure_alternately(ways, n_repeats)
        name = f"reading + connectome, {n_volumes} volumes of {dtype}"
        connectome, reference = (
            timings[way][-1].result for way in ("bids_deeptaskgen", "whole array in memory")
        )
        facts: dict[str, str | float] = {"largest |dr|": float(np.abs(connectome - reference).max())}
        comparisons.append(Comparison(name, "decompression only", _without_results(timings), facts))
    root = one_participant(work, "float32", n_volumes)
    windows = replace(ANY_LENGTH, n_windows=8)
    ways = {
        "decompression only": partial(measure_in_new_process, _decompressing, bold_of(root)),
        "bids_deeptaskgen": partial(
            measure_in_new_process, _connecting, root, bundle, FULL_CLEANING, windows
        ),
    }
    timings = _without_results(measure_alternately(ways, n_repeats))
    name = "reading + connectome, 30 regressors, censoring, 8 windows"
    comparisons.append(Comparison(name, "decompression only", timings))
    long = lengthen_run(work, one_participant(work, "int16", n_volumes), N_TIMES)
    ways = {
        "bids_deeptaskgen": partial(
            measure_in_new_process, _connecting, long, bundle, NO_CLEANING, ANY_LENGTH
        )
    }
    timings = _without_results(measure_alternately(ways, 1))
    name = f"reading + connectome, {n_volumes * N_TIMES} volumes of int16"
    comparisons.append(Comparison(name, "bids_deeptaskgen", timings))
    return comparisons


def measure_readers(work: Path, n_repeats: int, n_volumes: int = N_VOLUMES) -> list[Comparison]:
    """Measure the time of decompressing a run with several libraries, in one thread.

    Parameters
    ----------
    work : Path
        Folder for the datasets.
    n_repeats : int
        Number of measurements of each variant.
    n_volumes : int
        Number of volumes of the run.

    Returns
    -------
    list of Comparison
        One comparison.
    """
    bold = bold_of(one_participant(work, "float32", n_volumes))
    uncompressed = work / bold.with_suffix("").name
    if not uncompressed.exists():
        temporary = uncompressed.with_suffix(".tmp")
        with gzip_ng.open(bold, "rb") as source, temporary.open("wb") as target:  # type: ignore[no-untyped-call]
            shutil.copyfileobj(source, target, READ_BYTES)
        temporary.rename(uncompressed)
    ways = {
        "zlib_ng": partial(measure_in_new_process, _decompressing, bold),
        "isal": partial(measure_in_new_process, _decompressing, bold, "isal"),
        "gzip": partial(measure_in_new_process, _decompressing, bold, "gzip"),
        ".nii": partial(measure_in_new_process, _decompressing, uncompressed, "none"),
    }
    timings = _without_results(measure_alternately(ways, n_repeats))
    return [Comparison(f"decompression of {n_volumes} volumes of float32", "zlib_ng", timings)]


def bold_of(root: Path) -> Path:
    """Find the BOLD file of a dataset with a single run."""
    (path,) = root.glob("sub-*/func/*_bold.nii.gz")
    return path


def lengthen_run(work: Path, root: Path, n_times: int) -> Path:
    """Create a dataset whose run repeats the volumes of another, as members of one gzip file.

    Parameters
    ----------
    work : Path
        Folder that contains the new dataset.
    root : Path
        Dataset with a single run.
    n_times : int
        Number of repetitions.

    Returns
    -------
    Path
        Folder of the new dataset.
    """
    source = bold_of(root)
    target = work / f"{root.name}-times-{n_times}"
    folder = target / source.relative_to(root).parent
    bold = folder / source.name
    if bold.exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(root, target, ignore=shutil.ignore_patterns("*_bold.nii.gz"))
    offset, values = open_series(source).header.offset, folder / "values.gz"
    with gzip_ng.open(source, "rb") as stream, igzip.open(values, "wb", 1) as packed:  # type: ignore[no-untyped-call]
        # Read the header itself: the header of a loaded nibabel image has no slope.
        header = nib.Nifti1Header(stream.read(offset)[: nib.Nifti1Header.sizeof_hdr])
        shutil.copyfileobj(stream, packed, READ_BYTES)
    *space, n_volumes = header.get_data_shape()
    header.set_data_shape((*space, n_volumes * n_times))
    temporary = bold.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(gzip.compress(bytes(header.binaryblock).ljust(offset, b"\0")))
        for _ in range(n_times):
            with values.open("rb") as member:
                shutil.copyfileobj(member, file, READ_BYTES)
    values.unlink()
    (table,) = folder.glob("*_timeseries.tsv")
    head, *rows = table.read_text("utf-8").splitlines(keepends=True)
    table.write_text(head + "".join(rows * n_times), "utf-8")
    temporary.rename(bold)
    return target


def _session(root: Path) -> SessionInputs:
    (session,) = collect_sessions(root, "01", Query())
    if isinstance(session, SessionFault):
        raise session.error
    return session


def _connecting(
    root: Path, bundle: Path, cleaning: Cleaning, requirements: DataRequirements
) -> Callable[[], Any]:
    session, space = _session(root), open_bundle(bundle).roi_space
    return lambda: compute_session_connectomes(session, space, cleaning, requirements).connectomes[0]


def _decompressing(path: Path, reader: str = "zlib_ng") -> Callable[[], int]:
    """Prepare to read all bytes of a run into one buffer that is reused."""
    open_with = {"zlib_ng": gzip_ng.open, "isal": igzip.open, "gzip": gzip.open, "none": open}[reader]
    series = open_series(path)
    buffer = np.empty((BLOCK_VOLUMES, int(np.prod(series.grid.shape))), series.dtype)
    view = buffer.view(np.uint8).reshape(-1).data

    def decompress() -> int:
        n_bytes, offset = 0, 0
        with open_with(path, "rb") as file:
            while n_read := file.readinto(view[offset : offset + READ_BYTES]):
                n_bytes += n_read
                offset = (offset + n_read) % (len(view) - READ_BYTES)
        return n_bytes

    return decompress


def _whole_array(root: Path, bundle: Path) -> Callable[[], NDArray[np.float32]]:
    """Prepare the method of the published code: whole series in memory, all voxels correlated in float64."""
    space, bold = open_bundle(bundle).roi_space, bold_of(root)
    (mask,) = root.glob("sub-*/func/*_mask.nii.gz")
    brain = (np.asarray(nib.Nifti1Image.from_filename(mask).dataobj) > 0)[::-1][CROP] & space.brain_mask
    projection = space.projection[:, brain[space.brain_mask]]
    if open_series(bold).grid != OUTPUT_GRID:
        message = f"{bold}: the whole-array method requires the grid of TemplateFlow."
        raise ValueError(message)

    def connect() -> NDArray[np.float32]:
        image = nib.Nifti1Image.from_filename(bold)
        data = image.get_fdata(dtype=np.float32)
        box = data[::-1][CROP]  # the grid of the model is in LAS order
        series = box[brain].T
        series = series - series.mean(axis=0)
        rois = (projection @ series.T).T
        voxels = box.reshape(-1, box.shape[3]).astype(np.float64)
        voxels -= voxels.mean(axis=1, keepdims=True)
        rois -= rois.mean(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            r = voxels @ rois
            r /= np.sqrt((voxels**2).sum(axis=1, keepdims=True)) * np.sqrt((rois**2).sum(axis=0))
        connectome = np.nan_to_num(r).reshape(*box.shape[:3], -1).transpose(3, 0, 1, 2) * brain
        return connectome[:, space.brain_mask].astype(np.float32)

    return connect


def _without_results(timings: dict[str, list[Timing]]) -> dict[str, list[Timing]]:
    return {name: [replace(timing, result=None) for timing in repeats] for name, repeats in timings.items()}
