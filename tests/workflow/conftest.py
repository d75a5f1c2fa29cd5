"""Runs over the small dataset in this process."""

import shutil

import pytest

from bids_deeptaskgen.settings.participant import ParticipantSettings

# What the simulated people meet.
DEMANDS = {"min_minutes": 1.0, "min_dof": 5}


@pytest.fixture
def dataset(simulated, tmp_path):
    """A copy of the dataset that a test may spoil."""
    return shutil.copytree(simulated, tmp_path / "fmriprep")


@pytest.fixture
def settings_of(model, tmp_path):
    """Settings of a run over a dataset: in this process unless something else is asked for."""

    def make(bids_dir, output="out", **changes):
        values = {"model": str(model), "nprocs": 1, **DEMANDS, "bids_dir": bids_dir}
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
