import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.stats.common_voxels import common_voxels, missing_fraction, restrict_in_place


def maps_with_holes(n_participants, n_voxels, holes):
    """Create maps of ones with NaN at the voxels of `holes`, by participant."""
    maps = np.ones((n_participants, n_voxels), np.float32)
    for participant, voxels in holes.items():
        maps[participant, voxels] = np.nan
    return maps


def test_voxels_with_a_value_in_all_maps_are_common():
    maps = maps_with_holes(4, 100, {0: slice(0, 5), 2: slice(3, 8), 3: [99]})
    common, excluded_rows = common_voxels(maps)
    np.testing.assert_array_equal(np.flatnonzero(~common), [*range(8), 99])
    assert excluded_rows.size == 0


def test_a_participant_without_many_voxels_is_excluded_and_removes_none():
    maps = maps_with_holes(5, 100, {1: slice(0, 40), 3: [7]})
    common, excluded_rows = common_voxels(maps)
    np.testing.assert_array_equal(excluded_rows, [1])
    np.testing.assert_array_equal(np.flatnonzero(~common), [7])


def test_voxels_that_most_maps_lack_exclude_no_participant():
    maps = maps_with_holes(5, 100, dict.fromkeys(range(5), slice(0, 30)))
    maps[0] = 1
    common, excluded_rows = common_voxels(maps)
    assert common.sum() == 70
    assert excluded_rows.size == 0


def test_participants_without_a_map_remove_no_voxel_and_miss_none():
    maps = maps_with_holes(3, 10, {1: slice(None)})
    assert common_voxels(maps)[0].all()
    np.testing.assert_array_equal(missing_fraction(maps), [0, np.nan, 0])
    common, excluded_rows = common_voxels(maps * np.nan)
    assert common.all()
    assert excluded_rows.size == 0


@settings(deadline=None)
@given(seed=st.integers(0, 999))
def test_restricted_maps_of_remaining_participants_are_finite(seed):
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(int(rng.integers(1, 150)), 40)).astype(np.float32)
    maps[rng.random(maps.shape) < 0.01] = np.inf
    expected = maps.copy()
    common, excluded_rows = common_voxels(maps)
    restricted = restrict_in_place(maps, common)
    np.testing.assert_array_equal(restricted, expected[:, common])
    assert np.isfinite(np.delete(restricted, excluded_rows, axis=0)).all()


def test_maps_are_restricted_without_a_copy():
    maps = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert np.shares_memory(restrict_in_place(maps, np.array([True, False, True, True])), maps)
    assert restrict_in_place(maps, np.ones(4, bool)).shape == (3, 4)
