"""A small dataset and a small model, made once."""

import shutil

import numpy as np
import pytest

from bids_deeptaskgen.core.grid import Grid
from bids_deeptaskgen.core.simulated_dataset import simulate_dataset
from bids_deeptaskgen.settings import ParticipantSettings
from tests.bundles import brain_bundle

COARSE = Grid.of((23, 28, 23), np.array([[8, 0, 0, -90.0], [0, 8, 0, -126], [0, 0, 8, -72], [0, 0, 0, 1]]))


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "fmriprep"
    return simulate_dataset(folder, n_participants=3, n_volumes=110, n_dummies=2, statmaps=False, grid=COARSE)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "bundle"
    brain_bundle(folder)
    return folder


@pytest.fixture
def dataset(simulated, tmp_path):
    """A copy of the dataset that a test may spoil."""
    return shutil.copytree(simulated, tmp_path / "fmriprep")


@pytest.fixture
def settings_of(model, tmp_path):
    """Settings of a run over a dataset: in this process unless something else is asked for."""

    def make(bids_dir, output="out", **changes):
        values = {"model": str(model), "nprocs": 1, "min_minutes": 1.0, "bids_dir": bids_dir}
        return ParticipantSettings(**(values | {"output_dir": tmp_path / output} | changes))

    return make


@pytest.fixture
def contents():
    """Bytes of all results of a run, by name; logs tell of times and folders."""

    def read(settings):
        files = settings.output_dir.glob("sub-*/**/*")
        return {
            path.relative_to(settings.output_dir).as_posix(): path.read_bytes()
            for path in files
            if path.is_file()
        }

    return read
