"""Model bundles from a published checkpoint or with random weights."""

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
    "to train a model on them; its predicted maps are meaningless."
)


def bundle_from_checkpoint(
    folder: Path,
    checkpoint: Path,
    rois: Path,
    output_mask: Path | None,
    make_card: Callable[[Architecture], Card],
) -> Bundle:
    """Write a bundle from a checkpoint, its ROI maps and its output mask, atomically.

    Parameters
    ----------
    folder : Path
        Folder of the bundle; must not exist.
    checkpoint : Path
        Weights of the network; see `read_checkpoint`.
    rois : Path
        4-D image of ROI maps.
    output_mask : Path or None
        Voxels where maps are written; None for nilearn's grey-matter mask.
    make_card : function of Architecture
        Returns the card for the architecture of the checkpoint.

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
    """Write a bundle with random weights, marked as untrained in its card.

    Parameters
    ----------
    folder : Path
        Folder of the bundle.
    card : Card
        Name, architecture, contrasts, etc.; the fields about training are replaced.
    rois : array of shape (n_rois, 76, 93, 78)
        ROI maps on the model's grid.
    masks : tuple of two boolean arrays of shape (76, 93, 78)
        Brain mask and output mask.
    seed : int
        Seed of the weights.
    overwrite : bool
        Whether to replace an existing bundle after the new one is complete.

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
