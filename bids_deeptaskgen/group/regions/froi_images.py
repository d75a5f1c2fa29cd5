"""Label images of functional ROIs. One sidecar and one table of names, in the folder above, are for all."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.cohort_store.regions.search_space import SearchSpace
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group.group_set import GROUP_FOLDER, GroupSet
from bids_deeptaskgen.group.regions.froi_plan import FroiPlan
from bids_deeptaskgen.group.regions.roi_tables import describe_atlas, describe_maps
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import write_tsv


def write_region_names(root: Path, plan: FroiPlan, group_set: GroupSet) -> None:
    """Write the names of the regions, and the sidecar that all label images of a set inherit.

    Parameters
    ----------
    root : Path
        Root of the dataset, or of a folder with its layout.
    plan : FroiPlan
    group_set : GroupSet
    """
    path = group_set.path(root, "group_froi_regions", seg=plan.space.label)
    write_tsv(path, {"index": plan.space.numbers, "name": plan.space.names})
    table = load_table("outputs.json")
    content = {
        "Description": f"{table['descriptions']['froi']} The value is the number of the region.",
        "TaskName": group_set.task,
        **table["space"],
        "DeepTaskGen": describe_frois(plan, group_set),
        "index": {"Description": "Number of the region in the search space, the value in the images."},
        "name": {"Description": "Name of the region."},
    }
    write_json(sidecar_path(path), content)


def describe_frois(plan: FroiPlan, group_set: GroupSet) -> dict[str, Any]:
    """Describe the maps and the search space, for sidecars.

    Parameters
    ----------
    plan : FroiPlan
    group_set : GroupSet

    Returns
    -------
    dict
        JSON values.
    """
    return {
        **describe_maps(group_set),
        "Atlas": describe_atlas(plan.atlas),
        "Regions": list(plan.space.numbers),
        "PercentOfRegion": plan.percent,
    }


def froi_image_path(root: Path, group_set: GroupSet, result: Result, *, seg: str, contrast: str) -> Path:
    """Return the path of the label image of a session or run.

    Parameters
    ----------
    root : Path
        Root of the dataset, or of a folder with its layout.
    group_set : GroupSet
    result : Result
    seg, contrast : str
        Labels of the atlas and the contrast.

    Returns
    -------
    Path
    """
    path = output_path(
        root,
        "group_froi_image",
        subject=result.subject,
        session=result.session,
        entities=result.entities,
        seg=seg,
        contrast=contrast,
    )
    return root / group_set.folder / path.relative_to(root / GROUP_FOLDER)


def write_froi_image(path: Path, space: SearchSpace, selection: NDArray[np.bool_]) -> None:
    """Write the functional ROIs of a map: the number of the region, 0 elsewhere.

    Parameters
    ----------
    path : Path
    space : SearchSpace
    selection : boolean array of shape (n_members,)
        Members of the search space in a functional ROI.
    """
    numbers = space.member_numbers[selection]
    dtype = np.int16 if max(space.numbers) <= np.iinfo(np.int16).max else np.int32
    # In the order of the file, which is several times as fast as in C order.
    labels = np.zeros(OUTPUT_GRID.shape, dtype, order="F")
    labels[tuple(space.indices[selection].T)] = numbers
    save_nifti(path, labels, OUTPUT_GRID.matrix, dtype=dtype)
