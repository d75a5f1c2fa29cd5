"""Parcels of a model's ROI maps at the root of a dataset: image, table of names, and JSON.

The name of the files has the first digits of the hash of the ROI maps, so that a dataset can hold the
parcels of several models.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.roi_connectome import roi_names
from bids_deeptaskgen.connectome.coverage import roi_peaks_mm
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID, model_to_output, unmask
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.io.nifti_reader import load_image
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import read_tsv, write_tsv
from bids_deeptaskgen.models.bundle import ROIS, Bundle
from bids_deeptaskgen.stats.linear_model import winner_take_all

_N_DIGITS = 8
_REMEDY = "Delete {} and repeat the participant level, which writes it again and keeps finished maps."


class RoiParcels(NamedTuple):
    """Parcels of the ROI maps of a model.

    Attributes
    ----------
    labels : integer array of shape (91, 109, 91)
        On ``OUTPUT_GRID``: number of the ROI, from 1; 0 outside the maps.
    names : tuple of str
        Names of the ROIs; that of label i is at i - 1. An ROI need not win any voxel.
    """

    labels: NDArray[np.intp]
    names: tuple[str, ...]


def roi_parcels_path(output_dir: Path, roi_set: str) -> Path:
    """Return the path of the image of parcels.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    roi_set : str
        Hash (sha256) of the ROI maps.

    Returns
    -------
    Path

    Examples
    --------
    >>> roi_parcels_path(Path(), "0a1b2c3d" + 56 * "0").name
    'space-MNI152NLin6Asym_seg-0a1b2c3d_res-2_desc-rois_dseg.nii.gz'
    """
    return output_path(output_dir, "roi_parcels", seg=roi_set[:_N_DIGITS])


def save_roi_parcels(output_dir: Path, bundle: Bundle, *, overwrite: bool = False) -> Path:
    """Save the parcels of a model's ROI maps, unless they exist.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    bundle : Bundle
    overwrite : bool
        Whether to replace existing files.

    Returns
    -------
    Path
        The image, with a table and a JSON file of the same name.
    """
    path = roi_parcels_path(output_dir, bundle.card.sha256[ROIS])
    files = (path, _table_path(path), sidecar_path(path))
    if not overwrite and all(file.is_file() for file in files):
        return path
    rois = bundle.rois()
    # Outside the brain mask, no ROI map has values: those voxels of the maps belong to no parcel.
    in_map = bundle.output_mask[bundle.brain_mask]
    parcels = np.where(in_map, winner_take_all(rois), 0).astype(np.int16)
    volume = model_to_output(unmask(parcels, bundle.brain_mask))
    peaks = (
        np.array(roi_peaks_mm(np.abs(rois).astype(np.float32), bundle.brain_mask)).reshape(-1, 3).T.tolist()
    )
    n_rois = len(rois)
    save_nifti(path, volume, OUTPUT_GRID.matrix, dtype=np.int16)
    columns: dict[str, Sequence[object]] = {"index": range(1, n_rois + 1), "name": roi_names(n_rois)}
    write_tsv(_table_path(path), columns | dict(zip(("x", "y", "z"), peaks, strict=True)))
    write_json(sidecar_path(path), _sidecar(bundle))
    return path


def _sidecar(bundle: Bundle) -> dict[str, Any]:
    table = load_table("outputs.json")
    position = "Position of the largest weight of the ROI map along {}, in MNI152NLin6Asym."
    axes = {axis: {"Description": position.format(axis), "Units": "mm"} for axis in "xyz"}
    return {
        "Description": table["descriptions"]["rois"],
        **table["space"],
        "index": {"Description": "Value of the voxels in the image."},
        "name": {"Description": "Name of the ROI, as in the ROI x ROI connectomes."},
        **axes,
        "DeepTaskGen": {"RoiSet": {"Name": bundle.card.roi_set, "Sha256": bundle.card.sha256[ROIS]}},
    }


def read_roi_parcels(output_dir: Path, roi_set: str) -> RoiParcels | None:
    """Read the parcels of the ROI maps of a model.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    roi_set : str
        Hash (sha256) of the ROI maps, as in `RoiConnectome`.

    Returns
    -------
    RoiParcels or None
        None if the dataset has none, as those of earlier versions.

    Raises
    ------
    InputError
        If the files are damaged or incomplete, or of other ROI maps.
    """
    path = roi_parcels_path(output_dir, roi_set)
    if not path.exists() and not path.is_symlink():
        return None
    try:
        return _read_files(path, roi_set)
    except InputError as error:
        message = f"{error}\n{_REMEDY.format(path.name)}"
        raise InputError(message) from error


def _read_files(path: Path, roi_set: str) -> RoiParcels:
    facts = read_json(sidecar_path(path)).get("DeepTaskGen")
    try:
        sha256 = facts["RoiSet"]["Sha256"]  # type: ignore[index]
    except (KeyError, TypeError) as error:
        message = f"{sidecar_path(path)}: names no set of ROI maps."
        raise InputError(message) from error
    if sha256 != roi_set:
        message = f"{sidecar_path(path)}: describes ROI maps of hash {sha256}, not {roi_set}."
        raise InputError(message)
    rows = read_tsv(_table_path(path))
    names = tuple(row.get("name", "") for row in rows)
    if [row.get("index") for row in rows] != [str(number) for number in range(1, len(rows) + 1)]:
        message = f"{_table_path(path)}: does not number the ROIs 1, 2, 3 ... in column `index`."
        raise InputError(message)
    return RoiParcels(_read_labels(path, len(names)), names)


def _read_labels(path: Path, n_rois: int) -> NDArray[np.intp]:
    image = load_image(path)
    if not image.grid.fits(OUTPUT_GRID):
        message = f"{path}: has {image.grid}, not the grid of the maps ({OUTPUT_GRID})."
        raise InputError(message)
    values = image.values_on(OUTPUT_GRID)
    labels: NDArray[np.intp] = np.nan_to_num(values, nan=-1, posinf=-1, neginf=-1).astype(np.intp)
    if values.shape != OUTPUT_GRID.shape or (labels != values).any() or labels.min() < 0:
        message = f"{path}: is not one volume of labels."
        raise InputError(message)
    if labels.max() > n_rois:
        message = f"{path}: has label {labels.max()}, but its table has {n_rois} ROIs."
        raise InputError(message)
    return labels


def _table_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".nii.gz") + ".tsv")
