import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.stats import common_voxels as voxels


def holes(n_participants, n_voxels, where):
    maps = np.ones((n_participants, n_voxels), np.float32)
    for participant, lacking in where.items():
        maps[participant, lacking] = np.nan
    return maps


def test_the_voxels_that_everybody_has_are_common():
    maps = holes(4, 100, {0: slice(0, 5), 2: slice(3, 8), 3: [99]})
    common, left_out = voxels.common_voxels(maps)
    np.testing.assert_array_equal(np.flatnonzero(~common), [*range(8), 99])
    assert left_out.size == 0


def test_who_would_cost_many_voxels_is_left_out_and_costs_none():
    maps = holes(5, 100, {1: slice(0, 40), 3: [7]})
    common, left_out = voxels.common_voxels(maps)
    np.testing.assert_array_equal(left_out, [1])
    np.testing.assert_array_equal(np.flatnonzero(~common), [7])


def test_what_most_people_lack_is_nobodys_fault():
    maps = holes(5, 100, dict.fromkeys(range(5), slice(0, 30)))
    maps[0] = 1
    common, left_out = voxels.common_voxels(maps)
    assert common.sum() == 70
    assert left_out.size == 0


def test_who_has_no_map_costs_nothing_and_lacks_nothing():
    maps = holes(3, 10, {1: slice(None)})
    assert voxels.common_voxels(maps)[0].all()
    np.testing.assert_array_equal(voxels.missing_fraction(maps), [0, np.nan, 0])
    common, left_out = voxels.common_voxels(maps * np.nan)
    assert common.all()
    assert left_out.size == 0


@settings(deadline=None)
@given(seed=st.integers(0, 999))
def test_after_cutting_down_nobody_who_remains_lacks_anything(seed):
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(int(rng.integers(1, 150)), 40)).astype(np.float32)
    maps[rng.random(maps.shape) < 0.01] = np.inf
    expected = maps.copy()
    common, left_out = voxels.common_voxels(maps)
    cut = voxels.restrict_in_place(maps, common)
    np.testing.assert_array_equal(cut, expected[:, common])
    assert np.isfinite(np.delete(cut, left_out, axis=0)).all()


def test_maps_are_cut_down_where_they_lie():
    maps = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert np.shares_memory(voxels.restrict_in_place(maps, np.array([True, False, True, True])), maps)
    assert voxels.restrict_in_place(maps, np.ones(4, bool)).shape == (3, 4)
