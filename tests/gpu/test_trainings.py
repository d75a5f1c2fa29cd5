"""Trainings on a GPU, compared with those on the CPU."""

import numpy as np
import pytest

from bids_deeptaskgen.commands import train
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.nn.inference import load_network
from bids_deeptaskgen.nn.predict import predict
from tests.commands.learning import make_world, one_thread, read_log

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Write the connectomes and task maps of six participants."""
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def trained(gpu, world, tmp_path_factory):
    """Train the same network on both devices; return the folders."""
    folders = {name: tmp_path_factory.mktemp("trained") / name for name in ("cpu", gpu)}
    with one_thread():
        for name, folder in folders.items():
            assert train.run(world.settings(folder, device=name, epochs=3)) == 0
    return folders


def losses(folder):
    """Read training and validation loss of each epoch, shape (n_epochs, 2)."""
    rows = read_log(folder.with_name(f"{folder.name}.training"))
    return np.array([[float(row["train_loss"]), float(row["validation_loss"])] for row in rows])


def test_the_losses_are_those_of_the_cpu(gpu, trained):
    expected = losses(trained["cpu"])
    assert len(expected) == 3
    np.testing.assert_allclose(losses(trained[gpu]), expected, rtol=1e-3)


def test_the_trained_networks_predict_alike(gpu, trained):
    bundles = {name: load_bundle(folder) for name, folder in trained.items()}
    shape = (bundles["cpu"].card.architecture.in_channels, int(bundles["cpu"].brain_mask.sum()))
    connectome = np.random.default_rng(0).uniform(-0.8, 0.8, shape).astype(np.float32)
    maps = {name: predict(load_network(bundle, "cpu"), connectome) for name, bundle in bundles.items()}
    for row, expected in zip(maps[gpu], maps["cpu"], strict=True):
        assert np.corrcoef(row.ravel(), expected.ravel())[0, 1] > 0.999


def test_a_training_in_bf16_runs_on_the_gpu(gpu, world, tmp_path):
    out = tmp_path / "half"
    with one_thread():
        assert train.run(world.settings(out, device=gpu, precision="bf16")) == 0
    assert np.isfinite(losses(out)).all()
