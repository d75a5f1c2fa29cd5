"""Formats that are compared: how each is written and read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import zarr  # noqa: F401 - its import is not part of the times
from numpy.typing import NDArray

from benchmarks.cohort_store.cohort import Cohort
from bids_deeptaskgen.cohort_store.store.create import create_store
from bids_deeptaskgen.cohort_store.store.description import StoreDescription
from bids_deeptaskgen.cohort_store.store.pack import RowContent, pack_shards
from bids_deeptaskgen.cohort_store.store.reader import open_store
from bids_deeptaskgen.cohort_store.store.row_tables import add_rows
from bids_deeptaskgen.cohort_store.store.shards import read_states
from bids_deeptaskgen.grid import OUTPUT_GRID, unmask
from bids_deeptaskgen.io.nifti_writer import save_nifti

Values = NDArray[np.floating]
# Writes a cohort into a folder.
Writer = Callable[[Path, Cohort], None]
# Reads maps of it.
Reader = Callable[[Path, Cohort], Values]


def nifti_path(folder: Path, label: str, contrast: str) -> Path:
    """Return the path of a map as an image.

    Parameters
    ----------
    folder : Path
    label, contrast : str

    Returns
    -------
    Path
    """
    return folder / f"sub-{label}" / f"sub-{label}_contrast-{contrast}_statmap.nii.gz"


def write_nifti(folder: Path, cohort: Cohort) -> None:
    """Write an image for each map, as the participant level does.

    Parameters
    ----------
    folder : Path
    cohort : Cohort
    """
    for row, label in enumerate(cohort.labels):
        volumes = unmask(cohort.maps(row), cohort.patterns.mask)
        for contrast, volume in zip(cohort.contrasts, volumes, strict=True):
            save_nifti(nifti_path(folder, label, contrast), volume, OUTPUT_GRID.matrix)


def _read_nifti(path: Path, mask: NDArray[np.bool_]) -> Values:
    return np.asarray(nib.load(path).dataobj, np.float32)[mask]


def nifti_contrast(folder: Path, cohort: Cohort) -> Values:
    """Read a contrast of all participants from images.

    Parameters
    ----------
    folder : Path
    cohort : Cohort

    Returns
    -------
    array of shape (n_participants, n_voxels)
    """
    contrast = cohort.contrasts[len(cohort.contrasts) // 2]
    paths = [nifti_path(folder, label, contrast) for label in cohort.labels]
    return np.stack([_read_nifti(path, cohort.patterns.mask) for path in paths])


def nifti_participant(folder: Path, cohort: Cohort) -> Values:
    """Read all contrasts of a participant from images.

    Parameters
    ----------
    folder : Path
    cohort : Cohort

    Returns
    -------
    array of shape (n_contrasts, n_voxels)
    """
    label = cohort.labels[cohort.n_participants // 2]
    paths = [nifti_path(folder, label, contrast) for contrast in cohort.contrasts]
    return np.stack([_read_nifti(path, cohort.patterns.mask) for path in paths])


def write_store(folder: Path, cohort: Cohort, precision: str) -> None:
    """Write a cohort store without reading images.

    Parameters
    ----------
    folder : Path
    cohort : Cohort
    precision : {"float32", "float16"}
    """
    contrasts = tuple({"label": label} for label in cohort.contrasts)
    description = StoreDescription(contrasts, cohort.patterns.mask, precision=precision)
    create_store(folder, description)
    rows = [{"participant_id": f"sub-{label}", "session_id": None, "run": None} for label in cohort.labels]
    tables = add_rows(folder, rows, "simulated")

    def read_row(row: int) -> RowContent:
        maps = cohort.maps(row)
        return RowContent(np.where(maps != 0, maps, np.float32(np.nan)))

    pack_shards(folder, read_row, read_states(folder, description, tables).incomplete)


def store_contrast(folder: Path, cohort: Cohort) -> Values:
    """Read a contrast of all participants from a store.

    Parameters
    ----------
    folder : Path
    cohort : Cohort

    Returns
    -------
    array of shape (n_participants, n_voxels)
    """
    return open_store(folder).maps(cohort.contrasts[len(cohort.contrasts) // 2])


def store_participant(folder: Path, cohort: Cohort) -> Values:
    """Read all contrasts of a participant from a store.

    Parameters
    ----------
    folder : Path
    cohort : Cohort

    Returns
    -------
    array of shape (n_contrasts, n_voxels)
    """
    return open_store(folder)[cohort.n_participants // 2]


@dataclass(frozen=True)
class Format:
    """Format of maps on disk.

    Attributes
    ----------
    name : str
        Name in tables.
    write : callable
    read_contrast : callable
        Reads one contrast of all participants.
    read_participant : callable
        Reads all contrasts of one participant.
    """

    name: str
    write: Writer
    read_contrast: Reader
    read_participant: Reader


FORMATS = {
    "nifti": Format("NIfTI, an image per map", write_nifti, nifti_contrast, nifti_participant),
    "float32": Format(
        "store, float32", partial(write_store, precision="float32"), store_contrast, store_participant
    ),
    "float16": Format(
        "store, float16", partial(write_store, precision="float16"), store_contrast, store_participant
    ),
}
