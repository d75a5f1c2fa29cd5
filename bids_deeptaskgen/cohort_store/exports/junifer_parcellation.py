"""Parcellation of the example pipeline: one of junifer, or an image of labels that a module registers."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.nifti_reader import load_image
from bids_deeptaskgen.io.tsv import read_tsv

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
    InputError
        If the image cannot be read, is no image of labels, or its table lacks a name.
    """
    if request is None:
        pattern = output_path(output_dir, "roi_parcels", seg="*")
        images = sorted(pattern.parent.glob(pattern.name))
        return _read_parcellation(images[0]) if len(images) == 1 else Parcellation(DEFAULT)
    if request.endswith(_ENDINGS) or "/" in request:
        return _read_parcellation(Path(request).expanduser().absolute())
    return Parcellation(request)


def _read_parcellation(path: Path) -> Parcellation:
    if not path.is_file():
        message = f"`parcellation` {path}: no such file. Correct the path, or name a parcellation of junifer."
        raise InputError(message)
    image = load_image(path)
    values = image.values()
    numbers = np.unique(np.nan_to_num(values))
    if values.ndim != 3 or (numbers != np.round(numbers)).any() or (numbers < 0).any() or len(numbers) < 2:
        message = f"{path}: is not one volume of labels (whole numbers, 0 for the background)."
        raise InputError(message)
    if numbers[0] != 0:
        message = f"{path}: has no background (label 0), which junifer requires.\nSet some voxels to 0."
        raise InputError(message)
    present_numbers = [int(number) for number in numbers if number]
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    names = {int(float(row["index"])): row["name"] for row in _name_rows(path.with_name(f"{stem}.tsv"))}
    nameless = [number for number in present_numbers if names and number not in names]
    if nameless:
        message = f"{path.with_name(f'{stem}.tsv')}: has no name of label {nameless[0]}.\nAdd a row."
        raise InputError(message)
    segment = re.search(r"_seg-([0-9A-Za-z]+)_.*desc-rois", stem)
    name = f"ROIs{segment[1]}" if segment else re.sub(r"[^0-9A-Za-z]+", "_", stem)
    labels = tuple(names.get(number, f"label{number}") for number in present_numbers)
    return Parcellation(name, path, labels)


def _name_rows(table: Path) -> list[dict[str, str]]:
    rows = read_tsv(table, missing_ok=True)
    if rows and not {"index", "name"} <= rows[0].keys():
        message = f"{table}: lacks the columns index and name."
        raise InputError(message)
    return rows


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
