"""Training and fine-tuning store the distribution of the training participants' connectomes."""

import logging
import shutil

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.commands import finetune, train
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.models.roi_connectomes import ROI_CONNECTOMES
from bids_deeptaskgen.settings.training import FinetuneSettings
from bids_deeptaskgen.training.split_file import write_split
from tests.commands.learning import FAST, one_thread

TRAINING = ("01", "02", "03", "04", "05")


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


@pytest.fixture
def correlations(world, tmp_path, monkeypatch):
    """Copy the connectomes, and add a connectome between ROIs for each participant; return their pairs."""
    for name in ("N_FOLDS", "MIN_PARTICIPANTS"):
        monkeypatch.setattr(f"bids_deeptaskgen.training.typicality.{name}", 5)
    shutil.copytree(world.root / "connectomes", tmp_path / "connectomes")
    write_split(tmp_path / "split.tsv", dict.fromkeys(TRAINING, "train") | {"06": "validation"})
    values = {}
    rng = np.random.default_rng(0)
    for participant in (*TRAINING, "06"):
        first, second, third = values[participant] = rng.uniform(-0.5, 0.5, 3)
        matrix = np.array([[1, first, second], [first, 1, third], [second, third, 1]])
        path = output_path(
            tmp_path / "connectomes", "roi_connectome", subject=participant, entities=[("task", "rest")]
        )
        write_tsv(path, {f"roi{column}": matrix[:, column].tolist() for column in range(3)})
    return values


def test_training_participants_make_the_distribution_and_a_child_inherits_it(
    world, correlations, tmp_path, caplog
):
    files = {"connectomes": tmp_path / "connectomes", "split": tmp_path / "split.tsv"}
    settings = world.settings(tmp_path / "mine", epochs=1, **files)
    assert train.run(settings) == 0
    bundle = load_bundle(tmp_path / "mine")
    distribution = bundle.connectome_distribution()
    # Validation participants do not count.
    expected = np.mean([np.arctanh(correlations[participant]) for participant in TRAINING], axis=0)
    np.testing.assert_allclose(distribution.mean, expected, atol=1e-5)
    np.testing.assert_allclose(bundle.card.mean_roi_connectome, np.tanh(expected), atol=1e-4)
    assert distribution.n_participants == 5
    assert "typicality from 5 of 5 training participants" in bundle.card.training

    # The original connectomes have no connectomes between ROIs.
    options = world.data | FAST | {"epochs": 1, "split": tmp_path / "split.tsv"}
    child_settings = FinetuneSettings(
        out=tmp_path / "child", parent=str(bundle.folder), strategy="batchnorm", **options
    )
    with caplog.at_level(logging.INFO):
        assert finetune.run(child_settings) == 0
    child = load_bundle(tmp_path / "child")
    assert child.card.sha256[ROI_CONNECTOMES] == bundle.card.sha256[ROI_CONNECTOMES]
    assert child.card.mean_roi_connectome == bundle.card.mean_roi_connectome
    assert "5 of 5 training sessions have no ROI-by-ROI connectome" in caplog.text
    assert "The distribution of ROI-by-ROI connectomes is that of mine" in caplog.text
    assert "typicality from" not in child.card.training


def test_without_the_files_a_model_has_no_distribution(trained):
    bundle = load_bundle(trained)
    assert bundle.connectome_distribution() is None
    assert bundle.card.mean_roi_connectome is None
