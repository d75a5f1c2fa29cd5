"""What is read of a set before its maps: tables, connectomes, FD, and the rows of maps."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.bids.output.roi_parcels import RoiParcels, read_roi_parcels
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.group.contrast_statistics import Request
from bids_deeptaskgen.group.design.plan import DesignPlan
from bids_deeptaskgen.group.differences import plan_differences
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.group.individuality import (
    CompleteSessions,
    find_complete_sessions,
    sample_participants,
)
from bids_deeptaskgen.group.map_rows import RowPlan, plan_rows
from bids_deeptaskgen.group.pairs import list_pairs
from bids_deeptaskgen.group.participant_table import (
    FD,
    average_metric,
    join_session_rows,
    read_participant_rows,
)
from bids_deeptaskgen.group.qc_fc import select_fd
from bids_deeptaskgen.group.regions.plan import RegionPlan, plan_regions
from bids_deeptaskgen.group.roi_connectomes import GroupConnectome, average_connectomes
from bids_deeptaskgen.settings.flags import with_flags
from bids_deeptaskgen.settings.group import GroupSettings

logger = logging.getLogger("bids_deeptaskgen")


@dataclass(frozen=True)
class PreparedSet:
    """Set of maps with its tables.

    Attributes
    ----------
    group_set : GroupSet
    connectome : GroupConnectome or None
        None if no session has a usable ROI x ROI connectome.
    table : sequence of dict
        Joined table of the sessions and runs.
    fd_mm : dict of str to float
        Mean FD by participant; NaN where unknown.
    fd_remark : str
        Why the relation to FD is not computed, or for whom FD is unknown; may be empty.
    plan : RowPlan
    request : Request
    complete : CompleteSessions or None
        Sessions for the reliability of ROIs.
    parcels : RoiParcels or None
    design : DesignPlan or None
        None if no tests are requested or possible.
    design_error : UserError or None
        Why the requested tests are not possible in this set.
    regions : RegionPlan or None
        Atlases of the ROI tables; None if no regions are requested.
    """

    group_set: GroupSet
    connectome: GroupConnectome | None
    table: Sequence[Mapping[str, Any]]
    fd_mm: Mapping[str, float]
    fd_remark: str
    plan: RowPlan
    request: Request
    complete: CompleteSessions | None
    parcels: RoiParcels | None
    design: DesignPlan | None
    design_error: UserError | None = None
    regions: RegionPlan | None = None

    @property
    def design_refusal(self) -> str:
        """Return why the requested tests are not possible; empty otherwise."""
        return str(self.design_error or "")


def prepare_set(
    settings: GroupSettings, group_set: GroupSet, rng: np.random.Generator, labels: Sequence[str] = ()
) -> PreparedSet:
    """Read the tables and connectomes of a set, and plan the rows of its maps.

    Parameters
    ----------
    settings : GroupSettings
    group_set : GroupSet
    rng : Generator
        Source of samples of many participants.
    labels : sequence of str
        Requested contrasts; empty for all.

    Returns
    -------
    PreparedSet

    Raises
    ------
    InputError
        If a table or an atlas cannot be read.
    UserError
        If an atlas cannot be fetched.
    """
    output, results = settings.output_dir, group_set.results
    regions = plan_regions(settings, group_set, labels)
    connectome = average_connectomes(output, results)
    by_participant = read_participant_rows(output, set(group_set.participants))
    table = join_session_rows(results, by_participant, connectome.typicality if connectome else {})
    fd_mm = average_metric(results, FD)
    plan = plan_rows(results)
    fd, fd_remark = select_fd(plan.participants, fd_mm)
    complete = find_complete_sessions(plan)
    design, design_error = _plan_tests(settings, table, plan.participants)
    parcels = _read_parcels(output, connectome.roi_set) if complete and connectome else None
    request = Request(
        n_participants=len(plan.participants),
        fd_mm=fd,
        sample=sample_participants(len(plan.participants), rng),
        pairs=list_pairs(plan, rng),
        parcels=parcels.labels if parcels else None,
    )
    return PreparedSet(
        group_set=group_set,
        connectome=connectome,
        table=table,
        fd_mm=fd_mm,
        fd_remark=fd_remark,
        plan=plan,
        request=request,
        complete=complete,
        parcels=parcels,
        design=design,
        design_error=design_error,
        regions=regions,
    )


def check_designs(prepared_sets: Sequence[PreparedSet]) -> None:
    """Refuse a design that no set can test, and warn of the sets that cannot test it.

    Parameters
    ----------
    prepared_sets : sequence of PreparedSet

    Raises
    ------
    UserError
        If tests are requested and no set can be tested.
    """
    errors = {item.group_set.name: item.design_error for item in prepared_sets if item.design_error}
    if errors and len(errors) == len(prepared_sets):
        if len(set(map(str, errors.values()))) == 1:
            raise next(iter(errors.values()))
        raise UserError(" ".join(f"{name}: {error}" for name, error in errors.items()))
    for name, error in errors.items():
        logger.warning("%s: the design is not tested in this set: %s", name, with_flags(str(error)))


def _plan_tests(
    settings: GroupSettings, table: Sequence[Mapping[str, Any]], participants: Collection[str]
) -> tuple[DesignPlan | None, UserError | None]:
    """Plan the tests, or return why they are not possible: other sets may be large enough."""
    try:
        return plan_differences(settings, table, participants), None
    except UserError as error:
        return None, error


def _read_parcels(output: Path, roi_set: str) -> RoiParcels | None:
    """Read the parcels; only the reliability of ROIs depends on them."""
    try:
        return read_roi_parcels(output, roi_set)
    except InputError as error:
        logger.warning("%s ICC(3,1) is not computed.", error)
        return None
