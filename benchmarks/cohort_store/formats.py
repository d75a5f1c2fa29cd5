"""Formats that are compared: how each is written and read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cohort_store.cohort import Cohort
from bids_deeptaskgen.grid import OUTPUT_GRID, unmask
from bids_deeptaskgen.io.nifti_writer import save_nifti

Values = NDArray[np.floating]
# Writes a cohort into a folder.
Writer = Callable[[Path, Cohort], None]


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
    import nibabel as nib

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
