"""A small made-up world to learn from: people whose task maps follow from their connectomes."""

import csv
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bids_deeptaskgen.bids.connectomes import save_connectomes
from bids_deeptaskgen.bids.outputs import output_path
from bids_deeptaskgen.core.grid import MODEL_GRID, OUTPUT_GRID, model_to_output
from bids_deeptaskgen.core.niftiwrite import save_nifti
from bids_deeptaskgen.nn.bundle import BRAIN_MASK, ROIS, Bundle, unmask

LABELS = ("contrast0", "contrast1")
PEOPLE = tuple(f"{number:02d}" for number in range(1, 8))
SPLIT = dict(zip(PEOPLE, ("train",) * 4 + ("validation",) * 2 + ("test",), strict=True))
ROOT = Path(__file__).parents[2]
# Small and fast, and enough to tell two runs apart.
FAST = {"epochs": 2, "batch_size": 2, "fdim": 2, "learning_rate": 0.01, "device": "cpu"}
MAIN = "from bids_deeptaskgen.cli.workbench import main; raise SystemExit(main())"


@dataclass(frozen=True)
class World:
    """Where everything is."""

    root: Path
    model: Bundle

    @property
    def data(self):
        """What every training here is given."""
        return {
            "connectomes": self.root / "connectomes",
            "statmaps": self.root / "measured",
            "split": self.root / "split.tsv",
        }


def make_world(root, model, labels=LABELS):
    """Write connectomes of two windows and task maps of seven people, and who is in which split."""
    rng = np.random.default_rng(0)
    n_rois, n_voxels = model.card.architecture.in_channels, int(model.brain_mask.sum())
    both = model.output_mask[model.brain_mask]
    shared = 0.3 * rng.standard_normal((n_rois, n_voxels))
    for person in PEOPLE:
        windows = shared + 0.2 * rng.standard_normal((n_rois, n_voxels)) + np.zeros((2, 1, 1))
        windows += 0.02 * rng.standard_normal(windows.shape)
        write_connectome(root / "connectomes", model, person, np.clip(windows, -1, 1).astype(np.float32))
        for number, label in enumerate(labels):
            values = 3 * windows.mean(axis=0)[number, both]
            write_statmap(root / "measured", model, person, label, values)
    rows = "".join(f"sub-{person}\t{split}\n" for person, split in SPLIT.items())
    (root / "split.tsv").write_text("participant_id\tsplit\n" + rows)
    return World(root, model)


def write_connectome(root, model, person, windows, roi_set=None):
    path = output_path(root, "connectome", subject=person, entities=[("task", "rest")])
    about = {
        "Shape": list(windows.shape),
        "WindowMinutes": [5.0] * len(windows),
        "RoiSet": {"Sha256": roi_set or model.card.sha256[ROIS]},
        "BrainMask": {"Sha256": model.card.sha256[BRAIN_MASK]},
        "Grid": {"Shape": MODEL_GRID.shape, "Affine": MODEL_GRID.affine},
    }
    save_connectomes(path, windows, {"DeepTaskGen": {"Connectome": about, "SettingsHash": "same"}})


def statmap_path(root, person, label, space="MNI152NLin6Asym"):
    name = f"sub-{person}_task-x_space-{space}_res-2_contrast-{label}_stat-z_desc-measured_statmap.nii.gz"
    return root / f"sub-{person}" / "func" / name


def write_statmap(root, model, person, label, values, space="MNI152NLin6Asym"):
    volume = model_to_output(unmask(values.astype(np.float32), model.output_mask))
    save_nifti(statmap_path(root, person, label, space), volume, OUTPUT_GRID.matrix)


def read_log(folder):
    """The log without times, which differ from run to run."""
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
