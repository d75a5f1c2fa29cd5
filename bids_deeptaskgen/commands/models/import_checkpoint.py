"""Models: what one is, and how a published checkpoint becomes one."""

import hashlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.commands.models.info import describe
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import MODEL_GRID, unmask
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.bundle import Bundle, save_bundle
from bids_deeptaskgen.models.card import Card, CardGrid
from bids_deeptaskgen.models.contrasts import Contrast, contrast_label, load_contrasts
from bids_deeptaskgen.settings.fill import fill
from bids_deeptaskgen.settings.models import ModelsImportSettings

NUMBERED = "numbered"


def run(settings: ModelsImportSettings) -> int:
    """Make a bundle of a published checkpoint.

    Parameters
    ----------
    settings : ModelsImportSettings

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    UserError
        If checkpoint, ROI maps, mask and contrasts cannot be read or do not fit each other; nothing is
        written then.
    """
    bundle = make_bundle(
        settings.out,
        settings.checkpoint,
        settings.rois,
        settings.output_mask,
        lambda architecture: _imported_card(
            settings, architecture, choose_contrasts(settings.contrasts, architecture.out_channels)
        ),
    )
    sys.stdout.write(f"{settings.checkpoint} was imported as {settings.out}\n\n{describe(bundle)}")
    return 0


def make_bundle(
    out: Path,
    checkpoint: Path,
    rois: Path,
    output_mask: Path | None,
    card_of: Callable[[Architecture], Card],
) -> Bundle:
    """Make a bundle of a checkpoint and the images that go with it, whole or not at all.

    Parameters
    ----------
    out : Path
        Folder of the bundle; must not exist.
    checkpoint, rois, output_mask : Path
        The network's weights; the ROI maps; where maps are written (None: nilearn's grey matter).
    card_of : callable
        Writes the card when the checkpoint has told the network's architecture.

    Returns
    -------
    Bundle

    Raises
    ------
    UserError
        If a file cannot be read, or the parts do not fit each other.
    """
    # Here, not above: torch and nilearn take seconds to import, and `info` needs neither.
    from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
    from bids_deeptaskgen.nn.checkpoint import read_checkpoint

    architecture, weights = read_checkpoint(checkpoint)
    card, brain = card_of(architecture), brain_mask()
    output = grey_matter_mask() if output_mask is None else read_mask(output_mask)
    return save_bundle(out, card, weights, _read_rois(rois, brain, architecture.in_channels), (brain, output))


def choose_contrasts(choice: str, n_channels: int) -> tuple[Contrast, ...]:
    """Name the output channels of a network.

    Parameters
    ----------
    choice : str
        A contrast set of the package, ``numbered`` for plain numbers, or a JSON file that lists the
        published names in channel order.
    n_channels : int
        How many there are.

    Returns
    -------
    tuple of Contrast

    Raises
    ------
    UserError
        If there is no such set, or it has another number of contrasts.
    """
    if choice == NUMBERED:
        return numbered(n_channels)
    contrasts = _read_contrasts(Path(choice)) if choice.endswith(".json") else _contrast_set(choice)
    if len(contrasts) != n_channels:
        message = (
            f"The network has {n_channels} output channels, but {choice} names {len(contrasts)} contrasts.\n"
            f"Choose another --contrasts, or --contrasts {NUMBERED} if what the channels are is not known."
        )
        raise UserError(message)
    return contrasts


def numbered(n_channels: int) -> tuple[Contrast, ...]:
    """Name output channels by their numbers, where nobody knows what they are."""
    numbers = range(1, n_channels + 1)
    return tuple(Contrast(f"channel{i:03}", f"channel {i}", "not stated") for i in numbers)


def _contrast_set(name: str) -> tuple[Contrast, ...]:
    try:
        return load_contrasts(name)
    except FileNotFoundError:
        message = (
            f"There is no contrast set {name!r}. Give --contrasts hcp-ya, {NUMBERED}, or a .json file that "
            "lists the published names in channel order."
        )
        raise UserError(message) from None


def _read_contrasts(path: Path) -> tuple[Contrast, ...]:
    try:
        names: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        message = f"{path}: cannot be read as JSON ({error})."
        raise UserError(message) from error
    if not isinstance(names, list) or not all(isinstance(n, str) and re.search(r"[^\W_]", n) for n in names):
        message = f'{path}: a list of contrast names is wanted, e.g. ["MOTOR LF-AVG", "WM 2BK-0BK"].'
        raise UserError(message)
    return tuple(Contrast(contrast_label(name), name, name.split()[0]) for name in names)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask on the model's grid, from an image of its points of space in any orientation.

    Parameters
    ----------
    path : Path
        3-D image; voxels that are not 0 belong to the mask.

    Returns
    -------
    boolean array of shape (76, 93, 78)

    Raises
    ------
    UserError
        If the image is on another grid or has no voxel on the model's.
    """
    from bids_deeptaskgen.connectome.template_masks import on_grid
    from bids_deeptaskgen.io.nifti_reader import load_image

    image = load_image(path)
    try:
        if len(image.shape) != 3:
            message = f"The image has shape {image.shape}; three axes are wanted."
            raise ValueError(message)
        mask: NDArray[np.bool_] = on_grid(image, MODEL_GRID) != 0
    except ValueError as error:
        message = f"{path}: cannot be the output mask. {error}\nGive a 3-D mask on the model's 2 mm grid."
        raise UserError(message) from error
    if not mask.any():
        message = f"{path}: cannot be the output mask: no voxel of the model's grid is in it."
        raise UserError(message)
    return mask


def _read_rois(path: Path, brain: NDArray[np.bool_], n_rois: int) -> NDArray[np.float32]:
    """Read the ROI maps onto the model's grid, (n_rois, x, y, z), zero outside the brain."""
    from bids_deeptaskgen.connectome.roi_projection import read_roi_maps, roi_projection

    # Not finite is zero, as nilearn reads masked data and as the published pipeline did.
    maps = np.nan_to_num(read_roi_maps(path, brain), copy=False, posinf=0, neginf=0)
    if len(maps) != n_rois:
        message = (
            f"{path}: has {len(maps)} ROI maps, but the network takes {n_rois}.\n"
            "Give the maps that the network was trained with, in the same order."
        )
        raise UserError(message)
    roi_projection(maps)  # refuses maps whose series could not be told apart
    rois: NDArray[np.float32] = unmask(maps.astype(np.float32), brain)
    return rois


def _imported_card(
    settings: ModelsImportSettings, architecture: Architecture, contrasts: tuple[Contrast, ...]
) -> Card:
    digest = hashlib.sha256(settings.checkpoint.read_bytes()).hexdigest()
    return fill(
        Card,
        settings,
        architecture=architecture,
        contrasts=contrasts,
        roi_set=settings.rois.name,
        grid=CardGrid(),
        units="z",
        training=f"Imported from {settings.checkpoint.name} (sha256 {digest}), which does not say.",
        parent=None,
        for_science=True,
        notice="",
        mean_roi_connectome=None,
        sha256={},
    )
