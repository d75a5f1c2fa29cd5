"""Train the embedded model on simulated people and write its bundle into the package.

    python scripts/train_embedded.py OUT [--n-people 24] [--n-epochs 25]

The model is for trying the software: it knows nothing but the simulator's people. OUT is a new folder; copy
it to ``bids_deeptaskgen/data/embedded`` to ship it.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from bids_deeptaskgen.contrasts import load_contrasts
from bids_deeptaskgen.core.connectome import correlate_windows
from bids_deeptaskgen.core.projection import roi_projection
from bids_deeptaskgen.core.rois import brain_mask, coordinate_rois, grey_matter_mask
from bids_deeptaskgen.core.simulated_rest import RestSettings
from bids_deeptaskgen.core.simulation import simulate_person
from bids_deeptaskgen.nn.architecture import Architecture
from bids_deeptaskgen.nn.bundle import save_bundle, unmask
from bids_deeptaskgen.nn.card import Card, CardGrid
from bids_deeptaskgen.nn.unet import UNet

SEED = 20_260_101  # of the training people; users' seeds are small numbers, so nobody meets them again
N_VOLUMES, T_R = 200, 2.0
ROI_STEP = 1 / 255
FDIM = 16
LEARNING_RATE = 3e-3
CROP = (40, 48, 40)

NOTICE = (
    "This model was trained on simulated people. It is for trying the software and not for science: "
    "its maps say nothing about anybody's brain."
)


def make_pair(index, projection):
    """Simulate one person: connectome, task maps, upper triangle of the ROI connectome."""
    person = simulate_person(SEED, index)
    settings = RestSettings(n_volumes=N_VOLUMES, t_r=T_R, motion=0.0, drift=0.0)
    voxels = np.concatenate([block.copy() for block in person.rest_blocks(settings)])
    basis = np.full((len(voxels), 1), 1 / np.sqrt(len(voxels)))
    run = correlate_windows(voxels, projection, basis)
    triangle = np.corrcoef(run.rois.T)[np.triu_indices(run.rois.shape[1], k=1)]
    return run.connectome[0].astype(np.float16), person.statmaps(noise=0.0).astype(np.float16), triangle


def to_box(values, mask):
    """Lay masked values out in their box, as a channels-last batch of one."""
    box = torch.from_numpy(unmask(values.astype(np.float32), mask))[None]
    return box.to(memory_format=torch.channels_last_3d)


def draw_crop(rng, shape):
    """Draw where a crop lies."""
    starts = [int(rng.integers(0, n - size + 1)) for n, size in zip(shape, CROP, strict=True)]
    return tuple(slice(start, start + size) for start, size in zip(starts, CROP, strict=True))


def train(pairs, mask, grey, n_epochs):
    """Fit by Adam with a one-cycle learning rate: squared error in grey matter, one person's crop a step."""
    torch.manual_seed(SEED)
    network = UNet(Architecture(fdim=FDIM)).to(memory_format=torch.channels_last_3d)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=n_epochs * len(pairs), pct_start=0.15
    )
    rng = np.random.default_rng(SEED)
    for epoch in range(n_epochs):
        began, losses = time.monotonic(), []
        network.train()
        for i in rng.permutation(len(pairs)):
            crop = draw_crop(rng, mask.shape)
            connectome, statmaps = (to_box(part, mask)[(..., *crop)] for part in pairs[i][:2])
            inside = torch.from_numpy(grey[crop])
            loss = F.mse_loss(network(connectome)[0][:, inside], statmaps[0][:, inside])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: loss {np.mean(losses):.4f}, {time.monotonic() - began:.0f} s", flush=True)
    settle_normalisation(network, pairs[:8], mask)
    return network.eval()


@torch.no_grad()
def settle_normalisation(network, pairs, mask):
    """Estimate the statistics of batch normalisation on whole brains, which crops are not."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.reset_running_stats()
            module.momentum = None  # a plain mean over what follows
    network.train()
    for connectome, _, _ in pairs:
        network(to_box(connectome, mask))


@torch.inference_mode()
def scores(network, pairs, mask, grey):
    """Give the mean r over contrasts with people's own maps, and by how much it exceeds that with others'."""
    inside = torch.from_numpy(grey)
    predicted = [network(to_box(pair[0], mask))[0][:, inside].numpy() for pair in pairs]
    measured = [pair[1][:, grey[mask]].astype(np.float32) for pair in pairs]
    own, other = [], []
    for contrast in range(predicted[0].shape[0]):
        r = np.corrcoef([p[contrast] for p in predicted], [m[contrast] for m in measured])
        r = r[: len(pairs), len(pairs) :]
        own.append(np.diag(r).mean())
        other.append(r[~np.eye(len(pairs), dtype=bool)].mean())
    return float(np.mean(own)), float(np.mean(own) - np.mean(other))


def card(pairs, n_train, n_epochs, reached):
    """Write what the bundle says of itself."""
    return Card(
        name="embedded",
        description="Small network of the published architecture, for trying the software and for its tests.",
        architecture=Architecture(fdim=FDIM),
        contrasts=load_contrasts(),
        roi_set="50 maps of Gaussians around the 160 regions of Dosenbach et al. 2010, made from coordinates",
        grid=CardGrid(),
        units="z",
        input_mask="brain",
        window_minutes=N_VOLUMES * T_R / 60,
        training=(
            f"{n_train} simulated people, {n_epochs} epochs; on {len(pairs) - n_train} others the mean "
            f"spatial r with their own (noiseless) maps is {reached[0]:.3f}, "
            f"{reached[1]:.3f} above that with those of others"
        ),
        licence="Apache-2.0",
        citation="Serin et al. 2025, Communications Biology 8:1572, doi 10.1038/s42003-025-09158-6",
        parent=None,
        for_science=False,
        notice=NOTICE,
        mean_roi_connectome=tuple(
            float(f"{value:.4f}") for value in np.mean([pair[2] for pair in pairs[:n_train]], axis=0)
        ),
        sha256={},
    )


def main():
    """Simulate, train, score, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--n-people", type=int, default=24)
    parser.add_argument("--n-held-out", type=int, default=4)
    parser.add_argument("--n-epochs", type=int, default=25)
    options = parser.parse_args()
    mask, grey = brain_mask().copy(), grey_matter_mask().copy()
    # The maps as the bundle will hold them, in steps of 8 bits.
    rois = np.rint(coordinate_rois() / ROI_STEP) * ROI_STEP
    projection = roi_projection(rois[:, mask])
    pairs = []
    for index in range(options.n_people + options.n_held_out):
        pairs.append(make_pair(index, projection))
        print(f"simulated {index + 1}", flush=True)
    network = train(pairs[: options.n_people], mask, grey, options.n_epochs)
    reached = scores(network, pairs[options.n_people :], mask, grey)
    print(f"r with own maps {reached[0]:.3f}, above others' by {reached[1]:.3f}")
    weights = {key: value.numpy() for key, value in network.state_dict().items()}
    about = card(pairs, options.n_people, options.n_epochs, reached)
    save_bundle(options.out, about, weights, rois, (mask, grey))


if __name__ == "__main__":
    main()
