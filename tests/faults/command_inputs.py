"""Small inputs of the commands whose faults are tested; each is written within seconds."""

import json
import shutil

import numpy as np

from bids_deeptaskgen.bids.output.output_mask import output_mask_path
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.models import registry
from tests.bundles import brain_bundle, ellipsoid
from tests.cohort_store.roi_tables import make_cohort
from tests.cohort_store.store.outputs import N_ROIS, N_VOXELS, make_output, make_store
from tests.commands.learning import make_world
from tests.conftest import small_dataset
from tests.group.dataset import BLOCK, make_dataset

N_TRAITS = 40


def write_participants(folder, n_participants=2):
    """Write resting-state data of two participants and a model."""
    small_dataset(folder / "fmriprep", n_participants=n_participants, n_volumes=30)
    brain_bundle(folder / "model")


def write_image(folder):
    """Write an image with its mask and confounds, and a model."""
    write_participants(folder, n_participants=1)
    func = folder / "fmriprep" / "sub-01" / "func"
    for ending, name in (
        ("_desc-preproc_bold.nii.gz", "bold.nii.gz"),
        ("_desc-brain_mask.nii.gz", "mask.nii.gz"),
        ("_desc-confounds_timeseries.tsv", "confounds.tsv"),
    ):
        (path,) = func.glob(f"*{ending}")
        shutil.copyfile(path, folder / name)


def write_group(folder):
    """Write finished maps of twelve participants, whose age is known."""
    make_dataset(folder / "out", n=12, sessions=(None,), age_slope=0.05)


def write_store_source(folder):
    """Write finished maps of five participants with the model that made them."""
    make_output(folder / "out", n=5)


def write_packed_store(folder):
    """Write a cohort store of three shards."""
    make_store(folder / "out", n_rows=5)


def write_training(folder):
    """Write a model, connectomes and measured maps of six participants."""
    make_world(folder)


def write_roi_tables(folder):
    """Write an ROI table of the group level, and the table of participants."""
    make_cohort(folder, 12, ending="tsv")


def write_predicted_maps(folder):
    """Write maps of some participants, with their mask and the parcels of their model."""
    dataset = folder / "maps"
    make_dataset(dataset, n=6, has_connectomes=False)
    block = np.zeros(OUTPUT_GRID.shape, np.uint8)
    block[BLOCK] = 1
    for path in (
        output_mask_path(dataset, "0a1b2c3d"),
        output_path(dataset, "roi_parcels", seg="0a1b2c3d"),
    ):
        save_nifti(path, block, OUTPUT_GRID.matrix, dtype=np.uint8)


def write_traits(folder):
    """Write a store whose maps follow a score of the participants."""
    from tests.biomarkers.features.stores import write_store

    rng = np.random.default_rng(0)
    score = rng.normal(size=N_TRAITS)
    maps = score[:, None, None] * rng.normal(size=(1, 2, N_VOXELS))
    maps = (maps + 0.5 * rng.normal(size=(N_TRAITS, 2, N_VOXELS))).astype(np.float32)
    connectomes = [np.corrcoef(rng.normal(size=(N_ROIS, 30))).astype(np.float32) for _ in range(N_TRAITS)]
    rows = [
        {
            "participant_id": f"sub-{number + 1:02d}",
            "session_id": None,
            "run": None,
            "score": f"{score[number]:.4f}",
        }
        for number in range(N_TRAITS)
    ]
    write_store(folder / "store", rows, maps, connectomes)


def write_evaluation(folder):
    """Write measured and predicted maps of six participants."""
    from tests.commands.test_evaluate import N_PARTICIPANTS, population, write

    maps = population(N_PARTICIPANTS)
    write(folder / "measured", maps, range(N_PARTICIPANTS))
    write(folder / "good", maps, range(N_PARTICIPANTS), desc="predicted", seed=3)


def write_published(folder):
    """Write small substitutes for the published files, and a registry with their hashes."""
    from bids_deeptaskgen.grid import CROP, FULL_MODEL_GRID, MODEL_GRID
    from bids_deeptaskgen.simulation.coordinate_rois import coordinate_rois
    from tests.fetch.fetching import CHANNELS, MASK, ROIS, blob_sha1, checkpoint, image

    published = folder / "published"
    published.mkdir()
    rois = np.zeros((*FULL_MODEL_GRID.shape, 3), np.float32)
    rois[CROP] = np.moveaxis(coordinate_rois(3), 0, -1)
    for name in CHANNELS:
        (published / name).write_bytes(checkpoint(name))
    image(rois, FULL_MODEL_GRID, ROIS, published)
    image(ellipsoid(0.6).astype(np.uint8), MODEL_GRID, MASK, published)
    content = json.loads(registry.REGISTRY.read_text("utf-8"))
    for entry in content["files"].values():
        file = published / entry["path"].rpartition("/")[2]
        entry["git_blob_sha1"] = blob_sha1(file.read_bytes())
    (folder / "models.json").write_text(json.dumps(content), "utf-8")
