"""Small simulated training data: participants whose task maps follow from their connectomes."""

import csv
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from bids_deeptaskgen.bids.output.connectome_files import save_connectomes
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
from bids_deeptaskgen.grid import MODEL_GRID, OUTPUT_GRID, model_to_output, unmask
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.bundle import BRAIN_MASK, ROIS, Bundle
from bids_deeptaskgen.models.bundle_writer import save_bundle
from bids_deeptaskgen.settings.training import TrainSettings
from bids_deeptaskgen.simulation.coordinate_rois import coordinate_rois
from bids_deeptaskgen.training.split_file import write_split
from tests.bundles import tiny_card, tiny_network

LABELS = ("contrast0", "contrast1")
SPLIT = {
    "01": "train", "02": "train", "03": "train", "04": "validation", "05": "validation", "06": "test",
}  # fmt: skip
ROOT = Path(__file__).parents[2]
MINIMAL = Architecture(name="unetminimal", in_channels=3, out_channels=2, fdim=1)
# Small and fast, and enough to tell two runs apart.
FAST = {"epochs": 2, "batch_size": 2, "learning_rate": 0.01, "device": "cpu"}
NETWORK = {"architecture": "unetminimal", "fdim": 1}
MAIN = "from bids_deeptaskgen.cli.workbench import main; raise SystemExit(main())"


@contextmanager
def one_thread():
    """Train on one thread, because several threads are slow on a busy machine."""
    initial_state = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(initial_state)


@dataclass(frozen=True)
class World:
    """Where everything is."""

    root: Path
    model: Bundle

    @property
    def data(self):
        """Return the input of every training in these tests."""
        return {
            "connectomes": self.root / "connectomes",
            "statmaps": self.root / "measured",
            "split": self.root / "split.tsv",
        }

    def settings(self, out, **changes):
        """Return settings of a fast training."""
        return TrainSettings(
            out=out, **(self.data | FAST | NETWORK | {"model": str(self.model.folder)} | changes)
        )


def make_world(root):
    """Write a model, connectomes and task maps of six participants, and who is in which split.

    sub-01 has two windows, sub-02 lacks a contrast, and of sub-03 some voxels were not measured.
    """
    masks = (brain_mask(), grey_matter_mask())
    weights = {key: value.numpy() for key, value in tiny_network(MINIMAL).state_dict().items()}
    model = save_bundle(root / "model", tiny_card(MINIMAL), weights, coordinate_rois(3), masks)
    rng, pair = np.random.default_rng(0), masks[1][masks[0]]
    shared = 0.3 * rng.standard_normal((3, pair.size))
    for participant in SPLIT:
        own_part = shared + 0.2 * rng.standard_normal(shared.shape)
        windows = own_part + 0.02 * rng.standard_normal((2 if participant == "01" else 1, *own_part.shape))
        write_connectome(root / "connectomes", model, participant, np.clip(windows, -1, 1).astype(np.float32))
        for number, label in enumerate(LABELS):
            values = 3 * own_part[number, pair]
            values[: 5 if participant == "03" else 0] = np.nan
            if (participant, label) != ("02", "contrast1"):
                write_statmap(root / "measured", model, participant, label, values)
    write_split(root / "split.tsv", SPLIT)
    return World(root, model)


def write_connectome(root, model, participant, windows, roi_set=None):
    path = output_path(root, "connectome", subject=participant, entities=[("task", "rest")])
    about = {
        "Shape": list(windows.shape),
        "WindowMinutes": [5.0] * len(windows),
        "RoiSet": {"Sha256": roi_set or model.card.sha256[ROIS]},
        "BrainMask": {"Sha256": model.card.sha256[BRAIN_MASK]},
        "Grid": {"Shape": MODEL_GRID.shape, "Affine": MODEL_GRID.affine},
    }
    save_connectomes(path, windows, {"DeepTaskGen": {"Connectome": about, "SettingsHash": "same"}})


def statmap_path(root, participant, label, space="MNI152NLin6Asym"):
    name = (
        f"sub-{participant}_task-x_space-{space}_res-2_contrast-{label}_stat-z_desc-measured_statmap.nii.gz"
    )
    return root / f"sub-{participant}" / "func" / name


def write_statmap(root, model, participant, label, values, space="MNI152NLin6Asym"):
    volume = model_to_output(unmask(values.astype(np.float32), model.output_mask))
    save_nifti(statmap_path(root, participant, label, space), volume, OUTPUT_GRID.matrix)


def read_log(folder):
    """Read the log without times, which differ between runs."""
    with (folder / "log.csv").open(encoding="utf-8", newline="") as file:
        return [{key: row[key] for key in row if key != "seconds"} for row in csv.DictReader(file)]


def start(*words, **environment):
    """Start the workbench as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *map(str, words)],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
