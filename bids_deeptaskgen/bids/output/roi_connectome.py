"""ROI x ROI connectome of a session: a table with one row and column for each ROI, and its sidecar.

The table has the format of giga_connectome: names of the ROIs in the first line, then the full matrix.
`group` averages these tables and compares each participant with the others (`group_connectomes`); `train`
reads them for the typicality of later participants.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.sidecars import Provenance, statmap_sidecar
from bids_deeptaskgen.connectome.roi_geometry import RoiGeometry
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.io.number_table import read_number_table
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.models.bundle import ROIS

Matrix = NDArray[np.float64]

_REMEDY = "Delete it and re-run this participant."
_SPREAD = (
    "Root mean square of the distances, in mm, of the voxels above half of the ROI map's maximum from their "
    "centroid, weighted by the map"
)


@dataclass(frozen=True)
class RoiConnectome:
    """ROI x ROI connectome of a session.

    Attributes
    ----------
    names : tuple of str
        ``ROI1``, ``ROI2``, ... as in the model's image of ROI maps.
    matrix : array of shape (n_rois, n_rois)
        Pearson r; NaN for ROIs without signal.
    peaks_mm : array of shape (n_rois, 3)
        Position of the largest weight of each ROI.
    roi_set : str
        Hash (sha256) of the model's ROI maps; matrices with equal hashes have the same ROIs.
    settings_hash : str
        Hash of settings and model; matrices with equal hashes are comparable.
    n_runs : int
        Runs of which the matrix is the mean, weighted by their numbers of volumes.
    geometry : RoiGeometry or None
        Centroid and spread of each ROI; None for files of earlier versions.
    """

    names: tuple[str, ...]
    matrix: Matrix
    peaks_mm: Matrix
    roi_set: str
    settings_hash: str
    n_runs: int
    geometry: RoiGeometry | None = None


def roi_names(n_rois: int) -> tuple[str, ...]:
    """Return the names of the ROIs in tables.

    Parameters
    ----------
    n_rois : int

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> roi_names(2)
    ('ROI1', 'ROI2')
    """
    return tuple(f"ROI{number}" for number in range(1, n_rois + 1))


def roi_connectome_sidecar(
    provenance: Provenance, peaks_mm: Sequence[Sequence[float]], geometry: RoiGeometry
) -> dict[str, Any]:
    """Build the sidecar of the ROI x ROI connectome of a session.

    Parameters
    ----------
    provenance : Provenance
    peaks_mm : sequence of (float, float, float)
        Position of the largest weight of each ROI.
    geometry : RoiGeometry
        Of the same ROIs.

    Returns
    -------
    dict
        JSON values; the fields of giga_connectome and of the BIDS extension proposal 17 come first.
    """
    table = load_table("outputs.json")
    fields: dict[str, Any] = table["roi_connectome"]
    content = statmap_sidecar(provenance, None, "connectome") | fields
    n_runs = len(provenance.runs)
    content["DeepTaskGen"]["RoiConnectome"] = {
        "RoiSet": {"Name": provenance.card.roi_set, "Sha256": provenance.card.sha256[ROIS]},
        "Rois": [
            {
                "Name": name,
                "PeakMm": list(peak),
                "CentroidMm": [round(value, 2) for value in centroid],
                "SpreadMm": round(spread, 2),
            }
            for name, peak, centroid, spread in zip(
                roi_names(len(peaks_mm)),
                peaks_mm,
                geometry.centroids_mm.tolist(),
                geometry.spreads_mm.tolist(),
                strict=True,
            )
        ],
        "SpreadDescription": _SPREAD,
        "PooledRuns": n_runs,
        "Pooling": "mean over runs, weighted by their numbers of volumes" if n_runs > 1 else "none",
    }
    if not provenance.card.for_science:
        content["Description"] = f"{fields['Description']} {provenance.card.notice}".rstrip()
    return content


def write_roi_connectome(path: Path, matrix: Matrix, sidecar: Mapping[str, Any]) -> None:
    """Write the ROI x ROI connectome of a session, and its sidecar.

    Parameters
    ----------
    path : Path
        Path of the ``.tsv`` file.
    matrix : array of shape (n_rois, n_rois)
        Pearson r; NaN becomes ``n/a``.
    sidecar : dict
        From `roi_connectome_sidecar`.
    """
    columns = zip(roi_names(len(matrix)), matrix.T.tolist(), strict=True)
    write_tsv(path, dict(columns))
    write_json(sidecar_path(path), sidecar)


def read_roi_connectome(path: Path) -> RoiConnectome:
    """Read the ROI x ROI connectome of a session.

    Parameters
    ----------
    path : Path
        ``*_meas-PearsonCorrelation_relmat.tsv``, with its sidecar.

    Returns
    -------
    RoiConnectome

    Raises
    ------
    InputError
        If the table or its sidecar is missing or damaged.
    """
    matrix = read_roi_matrix(path)
    content = read_json(sidecar_path(path))
    try:
        facts = content["DeepTaskGen"]["RoiConnectome"]
        connectome = RoiConnectome(
            names=tuple(str(roi["Name"]) for roi in facts["Rois"]),
            matrix=matrix,
            peaks_mm=np.array([roi["PeakMm"] for roi in facts["Rois"]], float).reshape(-1, 3),
            roi_set=str(facts["RoiSet"]["Sha256"]),
            settings_hash=str(content["DeepTaskGen"]["SettingsHash"]),
            n_runs=int(facts["PooledRuns"]),
            geometry=_read_geometry(facts["Rois"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        message = (
            f"{sidecar_path(path)}: does not describe an ROI connectome ({type(error).__name__}: {error}).\n"
            f"{_REMEDY}"
        )
        raise InputError(message) from error
    if len(matrix) != len(connectome.names):
        message = (
            f"{path}: has {len(matrix)} rows, but its JSON describes {len(connectome.names)} ROIs.\n{_REMEDY}"
        )
        raise InputError(message)
    return connectome


def _read_geometry(rois: Sequence[Mapping[str, Any]]) -> RoiGeometry | None:
    if not all("CentroidMm" in roi and "SpreadMm" in roi for roi in rois):
        return None
    centroids = np.array([roi["CentroidMm"] for roi in rois], float).reshape(-1, 3)
    return RoiGeometry(centroids, np.array([roi["SpreadMm"] for roi in rois], float))


def read_roi_matrix(path: Path) -> NDArray[np.float64]:
    r"""Read the matrix of an ROI x ROI connectome, with or without its sidecar.

    Parameters
    ----------
    path : Path
        TSV with a row and a column for each ROI, under the names of the ROIs.

    Returns
    -------
    array of shape (n_rois, n_rois)
        Pearson r; NaN for ROIs without signal.

    Raises
    ------
    InputError
        If the file cannot be read, or is not a symmetric table of correlations.

    Examples
    --------
    >>> path = folder / "sub-01_task-rest_meas-PearsonCorrelation_relmat.tsv"
    >>> _ = path.write_text("roi1\troi2\n1\t0.5\n0.5\t1\n")
    >>> read_roi_matrix(path)
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    table = read_number_table(path)
    if table.problems:
        name, problem = next(iter(table.problems.items()))
        message = f"{path}, column {name}: {problem}.\n{_REMEDY}"
        raise InputError(message)
    if table.n_rows != len(table.columns):
        message = (
            f"{path}: has {table.n_rows} rows and {len(table.columns)} columns; it must be square.\n{_REMEDY}"
        )
        raise InputError(message)
    matrix = np.column_stack(list(table.columns.values()))
    is_symmetric = np.allclose(matrix, matrix.T, rtol=0, atol=1e-5, equal_nan=True)
    if not is_symmetric or (np.abs(matrix) > 1 + 1e-5).any():
        message = f"{path}: is not a symmetric table of correlations from -1 to 1.\n{_REMEDY}"
        raise InputError(message)
    return matrix
