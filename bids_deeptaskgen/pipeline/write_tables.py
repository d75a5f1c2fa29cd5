"""Tables of a session: quality, volumes, ROIs and ROI x ROI connectome; and the images of its page."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.quality_tables import (
    describe_columns,
    describe_rois,
    describe_volumes,
    quality_row,
    volume_columns,
)
from bids_deeptaskgen.bids.output.report_data import (
    SessionImages,
    load_session_images,
    save_session_images,
)
from bids_deeptaskgen.bids.output.roi_connectome import roi_connectome_sidecar, write_roi_connectome
from bids_deeptaskgen.bids.output.sidecars import Provenance
from bids_deeptaskgen.connectome.coverage import roi_peaks_mm
from bids_deeptaskgen.connectome.series_preview import RunPreview
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.pipeline.records import Record

logger = logging.getLogger("bids_deeptaskgen")

# Tables that need no images of the page.
_ALWAYS = ("qc_table", "qc_rois", "roi_connectome")


def table_files(
    context: RunContext, record: Record, *, has_images: bool, keeps_earlier: bool = False
) -> tuple[list[Path], list[Path]]:
    """List the files that `write_tables` writes, and those of an earlier run that are kept.

    Parameters
    ----------
    context : RunContext
    record : Record
    has_images : bool
        Whether this run made images for the page.
    keeps_earlier : bool
        Whether the images of an earlier run on the same input are kept, if this run made none.

    Returns
    -------
    tables : list of Path
        With sidecars.
    images : list of Path
        File of the images of the page; empty without it.
    """

    def exists(kind: str) -> bool:
        return has_images or (keeps_earlier and _path(context, record, kind).is_file())

    kinds = (*_ALWAYS, "qc_timeseries") if exists("qc_timeseries") else _ALWAYS
    tables = [_path(context, record, kind) for kind in kinds]
    images = [_path(context, record, "report_data")] if exists("report_data") else []
    return [file for path in tables for file in (path, sidecar_path(path))], images


def waiting_images(record: Record) -> Path:
    """Return the path of the images that wait with the connectome of a session.

    Parameters
    ----------
    record : Record
        Record of the first step.

    Returns
    -------
    Path
        Exists only if a page is requested.
    """
    return Path(record.connectome).with_suffix(".npz")


def load_waiting_images(record: Record) -> SessionImages | None:
    """Load the images that wait with the connectome of a session.

    Parameters
    ----------
    record : Record
        Record of the first step.

    Returns
    -------
    SessionImages or None
        None if no page is requested, or if the file is damaged: the maps do not depend on it.
    """
    path = waiting_images(record)
    if not path.is_file():
        return None
    try:
        return load_session_images(path)[0]
    except InputError as error:
        logger.warning(
            "%s: the page will lack the images of the series. %s To add them, re-run with `overwrite`.",
            record.name,
            str(error).partition("\n")[0],
        )
        return None


def write_tables(
    context: RunContext,
    record: Record,
    provenance: Provenance,
    metrics: Mapping[str, Any],
    facts: Mapping[str, Any],
    images: SessionImages | None,
) -> None:
    """Write the tables of a session, and the images of its page if there are any.

    Parameters
    ----------
    context : RunContext
    record : Record
        Record of the first step.
    provenance : Provenance
    metrics : dict
        Quality metrics of the session, including those of its maps.
    facts : dict
        Facts of the run for the page, which stand in the file of its images; JSON values.
    images : SessionImages or None
        Images of the page.
    """
    bundle = context.bundle
    flags = [str(flag["Name"]) for flag in record.facts["flags"]]
    row = quality_row(metrics, flags)
    _write(
        _path(context, record, "qc_table"),
        {name: [cell] for name, cell in row.items()},
        describe_columns(row),
    )
    coverage = record.facts["roi_coverage"]
    peaks_mm = roi_peaks_mm(bundle.roi_weights, bundle.brain_mask)
    rois = {"roi": list(range(1, len(coverage) + 1)), "coverage": coverage}
    _write(_path(context, record, "qc_rois"), rois, describe_rois(peaks_mm))
    write_roi_connectome(
        _path(context, record, "roi_connectome"),
        expand_pairs(record.facts["roi_connectome"], len(coverage)),
        roi_connectome_sidecar(provenance, peaks_mm, bundle.roi_geometry),
    )
    if images is not None:
        save_session_images(_path(context, record, "report_data"), images, facts)
        _write_volumes(_path(context, record, "qc_timeseries"), images.runs)


def _write_volumes(path: Path, runs: Sequence[RunPreview]) -> None:
    _write(path, volume_columns(runs), describe_volumes())


def _write(path: Path, columns: Mapping[str, Sequence[object]], sidecar: Mapping[str, Any]) -> None:
    write_tsv(path, columns)
    write_json(sidecar_path(path), sidecar)


def list_pairs(matrix: np.ndarray[Any, np.dtype[np.float64]]) -> list[float | None]:
    """List the correlations of all pairs of ROIs as JSON values.

    Parameters
    ----------
    matrix : array of shape (n_rois, n_rois)
        Symmetric.

    Returns
    -------
    list of float or None
        Upper triangle, row by row, with six digits; None where undefined.
    """
    pairs = matrix[np.triu_indices(len(matrix), 1)].tolist()
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in pairs]


def expand_pairs(pairs: Sequence[float | None], n_rois: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Convert the result of `list_pairs` to a matrix.

    Parameters
    ----------
    pairs : sequence of float or None
    n_rois : int

    Returns
    -------
    array of shape (n_rois, n_rois)
        1 on the diagonal, NaN where undefined.

    Examples
    --------
    >>> expand_pairs([0.5], 2).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    matrix = np.zeros((n_rois, n_rois))
    matrix[np.triu_indices(n_rois, 1)] = np.array(pairs, float)
    matrix += matrix.T
    np.fill_diagonal(matrix, 1)
    return matrix


def _path(context: RunContext, record: Record, kind: str) -> Path:
    return output_path(
        context.settings.output_dir,
        kind,
        subject=record.subject,
        session=record.session,
        entities=record.entities,
    )
