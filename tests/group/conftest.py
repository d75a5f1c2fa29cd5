"""Datasets of the group's tests: written once, and copied where a test changes them."""

import shutil

import pytest

from tests.group.dataset import make_dataset
from tests.group.running import run


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    """Write 24 participants with two sessions and planted effects, and run the group with a design."""
    cohort = make_dataset(
        tmp_path_factory.mktemp("cohort") / "out", n=24, age_slope=0.05, fd_slope=8.0, noise=0.3
    )
    assert run(cohort.folder, design="age", covariates=("mean_fd",)) == 0
    return cohort


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Write six participants with two sessions."""
    return make_dataset(tmp_path_factory.mktemp("small") / "out", n=6, contrasts=("wm2bk",))


@pytest.fixture
def output(small, tmp_path):
    """Copy the small dataset."""
    return shutil.copytree(small.folder, tmp_path / "out")
