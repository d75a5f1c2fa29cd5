"""Mask of the predicted maps at the root of a dataset: the voxels that the model predicts.

The name of the file has the first digits of the hash of the model's mask, so that a dataset can hold the
masks of several models.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID, model_to_output
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_reader import load_image
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.models.bundle import OUTPUT_MASK, Bundle

_N_DIGITS = 8
_REMEDY = "Repeat the participant level with the same settings, which writes it and keeps finished maps."


def output_mask_path(output_dir: Path, sha256: str) -> Path:
    """Return the path of the mask.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    sha256 : str
        Hash of the model's output mask.

    Returns
    -------
    Path

    Examples
    --------
    >>> output_mask_path(Path(), "0a1b2c3d" + 56 * "0").name
    'space-MNI152NLin6Asym_res-2_label-0a1b2c3d_desc-output_mask.nii.gz'
    """
    return output_path(output_dir, "output_mask", label=sha256[:_N_DIGITS])


def save_output_mask(output_dir: Path, bundle: Bundle, *, overwrite: bool = False) -> Path:
    """Save the mask of a model's maps, unless it exists.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    bundle : Bundle
    overwrite : bool
        Whether to replace existing files.

    Returns
    -------
    Path
        The image, with a JSON file of the same name.
    """
    sha256 = bundle.card.sha256[OUTPUT_MASK]
    path = output_mask_path(output_dir, sha256)
    if overwrite or not (path.is_file() and sidecar_path(path).is_file()):
        table = load_table("outputs.json")
        content = {
            "Description": table["descriptions"]["output"],
            "Type": "ROI",
            **table["space"],
            "DeepTaskGen": {"Model": bundle.card.name, "OutputMaskSha256": sha256},
        }
        save_nifti(path, model_to_output(bundle.output_mask), OUTPUT_GRID.matrix, dtype=np.uint8)
        write_json(sidecar_path(path), content)
    return path


def find_output_mask(output_dir: Path, provenance: Mapping[str, Any]) -> Path:
    """Find the mask of the maps of a dataset.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    provenance : dict
        ``DeepTaskGen`` of the sidecar of a map. Maps of earlier versions name no mask; then the dataset must
        have only one.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the dataset lacks the mask, or has several and the maps name none.
    """
    sha256 = provenance.get("Model", {}).get("OutputMaskSha256")
    path = output_mask_path(output_dir, str(sha256 or "*"))
    masks = sorted(path.parent.glob(path.name))
    if len(masks) != 1:
        problem = "does not exist" if not masks else f"stands for {len(masks)} files, and the maps name none"
        message = f"{path}: the mask of the maps {problem}.\n{_REMEDY}"
        raise InputError(message)
    return masks[0]


def read_output_mask(output_dir: Path, provenance: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Read the mask of the maps of a dataset.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    provenance : dict
        See `find_output_mask`.

    Returns
    -------
    boolean array of shape (91, 109, 91)
        On ``OUTPUT_GRID``.

    Raises
    ------
    InputError
        If the dataset lacks the mask, or the mask cannot be read or is on another grid.
    """
    path = find_output_mask(output_dir, provenance)
    image = load_image(path)
    if not image.grid.fits(OUTPUT_GRID):
        message = f"{path}: has {image.grid}, not the grid of the maps ({OUTPUT_GRID}). Delete it. {_REMEDY}"
        raise InputError(message)
    mask = image.values_on(OUTPUT_GRID) > 0
    if mask.ndim != len(OUTPUT_GRID.shape) or not mask.any():
        message = f"{path}: is not a mask: it is 4-D or has no voxels. Delete it. {_REMEDY}"
        raise InputError(message)
    return np.asarray(mask)
