"""Connectome and coverage of ROIs of a session, for its page."""

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.roi_connectome_files import read_roi_connectome
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.report.participant_content import ConnectomeContent
from bids_deeptaskgen.report.reading.sources import SessionSources


def read_connectome(sources: SessionSources) -> ConnectomeContent | None:
    """Read the ROI-by-ROI connectome and the correlation maps of the ROIs.

    Parameters
    ----------
    sources : SessionSources

    Returns
    -------
    ConnectomeContent or None
        None if the session has no connectome file, as in datasets of earlier versions.
    """
    path = sources.path("roi_connectome")
    if not path.is_file():
        return None
    matrix = read_roi_connectome(path)
    images = sources.images
    return ConnectomeContent(
        roi_names=_roi_names(sources, len(matrix)),
        matrix=matrix,
        maps=None if images is None else images.roi_maps,
    )


def read_roi_coverage(sources: SessionSources) -> NDArray[np.float64] | None:
    """Read the share of the weight of each ROI map on voxels with signal.

    Parameters
    ----------
    sources : SessionSources

    Returns
    -------
    array of shape (n_rois,) or None
        None without the table.
    """
    rows = sources.rows("qc_rois")
    return np.array([float(row["coverage"]) for row in rows]) if rows else None


def _roi_names(sources: SessionSources, n_rois: int) -> list[str]:
    """Name ROIs by number and the position of their peak, from the sidecar of the connectome."""
    path = sidecar_path(sources.path("roi_connectome"))
    rois = read_json(path).get("Rois", []) if path.is_file() else []
    if len(rois) != n_rois:
        return [f"ROI {number}" for number in range(1, n_rois + 1)]
    return [str(roi.get("Description", roi.get("Name", ""))) for roi in rois]
