"""Parcellation of the example pipeline: one of junifer, or an image of labels that a module registers."""

import re
from pathlib import Path
from typing import NamedTuple

from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.cohort_store.atlases.files import atlas_path, read_label_file
from bids_deeptaskgen.cohort_store.atlases.names import image_stem
from bids_deeptaskgen.errors import InputError

# Shipped with junifer's data, which it downloads at the first use.
DEFAULT = "Schaefer100x7"
MODULE = "parcellation.py"
_ENDINGS = (".nii.gz", ".nii")


class Parcellation(NamedTuple):
    """Parcellation of junifer.

    Attributes
    ----------
    name : str
        Name in junifer.
    path : Path or None
        Image of labels to register; None for a parcellation that junifer has.
    labels : tuple of str
        Names of the labels of the image, in the order of their values.
    """

    name: str
    path: Path | None = None
    labels: tuple[str, ...] = ()

    @property
    def module(self) -> str | None:
        """Return the name of the module that registers the image, None without an image."""
        return MODULE if self.path else None


def choose_parcellation(output_dir: Path, request: str | None) -> Parcellation:
    """Return the parcellation of the example.

    Parameters
    ----------
    output_dir : Path
        Root of the output dataset.
    request : str or None
        Name in junifer, or path of an image of labels; None for the parcels of the model's ROI maps, if the
        dataset has those of one model, and otherwise `DEFAULT`.

    Returns
    -------
    Parcellation

    Raises
    ------
    UserError
        If the path is not one of this machine.
    InputError
        If the image is no image of labels in the space of the maps, or has no background.
    """
    if request is None:
        pattern = output_path(output_dir, "roi_parcels", seg="*")
        images = sorted(pattern.parent.glob(pattern.name))
        return _read_parcellation(images[0]) if len(images) == 1 else Parcellation(DEFAULT)
    if request.endswith(_ENDINGS) or "/" in request:
        return _read_parcellation(atlas_path(request, "parcellation"))
    return Parcellation(request)


def _read_parcellation(path: Path) -> Parcellation:
    if not path.exists() and not path.is_symlink():
        message = f"`parcellation` {path}: no such file. Correct the path, or name a parcellation of junifer."
        raise InputError(message)
    label_file = read_label_file(path, "parcellation")
    if not label_file.has_background:
        message = f"{path}: has no background (label 0), which junifer requires.\nSet some voxels to 0."
        raise InputError(message)
    stem = image_stem(path.name)
    segment = re.search(r"_seg-([0-9A-Za-z]+)_.*desc-rois", stem)
    name = f"ROIs{segment[1]}" if segment else re.sub(r"[^0-9A-Za-z]+", "_", stem)
    return Parcellation(name, path, label_file.names)


def module_text(parcellation: Parcellation) -> str:
    """Return the module that registers an image of labels.

    Parameters
    ----------
    parcellation : Parcellation

    Returns
    -------
    str
        Python code, which junifer imports.
    """
    labels = "".join(f"    {label!r},\n" for label in parcellation.labels)
    return f'''"""Register the parcellation of the pipeline. junifer imports this file (key "with")."""

from junifer.data import register_data

LABELS = [
{labels}]
register_data(
    kind="parcellation",
    name={parcellation.name!r},
    parcellation_path={str(parcellation.path)!r},
    parcels_labels=LABELS,
    space="MNI152NLin6Asym",
    overwrite=True,
)
'''
