"""A dataset to pack, and stores of two rows in a shard."""

import shutil

import pytest

from tests.cohort_store.store.outputs import make_output


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Write three participants."""
    return make_output(tmp_path_factory.mktemp("cohort") / "out")


@pytest.fixture
def output(cohort, tmp_path):
    """Copy the dataset."""
    return shutil.copytree(cohort.folder, tmp_path / "out")


@pytest.fixture(autouse=True)
def _two_rows_per_shard(monkeypatch):
    monkeypatch.setattr("bids_deeptaskgen.cohort_store.store.description.MAX_SHARD_ROWS", 2)
