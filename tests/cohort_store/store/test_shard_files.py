"""Laws of the files of shards: they are those of Zarr, and fit on the disk."""

import numpy as np
import pytest
import zarr

from bids_deeptaskgen.cohort_store.store import shard_files
from bids_deeptaskgen.cohort_store.store.layout import shard_path
from bids_deeptaskgen.cohort_store.store.shard_files import check_disk_space
from bids_deeptaskgen.errors import UserError
from tests.cohort_store.store.outputs import description, make_store, row_content


def expected_maps(n_rows):
    return np.array([row_content(row).maps for row in range(n_rows)])


def test_a_full_disk_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    class Usage:
        free = 10**9

    monkeypatch.setattr(shard_files.shutil, "disk_usage", lambda _folder: Usage)
    check_disk_space(tmp_path / "none" / "store", 10**9)
    with pytest.raises(UserError, match=r"need up to 1.1 GB, and 1.0 GB are free"):
        check_disk_space(tmp_path / "none" / "store", 11 * 10**8)


def test_a_shard_has_the_bytes_that_zarr_itself_writes(tmp_path):
    folder = make_store(tmp_path / "store", n_rows=4)
    content = shard_path(folder, "maps", 1).read_bytes()
    array = zarr.open_array(folder / "maps", mode="r+")
    array[2:4] = expected_maps(4)[2:]
    assert shard_path(folder, "maps", 1).read_bytes() == content


def test_zarr_alone_reads_the_same_values(tmp_path):
    folder = make_store(tmp_path / "store")
    group = zarr.open_group(folder, mode="r")
    assert np.array_equal(group["maps"][:], expected_maps(5))
    assert group["maps"].metadata.dimension_names == ("row", "contrast", "voxel")
    assert np.array_equal(group["mask"][:], description().mask)
