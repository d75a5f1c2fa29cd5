"""Properties of the scratch file of maps."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bids_deeptaskgen.io.voxel_rows import VoxelRows, chunk_length

SHAPE = (3, 4, 2)
maps_of_rows = st.integers(1, 5).flatmap(
    lambda n: arrays(np.float32, (n, *SHAPE), elements=st.just(0.0) | st.floats(-9, 9, width=32))
)


def gathered(rows):
    """Gather the chunks of a file as an array of flat maps."""
    maps = np.zeros((rows.n_rows, int(np.prod(SHAPE))), np.float32)
    for voxels, values in rows.chunks():
        maps[:, voxels] = values
    return maps


@given(maps=maps_of_rows, length=st.integers(1, 30), random=st.randoms())
def test_chunks_and_rows_return_what_was_written_in_any_order(tmp_path_factory, maps, length, random):
    order = list(range(len(maps)))
    random.shuffle(order)
    path = tmp_path_factory.mktemp("rows") / "rows"
    with VoxelRows(path, len(maps), SHAPE, length) as rows:
        for row in order:
            rows.write(row, maps[row])
        np.testing.assert_array_equal(gathered(rows), maps.reshape(len(maps), -1))
        for row, values in enumerate(maps):
            np.testing.assert_array_equal(rows.row(row), values)
        assert rows.n_voxels == (maps != 0).any(axis=0).sum()
        all_voxels = [voxel for voxels, _ in rows.chunks() for voxel in voxels]
        assert len(set(all_voxels)) == len(all_voxels) == rows.n_voxels
        assert all(values.shape[1] <= length for _, values in rows.chunks())


def test_a_row_that_was_not_written_is_0(tmp_path):
    with VoxelRows(tmp_path / "rows", 2, SHAPE) as rows:
        rows.write(1, np.ones(SHAPE))
        np.testing.assert_array_equal(rows.row(0), np.zeros(SHAPE))


def test_a_second_map_replaces_the_first(tmp_path):
    first, second = np.zeros((2, *SHAPE))
    first[0], second[1:] = 1, 2
    with VoxelRows(tmp_path / "rows", 1, SHAPE, 5) as rows:
        rows.write(0, first)
        rows.write(0, second)
        np.testing.assert_array_equal(rows.row(0), second)


def test_values_that_are_not_finite_are_no_values(tmp_path):
    values = np.zeros(SHAPE)
    values[0, 0] = np.nan, np.inf
    values[1, 0] = 1e300, 3
    with VoxelRows(tmp_path / "rows", 1, SHAPE) as rows:
        rows.write(0, values)
        assert rows.n_voxels == 1
        np.testing.assert_array_equal(rows.row(0)[1, 0], [0, 3])


def test_no_values_give_no_chunks(tmp_path):
    with VoxelRows(tmp_path / "rows", 2, SHAPE) as rows:
        rows.write(0, np.zeros(SHAPE))
        assert list(rows.chunks()) == []
        assert not rows.row(0).any()


def test_the_file_is_deleted_at_the_end_also_after_an_error(tmp_path):
    path = tmp_path / "folder" / "rows"

    def fail():
        with VoxelRows(path, 1, SHAPE) as rows:
            assert path.is_file()
            rows.write(0, np.ones((2, 2)))

    with pytest.raises(ValueError, match="shape"):
        fail()
    assert not path.exists()


@pytest.mark.parametrize("row", [-1, 2])
def test_a_row_that_does_not_exist_is_refused(tmp_path, row):
    with VoxelRows(tmp_path / "rows", 2, SHAPE) as rows:
        with pytest.raises(ValueError, match="rows 0 to 1"):
            rows.write(row, np.ones(SHAPE))
        with pytest.raises(ValueError, match="rows 0 to 1"):
            rows.row(row)


def test_a_disk_without_space_is_an_error_of_the_operating_system(tmp_path):
    # The limit of the size of files stands for a full disk.
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with VoxelRows(tmp_path / "rows", 1, SHAPE) as rows:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                rows.write(0, np.ones(SHAPE))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "rows").exists()


def test_a_file_that_another_process_truncates_is_an_error(tmp_path):
    with VoxelRows(tmp_path / "rows", 1, SHAPE) as rows:
        rows.write(0, np.ones(SHAPE))
        os.truncate(tmp_path / "rows", 0)
        with pytest.raises(OSError, match="truncated"):
            rows.row(0)


@pytest.mark.parametrize("n_rows", [0, 1, 1000, 1024, 5000, 100_000, 10**8])
def test_a_chunk_of_all_rows_fits_into_64_mib(n_rows):
    assert 1 <= chunk_length(n_rows) <= 16384
    assert chunk_length(n_rows) * 4 * n_rows <= 64 * 2**20 or chunk_length(n_rows) == 1
