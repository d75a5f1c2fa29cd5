"""Untrained models whose memory is measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
from bids_deeptaskgen.grid import unmask
from bids_deeptaskgen.models.architecture import Architecture, ridge_architecture
from bids_deeptaskgen.models.bundle import BRAIN_MASK, OUTPUT_MASK, ROIS, load_bundle
from bids_deeptaskgen.models.bundle_writer import save_bundle
from bids_deeptaskgen.models.card import Card
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.models.ridge_arrays import ridge_arrays
from bids_deeptaskgen.simulation.coordinate_rois import coordinate_rois
from bids_deeptaskgen.simulation.random_model import ROI_STEP
from bids_deeptaskgen.stats.ridge import RidgeModel

_ARCHITECTURES = {
    "fdim-64": Architecture(),
    "fdim-32": Architecture(fdim=32),
    "fdim-8": Architecture(fdim=8),
    "rois-100": Architecture(fdim=8, in_channels=100),
    "unet-16": Architecture("unet", fdim=16),
    "resunet-16": Architecture("resunet", fdim=16),
}


def build_model(folder: Path, name: str) -> Path:
    """Write a model, unless it exists.

    Parameters
    ----------
    folder : Path
        Folder of the models.
    name : str
        ``ridge``, or a key of the table above.

    Returns
    -------
    Path
        Folder of the bundle.
    """
    path = folder / name
    if path.exists():
        return path
    if name == "ridge":
        return _build_ridge(path, build_model(folder, "fdim-8"))
    from bids_deeptaskgen.nn.new_bundle import untrained_bundle

    architecture = _ARCHITECTURES[name]
    rois = np.rint(coordinate_rois() / ROI_STEP) * ROI_STEP
    rng = np.random.default_rng(0)
    n_more = architecture.in_channels - len(rois)
    if n_more > 0:
        # Other maps: noise inside the same maps, so that they are independent.
        rois = np.concatenate([rois, np.rint(rois[:n_more] * rng.uniform(0, 255, rois[0].shape)) * ROI_STEP])
    card = Card(
        name=name,
        description="Random weights, to measure memory.",
        architecture=architecture,
        contrasts=load_contrasts(),
        roi_set="coordinates",
        licence="Apache-2.0",
        citation="none",
    )
    untrained_bundle(path, card, rois.astype(np.float32), (brain_mask(), grey_matter_mask()), seed=0)
    return path


def _build_ridge(path: Path, base: Path) -> Path:
    """Write a ridge model with the ROI maps and masks of another model."""
    bundle, rng = load_bundle(base), np.random.default_rng(0)
    n_rois, n_contrasts = len(bundle.rois()), len(bundle.card.contrasts)
    n_voxels = int(bundle.output_mask.sum())
    model = RidgeModel(
        rng.standard_normal((n_contrasts, 1, n_rois)).astype(np.float32),
        np.zeros(n_voxels, np.int16),
        rng.uniform(-0.5, 0.5, (n_rois, n_voxels)).astype(np.float32),
        rng.standard_normal((n_contrasts, n_voxels)).astype(np.float32),
    )
    save_bundle(
        path,
        replace(
            bundle.card, name="ridge", architecture=ridge_architecture(n_rois, n_contrasts), input_mask="gm"
        ),
        ridge_arrays(model),
        base / ROIS,
        (base / BRAIN_MASK, base / OUTPUT_MASK),
        mean_statmaps=unmask(model.mean_maps, bundle.output_mask),
    )
    return path
