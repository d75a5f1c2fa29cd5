"""Writer of model bundles."""

import errno
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.typicality import ConnectomeDistribution
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import MODEL_GRID, Array
from bids_deeptaskgen.io.atomic import remove_stale_siblings, replace_folder, temporary_sibling
from bids_deeptaskgen.io.checksum import file_sha256
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.models.bundle import (
    BRAIN_MASK,
    FILES,
    MEAN_STATMAPS,
    OUTPUT_MASK,
    ROIS,
    WEIGHTS,
    Bundle,
    load_bundle,
)
from bids_deeptaskgen.models.card import Card, card_text
from bids_deeptaskgen.models.roi_connectomes import ROI_CONNECTOMES, save_distribution

_REFUSAL = "{}: exists already. Choose another folder, or remove it first."


def save_bundle(
    folder: Path,
    card: Card,
    weights: Mapping[str, NDArray[Any]],
    rois: Array | Path,
    masks: tuple[NDArray[Any] | Path, NDArray[Any] | Path],
    *,
    mean_statmaps: Array | None = None,
    roi_connectomes: ConnectomeDistribution | None = None,
    overwrite: bool = False,
) -> Bundle:
    """Write a bundle atomically and load it.

    Parameters
    ----------
    folder : Path
        Folder of the bundle; must not exist unless `overwrite` is True.
    card : Card
        Its hashes are replaced by those of the files.
    weights : mapping of str to array
        State of the network under the published names, or arrays of a ridge model.
    rois : array of shape (n_rois, 76, 93, 78), or Path
        ROI maps on the model grid, or the file of another bundle. The file is copied unchanged, because
        connectomes refer to its hash.
    masks : tuple of two arrays of shape (76, 93, 78), or of Path
        Brain mask and output mask, or their files.
    mean_statmaps : array of shape (n_contrasts, 76, 93, 78), or None
        Mean measured maps of the training and validation participants; required if the card has a
        calibration, and for a ridge model.
    roi_connectomes : ConnectomeDistribution or None
        Distribution of the training participants' ROI-by-ROI connectomes.
    overwrite : bool
        Whether to replace an existing bundle after the new one is complete.

    Returns
    -------
    Bundle

    Raises
    ------
    UserError
        If the folder exists and is not a bundle or `overwrite` is False, or if the parts do not fit each
        other. No files remain then.
    OSError
        If files cannot be written. No files remain then.
    """
    if folder.exists() and overwrite and not (folder / "card.json").is_file():
        message = f"{folder}: exists and is not a model bundle. Choose another folder."
        raise UserError(message)
    if folder.exists() and not overwrite:
        raise UserError(_REFUSAL.format(folder))
    remove_stale_siblings(folder)
    temporary = temporary_sibling(folder, "new")
    try:
        temporary.mkdir(parents=True)
        names = _write_parts(temporary, weights, rois, masks)
        if mean_statmaps is not None:
            save_nifti(temporary / MEAN_STATMAPS, np.moveaxis(mean_statmaps, 0, 3), MODEL_GRID.matrix)
            names.append(MEAN_STATMAPS)
        if roi_connectomes is not None:
            save_distribution(temporary / ROI_CONNECTOMES, roi_connectomes)
            names.append(ROI_CONNECTOMES)
        card = replace(card, sha256={name: file_sha256(temporary / name) for name in names})
        (temporary / "card.json").write_text(card_text(card), "utf-8")
        bundle = load_bundle(temporary)
        if overwrite:
            replace_folder(temporary, folder)
        else:
            temporary.rename(folder)
    except OSError as error:
        # Another process may have written the folder meanwhile.
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise UserError(_REFUSAL.format(folder)) from error
        # A failed write names no file, or one that no longer exists.
        error.filename, error.filename2 = str(folder), None
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return replace(bundle, folder=folder)


def _write_parts(
    folder: Path,
    weights: Mapping[str, NDArray[Any]],
    rois: Array | Path,
    masks: tuple[NDArray[Any] | Path, NDArray[Any] | Path],
) -> list[str]:
    """Write the parts that each bundle has; return their names."""
    from safetensors.numpy import save

    affine = MODEL_GRID.matrix
    state = {key: np.asarray(value, order="C") for key, value in weights.items()}
    (folder / WEIGHTS).write_bytes(save(state))  # save_file ignores the umask
    for name, part in zip((ROIS, BRAIN_MASK, OUTPUT_MASK), (rois, *masks), strict=True):
        if isinstance(part, Path):
            shutil.copyfile(part, folder / name)
        elif name == ROIS:
            save_nifti(folder / name, np.moveaxis(part, 0, 3), affine)
        else:
            save_nifti(folder / name, np.asarray(part) != 0, affine, dtype=np.uint8)
    return list(FILES)
