"""Small models for tests."""

from dataclasses import replace

import numpy as np
import torch

from bids_deeptaskgen.grid import MODEL_GRID, unmask
from bids_deeptaskgen.models.architecture import Architecture, ridge_architecture
from bids_deeptaskgen.models.bundle import BRAIN_MASK, OUTPUT_MASK, ROIS
from bids_deeptaskgen.models.bundle_writer import save_bundle
from bids_deeptaskgen.models.card import Card, CardGrid
from bids_deeptaskgen.models.contrasts import Contrast
from bids_deeptaskgen.models.ridge_arrays import ridge_arrays
from bids_deeptaskgen.nn.unet import UNet
from bids_deeptaskgen.stats.ridge import RidgeModel

TINY = Architecture(in_channels=3, out_channels=2, fdim=2)


def tiny_network(architecture=TINY, seed=0):
    """Build a random network with random statistics of batch normalisation."""
    torch.manual_seed(seed)
    network = UNet(architecture)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm3d):
            torch.nn.init.normal_(layer.running_mean)
            torch.nn.init.uniform_(layer.running_var, 0.5, 2)
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias)
    return network.eval()


def ellipsoid(size=1.0):
    """Build an ellipsoid mask on the model's grid, faster than a brain mask."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in MODEL_GRID.shape), indexing="ij", sparse=True)
    return sum(axis**2 for axis in axes) < size**2


def tiny_card(architecture=TINY, **changes):
    """Create a card for random weights."""
    labels = [f"contrast{i}" for i in range(architecture.out_channels)]
    values = {
        "name": "tiny",
        "description": "Random weights.",
        "architecture": architecture,
        "contrasts": tuple(Contrast(label, label.upper(), "TASK", 0.5) for label in labels),
        "roi_set": "noise",
        "grid": CardGrid(),
        "units": "z",
        "input_mask": "brain",
        "window_minutes": 7.2,
        "training": "none",
        "licence": "CC0",
        "citation": "none",
        "parent": None,
        "for_science": False,
        "notice": "For tests.",
        "mean_roi_connectome": tuple(
            0.1 for _ in range(architecture.in_channels * (architecture.in_channels - 1) // 2)
        ),
        "sha256": {},
    }
    return Card(**(values | changes))


def tiny_bundle(folder, network=None, **changes):
    """Write a bundle of a small network with noise for ROI maps and an ellipsoid for a brain."""
    network = network or tiny_network()
    rng = np.random.default_rng(0)
    brain = ellipsoid()
    rois = np.zeros((network.config.in_channels, *brain.shape), np.float32)
    rois[:, brain] = rng.standard_normal((len(rois), int(brain.sum())), np.float32)
    weights = {key: value.numpy() for key, value in network.state_dict().items()}
    return save_bundle(folder, tiny_card(network.config, **changes), weights, rois, (brain, ellipsoid(0.5)))


BRAIN = Architecture(in_channels=6, out_channels=3, fdim=4)
# Voxels of the model's grid along y: through the motor cortex and the middle of the brain.
SLAB_CENTRE, SLAB_HALF_WIDTH = 45, 8


def brain_bundle(folder, seed=0):
    """Write a bundle of a small random network for real brains, of which it predicts a coronal slab."""
    from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
    from bids_deeptaskgen.simulation.coordinate_rois import coordinate_rois

    weights = {key: value.numpy() for key, value in tiny_network(BRAIN, seed).state_dict().items()}
    # A quarter of the grey matter, which is predicted and written the faster.
    slab = np.abs(np.arange(MODEL_GRID.shape[1]) - SLAB_CENTRE) <= SLAB_HALF_WIDTH
    masks = (brain_mask(), grey_matter_mask() & slab[:, None])
    return save_bundle(folder, tiny_card(BRAIN), weights, coordinate_rois(BRAIN.in_channels), masks)


def random_ridge(n_contrasts, n_rois, n_voxels, n_parcels=4, seed=0):
    """Draw a ridge model; a quarter of the voxels has no parcel, and contrast 0 shares all coefficients."""
    rng = np.random.default_rng(seed)
    coefficients = rng.standard_normal((n_contrasts, 1 + n_parcels, n_rois)).astype(np.float32)
    coefficients[0] = coefficients[0, 0]
    return RidgeModel(
        coefficients,
        rng.integers(0, n_parcels + 1, n_voxels).astype(np.int16),
        rng.uniform(-0.5, 0.5, (n_rois, n_voxels)).astype(np.float32),
        rng.standard_normal((n_contrasts, n_voxels), np.float32),
    )


def ridge_bundle(folder, base, seed=0, **changes):
    """Write a bundle of a random ridge model with the ROI maps, masks and contrasts of another bundle."""
    architecture = ridge_architecture(base.card.architecture.in_channels, base.card.architecture.out_channels)
    model = random_ridge(
        architecture.out_channels, architecture.in_channels, int(base.output_mask.sum()), seed=seed
    )
    save_bundle(
        folder,
        replace(base.card, architecture=architecture, input_mask="gm", **changes),
        ridge_arrays(model),
        base.folder / ROIS,
        (base.folder / BRAIN_MASK, base.folder / OUTPUT_MASK),
        mean_statmaps=unmask(model.mean_maps, base.output_mask),
    )
    return model


def brute_force_ridge(model, connectome, brain_mask, output_mask):
    """Predict each voxel of a ridge model by itself, from a connectome of the brain voxels."""
    box = unmask(connectome.astype(np.float64), brain_mask)
    maps = model.mean_maps.astype(np.float64)
    for voxel, place in enumerate(zip(*np.nonzero(output_mask), strict=True)):
        series = box[(slice(None), *place)]
        if series.any():
            deviation = series - model.mean_connectome[:, voxel]
            maps[:, voxel] += model.coefficients[:, model.parcels[voxel]] @ deviation
    return maps
