"""A model whose weights are random: to time with, or to make connectomes with before there is another."""

from pathlib import Path

import numpy as np

from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.bundle import save_bundle
from bids_deeptaskgen.models.card import Card, CardGrid
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.simulation.coordinate_rois import coordinate_rois

ROI_STEP = 1 / 255


def random_bundle(folder: Path, fdim: int = 64) -> Path:
    """Write a model, unless an earlier call did.

    Parameters
    ----------
    folder : Path
        Where the bundle shall be.
    fdim : int
        Channels at full resolution; 64 are the published ones.

    Returns
    -------
    Path
        `folder`.
    """
    if folder.exists():
        return folder
    from bids_deeptaskgen.nn.trained_weights import trained_weights
    from bids_deeptaskgen.nn.unet import new_network

    architecture = Architecture(fdim=fdim)
    card = Card(
        name=folder.name,
        description="Random weights, to time the software or to make connectomes with.",
        architecture=architecture,
        contrasts=load_contrasts(),
        roi_set="50 maps of Gaussians around the 160 regions of Dosenbach et al. 2010, made from coordinates",
        grid=CardGrid(),
        units="z",
        input_mask="brain",
        window_minutes=None,
        training="none",
        licence="Apache-2.0",
        citation="Serin et al. 2025, Communications Biology 8:1572, doi 10.1038/s42003-025-09158-6",
        parent=None,
        for_science=False,
        notice="This model knows nothing: its weights are random.",
        mean_roi_connectome=None,
        sha256={},
    )
    weights = trained_weights(new_network(architecture, 0).state_dict())
    # Steps of 8 bits make a small file.
    rois = np.rint(coordinate_rois() / ROI_STEP) * ROI_STEP
    save_bundle(folder, card, weights, rois, (brain_mask(), grey_matter_mask()))
    return folder
