"""Regions of a set: atlases and search spaces, loaded before anything is computed."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.output_mask import read_output_mask
from bids_deeptaskgen.cohort_store.atlases.atlas import Atlas
from bids_deeptaskgen.cohort_store.atlases.sources import load_atlases
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.group.regions.froi_images import froi_image_path
from bids_deeptaskgen.group.regions.froi_plan import FroiPlan, check_froi_settings, froi_bytes, plan_frois
from bids_deeptaskgen.group.selection import restrict_contrasts
from bids_deeptaskgen.settings.flags import with_flags
from bids_deeptaskgen.settings.group import GroupSettings

logger = logging.getLogger("bids_deeptaskgen")

# Bytes of a row: numbers and tabs of the TSV (at most), and the Parquet file; labels are added.
_NUMBER_BYTES = 60
_PARQUET_BYTES = 20
# File systems allow 255; names of temporary files are up to 60 longer, and .parquet is longer than .tsv.
_MAX_NAME_BYTES = 190
_FROI_KINDS = ("group_frois", "group_froi_overlap", "group_froi_contrasts", "group_froi_regions")


@dataclass(frozen=True)
class RegionPlan:
    """Mask and atlases of the maps of a set.

    Attributes
    ----------
    mask : boolean array of shape (91, 109, 91)
        Voxels of the maps, on ``OUTPUT_GRID``.
    atlases : tuple of Atlas
        Of the ROI tables.
    frois : FroiPlan or None
        Functional ROIs, if requested.
    """

    mask: NDArray[np.bool_]
    atlases: tuple[Atlas, ...] = ()
    frois: FroiPlan | None = None


def plan_regions(settings: GroupSettings, group_set: GroupSet, labels: Sequence[str]) -> RegionPlan | None:
    """Load the atlases of a set, and find the measured maps of its participants.

    Parameters
    ----------
    settings : GroupSettings
    group_set : GroupSet
    labels : sequence of str
        Requested contrasts; empty for all.

    Returns
    -------
    RegionPlan or None
        None if no regions are requested.

    Raises
    ------
    UserError
        If an atlas cannot be fetched, two have the same label, or a label is too long for file names.
    InputError
        If the dataset has no mask of the maps, or an atlas cannot be used.
    """
    check_froi_settings(settings)
    if not settings.atlas and settings.froi is None:
        return None
    mask = read_output_mask(settings.output_dir, group_set.provenance)
    atlases = load_atlases(settings.atlas, mask)
    contrasts = restrict_contrasts(group_set, labels)
    frois = plan_frois(settings, group_set, contrasts, mask)
    _refuse_long_labels(group_set, atlases, frois, contrasts)
    return RegionPlan(mask, atlases, frois)


def _refuse_long_labels(
    group_set: GroupSet, atlases: Sequence[Atlas], frois: FroiPlan | None, contrasts: Sequence[str]
) -> None:
    """Refuse atlases whose label makes a name of a file too long."""
    paths = [(atlas, group_set.path(Path(), "group_roi_values", seg=atlas.label)) for atlas in atlases]
    if frois is not None:
        label = frois.atlas.label
        paths += [(frois.atlas, group_set.path(Path(), kind, seg=label)) for kind in _FROI_KINDS]
        result = max(
            group_set.results, key=lambda item: sum(len(text or "") for text in item.row_labels.values())
        )
        contrast = max(contrasts, key=len, default="")
        image = froi_image_path(Path(), group_set, result, seg=label, contrast=contrast)
        paths.append((frois.atlas, image))
    for atlas, path in paths:
        n_bytes = len(path.name) - _MAX_NAME_BYTES
        if n_bytes > 0:
            message = (
                f"{atlas.source}: its label {atlas.label} makes names of files too long, by {n_bytes} "
                "characters.\nGive the image of the atlas a shorter name, or link to it."
            )
            raise UserError(message)


def check_measured(plans: Mapping[str, RegionPlan | None]) -> bool:
    """Refuse measured maps that fit no set, and warn of the sets that cannot be compared with them.

    Parameters
    ----------
    plans : dict of str to RegionPlan or None
        By name of the set.

    Returns
    -------
    bool
        Whether all sets can be compared, or none is requested to be.

    Raises
    ------
    InputError
        If measured maps are requested and no set can be compared with them.
    """
    frois = {name: plan.frois for name, plan in plans.items() if plan and plan.frois}
    errors = {name: plan.measured_error for name, plan in frois.items() if plan.measured_error}
    if errors and len(errors) == len(plans):
        if len(set(map(str, errors.values()))) == 1:
            raise next(iter(errors.values()))
        raise InputError(" ".join(f"{name}: {error}" for name, error in errors.items()))
    for name, error in errors.items():
        logger.warning(
            "%s: the functional ROIs of this set are not compared with measured maps: %s",
            name, with_flags(str(error)),
        )  # fmt: skip
    return not errors


def table_bytes(plan: RegionPlan | None, group_set: GroupSet, labels: Sequence[str]) -> int:
    """Estimate the size of ROI tables and functional ROIs of a set; it is rather too large than too small.

    Parameters
    ----------
    plan : RegionPlan or None
    group_set : GroupSet
    labels : sequence of str
        Requested contrasts; empty for all.

    Returns
    -------
    int
    """
    if plan is None:
        return 0
    contrasts = restrict_contrasts(group_set, labels)
    n_maps = len(group_set.results) * len(contrasts)
    label_bytes = sum(len(label) for label in contrasts) / max(len(contrasts), 1)
    row_labels = [value or "n/a" for value in group_set.results[0].row_labels.values()]
    row_bytes = label_bytes + sum(map(len, row_labels)) + _NUMBER_BYTES + _PARQUET_BYTES
    name_bytes = sum(len(name.encode()) for atlas in plan.atlases for name in atlas.names)
    n_regions = sum(len(atlas.names) for atlas in plan.atlases)
    n_froi_bytes = froi_bytes(plan.frois) if plan.frois else 0
    return int(n_maps * (n_regions * row_bytes + name_bytes + n_froi_bytes))
