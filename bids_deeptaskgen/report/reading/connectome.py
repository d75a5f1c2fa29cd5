"""Connectome and coverage of ROIs of a session, for its page."""

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.roi_connectome import read_roi_connectome
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
    connectome, images = read_roi_connectome(path), sources.images
    peaks = [", ".join(f"{value:.0f}" for value in peak) for peak in connectome.peaks_mm]
    return ConnectomeContent(
        roi_names=[f"{name} ({peak} mm)" for name, peak in zip(connectome.names, peaks, strict=True)],
        matrix=connectome.matrix,
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
