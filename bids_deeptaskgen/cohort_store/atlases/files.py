"""Files of atlases: checks of the file, its orientation and its space, and the labels of one volume."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bids_deeptaskgen.cohort_store.atlases.images import has_probabilities, read_labels
from bids_deeptaskgen.cohort_store.atlases.names import read_region_names
from bids_deeptaskgen.cohort_store.atlases.space import check_space
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.io.file_content import COPY_AGAIN
from bids_deeptaskgen.io.nifti_reader import NiftiImage, check_orientation, load_image
from bids_deeptaskgen.settings.paths import UnsuitablePathError, parse_path


class LabelFile(NamedTuple):
    """Labels of an atlas of one volume.

    Attributes
    ----------
    numbers : tuple of int
        Ascending.
    names : tuple of str
        See `read_region_names`.
    has_background : bool
        Whether some voxels have no label.
    """

    numbers: tuple[int, ...]
    names: tuple[str, ...]
    has_background: bool


@contextmanager
def atlas_errors() -> Iterator[None]:
    """Replace advice on results of preprocessing in errors of images; an atlas is none."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(COPY_AGAIN, "Copy it again from its source.")) from error


def atlas_path(text: str, parameter: str) -> Path:
    """Return the absolute path of an atlas.

    Parameters
    ----------
    text : str
        Path as users write it, such as ``~/atlas.nii.gz``.
    parameter : str
        Name of the option, for messages.

    Returns
    -------
    Path

    Raises
    ------
    UserError
        If the text is no path on this machine.
    """
    try:
        return parse_path(text)
    except UnsuitablePathError as reason:
        message = f"`{parameter}`: {text} {reason}"
    except ValueError:
        message = f"`{parameter}`: {text!r} is no path.\nGive the image of an atlas."
    raise UserError(message)


def open_atlas(path: Path, parameter: str) -> NiftiImage:
    """Open the image of an atlas.

    Parameters
    ----------
    path : Path
        Labels or probabilities; they are not read.
    parameter : str
        Name of the option, for messages.

    Returns
    -------
    NiftiImage

    Raises
    ------
    InputError
        If the file cannot be read, has no certain orientation, or is in another space than the maps.
    """
    if path.is_dir():
        message = f"{path}: is a folder.\nGive `{parameter}` the image of an atlas."
        raise InputError(message)
    if path.is_file() and path.stat().st_size == 0:
        message = f"{path}: is empty (0 bytes), perhaps a download that failed.\nCopy it again."
        raise InputError(message)
    with atlas_errors():
        image = load_image(path)
        check_orientation(path, image.header)
        check_space(path, image.grid, parameter)
    return image


def read_label_file(path: Path, parameter: str) -> LabelFile:
    """Read the labels of an atlas and their names.

    Parameters
    ----------
    path : Path
        Image of labels.
    parameter : str
        Name of the option, for messages.

    Returns
    -------
    LabelFile

    Raises
    ------
    InputError
        As `open_atlas`, and if the image has several volumes or values that are no labels.
    """
    image = open_atlas(path, parameter)
    if has_probabilities(path, image.header):
        message = (
            f"{path}: is not one volume of labels, but has probabilities or several volumes.\n"
            f"Give `{parameter}` an image of labels."
        )
        raise InputError(message)
    with atlas_errors():
        labels = read_labels(path, image.header)
    numbers = tuple(np.unique(labels[labels > 0]).tolist())
    names = read_region_names(path, numbers, is_probabilistic=False)
    return LabelFile(numbers, names, has_background=bool((labels == 0).any()))
