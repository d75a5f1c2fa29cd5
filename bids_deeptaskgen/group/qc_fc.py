"""QC-FC: correlation of maps and of the ROI x ROI connectome with mean FD over participants.

Sources: Satterthwaite et al. 2012, NeuroImage 60:623; Ciric et al. 2017, NeuroImage 154:174.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import quantity
from bids_deeptaskgen.group.contrast_statistics import ContrastStatistics
from bids_deeptaskgen.group.roi_connectomes import GroupConnectome
from bids_deeptaskgen.report.group_content import CONNECTOME, QcFcRow
from bids_deeptaskgen.stats.qc_fc import correlate_columns, distance_dependence, summarise_qc_fc

Floats = NDArray[np.float64]

# The 95% interval of r = 0 is (-0.63, 0.63) with 10 participants, and wider with fewer.
MIN_PARTICIPANTS = 10
NO_FD = "No session has a mean FD (the confounds table lacks motion), so its relation to the maps is unknown."


@dataclass(frozen=True)
class EdgeRelation:
    """Relation of the ROI x ROI connectome to mean FD.

    Attributes
    ----------
    row : QcFcRow
    r : array of shape (n_pairs,)
        For the pairs of ROIs in the upper triangle.
    distances_mm : array of shape (n_pairs,) or None
        Between the centres of the ROIs; None for ROI maps that are not compact.
    distance_r : float or None
        Spearman correlation of `r` with the distance.
    remark : str
        Why there is no dependence on distance; empty otherwise.
    """

    row: QcFcRow
    r: Floats
    distances_mm: Floats | None
    distance_r: float | None
    remark: str


def select_fd(participants: Sequence[str], fd_mm: Mapping[str, float]) -> tuple[Floats | None, str]:
    """Select the mean FD of participants.

    Parameters
    ----------
    participants : sequence of str
        Labels.
    fd_mm : dict of str to float
        NaN where unknown.

    Returns
    -------
    values : array of shape (n_participants,) or None
        None if fewer than ``MIN_PARTICIPANTS`` have one, or all are equal.
    remark : str
        Why there is none, or of how many participants FD is unknown; may be empty.
    """
    values = np.array([fd_mm.get(label, np.nan) for label in participants])
    n_known = int(np.isfinite(values).sum())
    if not n_known:
        return None, NO_FD
    if n_known < MIN_PARTICIPANTS:
        return (
            None,
            f"{quantity(n_known, 'participant')} with a mean FD; at least {MIN_PARTICIPANTS} are needed.",
        )
    if not np.ptp(values[np.isfinite(values)]):
        return None, "All participants have the same mean FD."
    n_unknown = len(values) - n_known
    return values, f"{quantity(n_unknown, 'participant')} without FD not included." if n_unknown else ""


def fd_map(statistics: ContrastStatistics) -> NDArray[np.float32] | None:
    """Return the map of the correlation with mean FD.

    Parameters
    ----------
    statistics : ContrastStatistics

    Returns
    -------
    float32 array of the shape of a map, or None
        0 in voxels that fewer than ``MIN_PARTICIPANTS`` participants have; None if all are.
    """
    has_enough = statistics.fd_n >= MIN_PARTICIPANTS
    if not has_enough.any():
        return None
    return np.where(has_enough, np.nan_to_num(statistics.fd_r), 0).astype(np.float32)


def relate_maps(label: str, statistics: ContrastStatistics) -> QcFcRow:
    """Describe the relation of the maps of a contrast to mean FD.

    Parameters
    ----------
    label : str
    statistics : ContrastStatistics

    Returns
    -------
    QcFcRow
        Over the voxels that at least ``MIN_PARTICIPANTS`` participants have.
    """
    is_tested = (statistics.fd_n >= MIN_PARTICIPANTS) & np.isfinite(statistics.fd_r)
    return _row(label, statistics.fd_r[is_tested], statistics.fd_n[is_tested])


def relate_connectome(connectome: GroupConnectome, fd_mm: Mapping[str, float]) -> EdgeRelation | None:
    """Correlate the ROI x ROI connectome with mean FD.

    Parameters
    ----------
    connectome : GroupConnectome
    fd_mm : dict of str to float

    Returns
    -------
    EdgeRelation or None
        None if fewer than ``MIN_PARTICIPANTS`` participants have both.
    """
    fd, _ = select_fd(tuple(connectome.typicality), fd_mm)
    if fd is None:
        return None
    r, n = correlate_columns(fd, connectome.values)
    is_tested = np.isfinite(r) & (n >= MIN_PARTICIPANTS)
    row = _row(CONNECTOME, r[is_tested], n[is_tested])
    if connectome.centres_mm is None:
        return EdgeRelation(row, r, None, None, connectome.distance_remark)
    first, second = np.triu_indices(len(connectome.centres_mm), 1)
    distances = np.linalg.norm(connectome.centres_mm[first] - connectome.centres_mm[second], axis=1)
    return EdgeRelation(row, r, distances, distance_dependence(r, distances), "")


def _row(name: str, r: Floats, n: NDArray[np.integer]) -> QcFcRow:
    summary = summarise_qc_fc(r, n)
    return QcFcRow(
        name=name,
        n_participants=int(n.max(initial=0)),
        n_values=len(r),
        median_r=summary.median_r,
        median_abs_r=summary.median_abs_r,
        max_abs_r=summary.max_abs_r,
        share_p=summary.share_p,
        share_fdr=summary.share_fdr,
    )
