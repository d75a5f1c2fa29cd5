"""Means over blocks of voxels."""

import numpy as np

from bids_deeptaskgen.stats.block_means import number_blocks

POINTS = np.argwhere(np.ones((9, 5, 6), bool))
MEANS, BLOCKS = number_blocks(POINTS, 4)
RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(3, len(POINTS))).astype(np.float32)


def test_each_mean_is_that_of_the_voxels_in_its_cube():
    volume = MAPS[1].reshape(9, 5, 6)
    result = MEANS.apply(MAPS)[1]
    assert len(result) == len(BLOCKS) == 3 * 2 * 2
    for value, (i, j, k) in zip(result, 4 * BLOCKS, strict=True):
        np.testing.assert_allclose(value, volume[i : i + 4, j : j + 4, k : k + 4].mean(), atol=1e-6)


def test_voxels_without_values_do_not_count():
    voxels = POINTS[:, 0] >= 5
    maps = np.where(voxels, MAPS, np.float32(1e6))
    result = MEANS.apply(maps, voxels)
    assert np.isnan(result[:, BLOCKS[:, 0] == 0]).all()
    volume = MAPS[0].reshape(9, 5, 6)
    (block,) = np.flatnonzero((BLOCKS == (1, 0, 0)).all(axis=1))
    np.testing.assert_allclose(result[0, block], volume[5:8, :4, :4].mean(), atol=1e-6)


def test_block_means_are_linear():
    np.testing.assert_allclose(
        MEANS.apply(2 * MAPS[:1] + MAPS[1:2]), 2 * MEANS.apply(MAPS)[:1] + MEANS.apply(MAPS)[1:2], atol=1e-5
    )


def test_equal_values_remain():
    np.testing.assert_allclose(MEANS.apply(np.full_like(MAPS, 3)), 3)
