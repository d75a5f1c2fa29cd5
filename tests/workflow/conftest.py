"""Runs over the small dataset in this process."""

import shutil

import pytest

from bids_deeptaskgen.settings.participant import ParticipantSettings

# What the simulated participants meet. Pages take longer than the maps of these tests.
DEMANDS = {"min_minutes": 1.0, "min_dof": 5, "reports": "none"}


@pytest.fixture
def dataset(simulated, tmp_path):
    """Copy the dataset, so that a test may modify it."""
    return shutil.copytree(simulated, tmp_path / "fmriprep")


@pytest.fixture
def settings_of(model, tmp_path):
    """Return settings of a run over a dataset, by default in this process."""

    def make(bids_dir, output="out", **changes):
        values = {"model": str(model), "nprocs": 1, **DEMANDS, "bids_dir": bids_dir}
        return ParticipantSettings(**(values | {"output_dir": tmp_path / output} | changes))

    return make


@pytest.fixture
def contents():
    """Return the bytes of all results of a run, by name; without logs, which contain times and folders."""

    def read(settings):
        files = settings.output_dir.glob("sub-*/**/*")
        return {
            path.relative_to(settings.output_dir).as_posix(): path.read_bytes()
            for path in files
            if path.is_file()
        }

    return read
