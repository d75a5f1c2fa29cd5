"""Functional ROIs: the voxels with the largest values, their position and lateralisation."""

import numpy as np
import pytest

from bids_deeptaskgen.cohort_store.regions.functional_rois import (
    lateralisation_index,
    measure_roi,
    roi_size,
    select_top,
)
from bids_deeptaskgen.grid import OUTPUT_GRID

# A box of voxels on both sides of the midline (x = 0 at index 45) as the search space.
BOX = np.zeros(OUTPUT_GRID.shape, bool)
BOX[35:56, 50:56, 30:36] = True
POSITIONS = np.argwhere(BOX) @ OUTPUT_GRID.matrix[:3, :3].T + OUTPUT_GRID.matrix[:3, 3]
LEFT_BLOB, RIGHT_BLOB = np.s_[37:40, 51:54, 31:34], np.s_[51:54, 51:54, 31:34]


def plant(*blobs, peak=None):
    """Return a map in the box: noise, a high value in blobs, and the highest at the peak; and the blobs."""
    volume = np.random.default_rng(0).standard_normal(OUTPUT_GRID.shape).astype(np.float32)
    planted = np.zeros(OUTPUT_GRID.shape, bool)
    for blob in blobs:
        planted[blob] = True
    volume[planted] += 100
    if peak:
        volume[peak] += 100
    return volume[BOX], planted[BOX]


def percent_of(planted):
    return 100 * planted.sum() / planted.size


@pytest.mark.parametrize(
    ("blobs", "peak", "index"),
    [
        ((LEFT_BLOB,), (38, 52, 33), 1),
        ((RIGHT_BLOB,), (52, 53, 32), -1),
        ((LEFT_BLOB, RIGHT_BLOB), (37, 51, 31), 0),
    ],
)
def test_a_planted_functional_roi_is_found_exactly(blobs, peak, index):
    values, planted = plant(*blobs, peak=peak)
    selection = select_top(values, percent_of(planted))
    assert np.array_equal(selection, planted)
    roi = measure_roi(values, selection, POSITIONS)
    assert roi.n_available == BOX.sum()
    assert roi.n_voxels == 27 * len(blobs)
    assert roi.volume_mm3 == 8 * roi.n_voxels
    expected_peak = np.array(peak) * 2 + [-90, -126, -72]
    assert np.allclose([roi.peak_x_mm, roi.peak_y_mm, roi.peak_z_mm], expected_peak)
    # Blobs are symmetric around their middle voxels at y = 52, z = 32.
    centre_x = {1: 2 * 38 - 90, -1: 2 * 52 - 90, 0: 0}[index]
    centre = [roi.centre_x_mm, roi.centre_y_mm, roi.centre_z_mm]
    assert np.allclose(centre, [centre_x, 2 * 52 - 126, 2 * 32 - 72])
    assert roi.lateralisation_index == pytest.approx(index)
    assert roi.peak == values.max()
    assert roi.mean == pytest.approx(values[planted].mean(dtype=float))
    assert roi.minimum == values[planted].min()


def test_voxels_without_a_value_are_neither_selected_nor_counted():
    values, planted = plant(LEFT_BLOB)
    missing_voxels = np.flatnonzero(planted)[:7]
    values[missing_voxels] = np.nan
    values[np.flatnonzero(~planted)[:200]] = np.nan
    n_available = len(values) - 207
    selection = select_top(values, 100 * 20 / n_available)
    assert np.array_equal(np.flatnonzero(selection), np.flatnonzero(planted)[7:])
    assert measure_roi(values, selection, POSITIONS).n_available == n_available


def test_100_percent_selects_all_voxels_with_a_value():
    values, _ = plant()
    values[::3] = np.nan
    assert np.array_equal(select_top(values, 100), np.isfinite(values))


def test_the_first_of_equal_values_at_the_limit_are_selected():
    values = np.array([1, 5, 3, 3, np.nan, 3, 3, 0, 0, 0, 0], np.float32)
    assert np.flatnonzero(select_top(values, 30)).tolist() == [1, 2, 3]
    assert np.flatnonzero(select_top(np.zeros(10), 20)).tolist() == [0, 1]


def test_selection_equals_that_of_a_stable_sort():
    rng = np.random.default_rng(1)
    for percent in (0.1, 5, 37, 99):
        values = rng.integers(-4, 4, 211).astype(np.float32)
        values[rng.random(211) < 0.2] = np.nan
        n_voxels = max(1, round(percent / 100 * np.isfinite(values).sum()))
        order = np.argsort(-np.where(np.isnan(values), -np.inf, values), kind="stable")[:n_voxels]
        assert np.flatnonzero(select_top(values, percent)).tolist() == sorted(order)
        assert roi_size(int(np.isfinite(values).sum()), percent) == n_voxels


def test_a_region_without_values_has_an_empty_functional_roi():
    values = np.full(4, np.nan, np.float32)
    selection = select_top(values, 10)
    roi = measure_roi(values, selection, POSITIONS[:4])
    assert (selection.any(), roi.n_available, roi.n_voxels, roi.volume_mm3) == (False, 0, 0, 0)
    assert all(np.isnan(value) for value in roi[3:])


def test_the_index_does_not_depend_on_the_number_of_available_voxels_of_a_side():
    x_mm = np.array([-2.0] * 30 + [2.0] * 10)
    selection = np.zeros(40, bool)
    selection[[0, 1, 2, 30]] = True
    assert lateralisation_index(selection, np.ones(40, bool), x_mm) == pytest.approx(0)
    # Half of the left voxels have no value: the share on the left doubles, 0.2 and 0.1.
    has_value = np.arange(40) % 30 < 15
    assert lateralisation_index(selection, has_value, x_mm) == pytest.approx(1 / 3)


def test_voxels_on_the_midline_are_on_neither_side():
    x_mm = np.array([-2.0, -2, 0, 0, 2, 2])
    selection = np.array([True, False, True, True, False, False])
    assert lateralisation_index(selection, np.ones(6, bool), x_mm) == 1
    on_midline = np.array([False, False, True, True, False, False])
    assert np.isnan(lateralisation_index(on_midline, np.ones(6, bool), x_mm))


def test_a_region_of_one_hemisphere_has_no_index_even_if_some_voxels_cross_the_midline():
    has_value = np.ones(100, bool)
    for n_right in (0, 4):
        x_mm = np.where(np.arange(100) < 100 - n_right, -2.0, 2.0)
        assert np.isnan(lateralisation_index(has_value, has_value, x_mm))
    assert lateralisation_index(has_value, has_value, np.where(np.arange(100) < 95, -2.0, 2.0)) == 0
