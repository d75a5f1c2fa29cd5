"""An untrained model with ROI maps from coordinates, for timing or for connectomes."""

from pathlib import Path

import numpy as np

from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.card import Card
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.simulation.coordinate_rois import coordinate_rois

ROI_STEP = 1 / 255


def random_bundle(folder: Path, fdim: int = 64) -> Path:
    """Write an untrained model with ROI maps from coordinates, unless the folder exists.

    Parameters
    ----------
    folder : Path
        Folder of the bundle.
    fdim : int
        Channels at full resolution; the published networks have 64.

    Returns
    -------
    Path
        `folder`.
    """
    if folder.exists():
        return folder
    from bids_deeptaskgen.nn.new_bundle import untrained_bundle

    card = Card(
        name=folder.name,
        description="Random weights, to time the software or to make connectomes with.",
        architecture=Architecture(fdim=fdim),
        contrasts=load_contrasts(),
        roi_set="50 maps of Gaussians around the 160 regions of Dosenbach et al. 2010, made from coordinates",
        licence="Apache-2.0",
        citation="Serin et al. 2025, Communications Biology 8:1572, doi 10.1038/s42003-025-09158-6",
    )
    # Steps of 8 bits make a small file.
    rois = np.rint(coordinate_rois() / ROI_STEP) * ROI_STEP
    untrained_bundle(folder, card, rois.astype(np.float32), (brain_mask(), grey_matter_mask()), seed=0)
    return folder
