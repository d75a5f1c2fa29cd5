"""ROI x ROI connectome of a session: a table with one row and column for each ROI, and its sidecar.

The table has the format of giga_connectome: names of the ROIs in the first line, then the full matrix.
`group`, `biomarkers` and comparisons between participants read it with `read_roi_connectome`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.sidecars import Provenance, statmap_sidecar
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.io.tsv import read_tsv, write_tsv
from bids_deeptaskgen.models.bundle import ROIS

Matrix = NDArray[np.float64]


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
    """

    names: tuple[str, ...]
    matrix: Matrix
    peaks_mm: Matrix
    roi_set: str
    settings_hash: str
    n_runs: int


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


def roi_connectome_sidecar(provenance: Provenance, peaks_mm: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Build the sidecar of the ROI x ROI connectome of a session.

    Parameters
    ----------
    provenance : Provenance
    peaks_mm : sequence of (float, float, float)
        Position of the largest weight of each ROI.

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
            {"Name": name, "PeakMm": list(peak)}
            for name, peak in zip(roi_names(len(peaks_mm)), peaks_mm, strict=True)
        ],
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
    rows = read_tsv(path)
    content = read_json(sidecar_path(path))
    try:
        names = tuple(rows[0])
        matrix = np.array([[_number(row[name]) for name in names] for row in rows])
        facts = content["DeepTaskGen"]["RoiConnectome"]
        peaks_mm = np.array([roi["PeakMm"] for roi in facts["Rois"]], float).reshape(-1, 3)
        connectome = RoiConnectome(
            names, matrix, peaks_mm, str(facts["RoiSet"]["Sha256"]),
            str(content["DeepTaskGen"]["SettingsHash"]), int(facts["PooledRuns"]),
        )  # fmt: skip
    except (IndexError, KeyError, TypeError, ValueError, json.JSONDecodeError) as error:
        message = f"{path}: is no ROI connectome ({type(error).__name__}: {error}).\nRe-run this participant."
        raise InputError(message) from error
    if matrix.shape != (len(names), len(names)) or len(peaks_mm) != len(names):
        message = (
            f"{path}: has {len(rows)} rows and {len(names)} columns for {len(peaks_mm)} ROIs.\n"
            "Re-run this participant."
        )
        raise InputError(message)
    return connectome


def _number(cell: str) -> float:
    return np.nan if cell == "n/a" else float(cell)
