"""Label images of functional ROIs. One sidecar and one table of names, in the folder above, are for all."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group.froi_plan import FroiPlan
from bids_deeptaskgen.group.group_set import GROUP_FOLDER
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import write_tsv


def write_region_names(root: Path, plan: FroiPlan) -> None:
    """Write the names of the regions, and the sidecar that all label images of a set inherit.

    Parameters
    ----------
    root : Path
        Root of the dataset, or of a folder with its layout.
    plan : FroiPlan
    """
    path = plan.group_set.path(root, "group_froi_regions", seg=plan.space.label)
    write_tsv(path, {"index": plan.space.numbers, "name": plan.space.names})
    write_json(sidecar_path(path), _describe(plan))


def froi_image_path(root: Path, plan: FroiPlan, result: Result, contrast: str) -> Path:
    """Return the path of the label image of a session or run.

    Parameters
    ----------
    root : Path
        Root of the dataset, or of a folder with its layout.
    plan : FroiPlan
    result : Result
    contrast : str
        Label of the contrast.

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
        seg=plan.space.label,
        contrast=contrast,
    )
    return root / plan.group_set.folder / path.relative_to(root / GROUP_FOLDER)


def write_froi_image(path: Path, plan: FroiPlan, selection: NDArray[np.bool_]) -> None:
    """Write the functional ROIs of a map: the number of the region, 0 elsewhere.

    Parameters
    ----------
    path : Path
    plan : FroiPlan
    selection : boolean array of shape (n_members,)
        Members of the search space in a functional ROI.
    """
    numbers = plan.space.member_numbers[selection]
    dtype = np.int16 if max(plan.space.numbers) <= np.iinfo(np.int16).max else np.int32
    # In the order of the file, which is several times as fast as in C order.
    labels = np.zeros(OUTPUT_GRID.shape, dtype, order="F")
    labels[tuple(plan.space.indices[selection].T)] = numbers
    save_nifti(path, labels, OUTPUT_GRID.matrix, dtype=dtype)


def _describe(plan: FroiPlan) -> dict[str, Any]:
    table = load_table("outputs.json")
    space, provenance = plan.space, plan.group_set.provenance
    return {
        "Description": f"{table['descriptions']['froi']} The value is the number of the region.",
        **table["space"],
        "DeepTaskGen": {
            "Model": provenance.get("Model", {}),
            "SettingsHash": plan.group_set.settings_hash,
            "SearchSpace": {"Label": space.label, "Source": Path(space.source).name, "Sha256": space.sha256},
            "PercentOfRegion": plan.percent,
        },
        "index": {"Description": "Number of the region in the search space, the value in the images."},
        "name": {"Description": "Name of the region."},
    }
