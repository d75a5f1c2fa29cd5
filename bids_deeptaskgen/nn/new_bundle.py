"""New bundles: of a published checkpoint, or with random weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.models.bundle_parts import Masks, read_masks, read_rois
from bids_deeptaskgen.models.bundle_writer import save_bundle
from bids_deeptaskgen.models.card import Card
from bids_deeptaskgen.nn.checkpoint import read_checkpoint
from bids_deeptaskgen.nn.network_state import state_arrays
from bids_deeptaskgen.nn.unet import new_network

UNTRAINED_NOTICE = (
    "This model is untrained: its weights are random. Use it to compute connectomes (--save-connectome) and "
    "to train a model on them; the maps that it predicts mean nothing."
)


def bundle_from_checkpoint(
    folder: Path,
    checkpoint: Path,
    rois: Path,
    output_mask: Path | None,
    make_card: Callable[[Architecture], Card],
) -> Bundle:
    """Write a bundle of a checkpoint and the images that belong to it, whole or not at all.

    Parameters
    ----------
    folder : Path
        Of the bundle; must not exist.
    checkpoint, rois, output_mask : Path
        The network's weights; the ROI maps; where maps are written (None: nilearn's grey matter).
    make_card : function of Architecture
        Returns the card for the architecture that is read off the checkpoint.

    Returns
    -------
    Bundle

    Raises
    ------
    UserError
        If a file cannot be read, or the parts do not fit each other.
    """
    architecture, weights = read_checkpoint(checkpoint)
    card, masks = make_card(architecture), read_masks(output_mask)
    return save_bundle(folder, card, weights, read_rois(rois, masks[0], architecture.in_channels), masks)


def untrained_bundle(
    folder: Path, card: Card, rois: NDArray[np.float32], masks: Masks, seed: int, *, overwrite: bool = False
) -> Bundle:
    """Write a bundle whose network has random weights; its card says that it is untrained.

    Parameters
    ----------
    folder : Path
        Of the bundle.
    card : Card
        Name, architecture, contrasts and so on; what it says of training is replaced.
    rois : array of shape (n_rois, 76, 93, 78)
        ROI maps on the model's grid.
    masks : tuple of two boolean arrays of shape (76, 93, 78)
        Brain mask and output mask.
    seed : int
        Of the weights.
    overwrite : bool
        Whether to replace a bundle that is there, once the new one is whole.

    Returns
    -------
    Bundle

    Raises
    ------
    UserError
        If the folder exists, or the parts do not fit each other.
    """
    card = replace(
        card,
        training=f"none: random weights (seed {seed})",
        for_science=False,
        notice=UNTRAINED_NOTICE,
        untrained=True,
    )
    weights = state_arrays(new_network(card.architecture, seed).state_dict())
    return save_bundle(folder, card, weights, rois, masks, overwrite=overwrite)
