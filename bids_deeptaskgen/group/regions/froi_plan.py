"""Functional ROIs to compute for a set: search space, share of voxels, measured maps."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.measured_sessions import MeasuredSessions, find_measured_sessions
from bids_deeptaskgen.bids.output.contrast_entries import contrast_of
from bids_deeptaskgen.bids.output.results import ResultFault
from bids_deeptaskgen.cohort_store.atlases.atlas import Atlas
from bids_deeptaskgen.cohort_store.atlases.sources import load_atlas
from bids_deeptaskgen.cohort_store.regions.search_space import SearchSpace, make_search_space
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.settings.group import GroupSettings

# Bytes of an image without functional ROIs, and of a voxel in the functional ROIs of a map without any
# smoothness (10% of the brain); bytes of a row of both tables, as TSV and Parquet.
_IMAGE_BYTES = 2_000
_VOXEL_BYTES = 3
_ROW_BYTES = 250


@dataclass(frozen=True)
class FroiPlan:
    """Functional ROIs of a set.

    Attributes
    ----------
    atlas : Atlas
    space : SearchSpace
        Chosen regions of the atlas.
    percent : float
        Share of the voxels of a region in a functional ROI.
    measured : MeasuredSessions or None
        Measured maps to compare with.
    measured_error : InputError or None
        Why the requested measured maps cannot be compared; those of another set may be.
    """

    atlas: Atlas
    space: SearchSpace
    percent: float
    measured: MeasuredSessions | None = None
    measured_error: InputError | None = None


def check_froi_settings(settings: GroupSettings) -> None:
    """Refuse options of functional ROIs without a search space.

    Parameters
    ----------
    settings : GroupSettings

    Raises
    ------
    UserError
    """
    if settings.froi is not None:
        return
    is_default = settings.froi_percent == GroupSettings.froi_percent
    options = {
        "froi_labels": settings.froi_labels,
        "froi_percent": not is_default,
        "measured": settings.measured,
    }
    names = [f"`{name}`" for name, value in options.items() if value]
    if names:
        message = (
            f"{' and '.join(names)}: no search space of functional ROIs was given.\n"
            "Name an atlas or a mask with `froi`."
        )
        raise UserError(message)


def plan_frois(
    settings: GroupSettings, group_set: GroupSet, contrasts: Sequence[str], mask: NDArray[np.bool_]
) -> FroiPlan | None:
    """Load the search space of a set, and find the measured maps of its participants.

    Parameters
    ----------
    settings : GroupSettings
    group_set : GroupSet
    contrasts : sequence of str
        Labels.
    mask : boolean array of shape (91, 109, 91)
        Voxels of the maps, on ``OUTPUT_GRID``.

    Returns
    -------
    FroiPlan or None
        None if no functional ROIs are requested.

    Raises
    ------
    UserError
        If the atlas or a region does not exist, or the atlas is in another space or has probabilities.
    InputError
        If the atlas cannot be used.
    """
    check_froi_settings(settings)
    if settings.froi is None:
        return None
    output, atlas = settings.output_dir, load_atlas(settings.froi, mask, "froi")
    space = make_search_space(atlas, mask, settings.froi_labels)
    if settings.measured is None:
        return FroiPlan(atlas, space, settings.froi_percent)
    entries = [contrast_of(output, group_set.results, label)[0] for label in contrasts]
    try:
        measured = find_measured_sessions(settings.measured, entries, group_set.participants, mask)
    except InputError as error:
        return FroiPlan(atlas, space, settings.froi_percent, measured_error=error)
    return FroiPlan(atlas, space, settings.froi_percent, measured)


def froi_bytes(plan: FroiPlan) -> int:
    """Estimate the size of the label image and of the rows in tables of a map.

    Parameters
    ----------
    plan : FroiPlan

    Returns
    -------
    int
    """
    n_voxels = plan.percent / 100 * len(plan.space.voxels)
    name_bytes = sum(len(name.encode()) for name in plan.space.names)
    return int(_IMAGE_BYTES + _VOXEL_BYTES * n_voxels + _ROW_BYTES * len(plan.space.names) + 2 * name_bytes)


@dataclass(frozen=True)
class SetMaps:
    """Maps of a set from which functional ROIs are computed.

    Attributes
    ----------
    output : Path
        Root of the dataset.
    group_set : GroupSet
        Its results are the sessions and runs with usable maps; those of a participant follow each other.
    contrasts : sequence of str
        Labels, in the order of the maps.
    mask : boolean array of shape (91, 109, 91)
        Voxels of the maps, on ``OUTPUT_GRID``.
    known_faults : collection of ResultFault
        Maps that the statistics could not use.
    """

    output: Path
    group_set: GroupSet
    contrasts: Sequence[str]
    mask: NDArray[np.bool_]
    known_faults: Collection[ResultFault] = ()
