import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nilearn import datasets

from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask, on_grid
from bids_deeptaskgen.grid import FULL_MODEL_GRID, MODEL_GRID, OUTPUT_GRID, Grid, model_to_output
from bids_deeptaskgen.simulation.coordinate_rois import (
    coordinate_rois,
    mirror_groups,
    truncated_gaussian,
)


@pytest.fixture(scope="module")
def rois():
    return coordinate_rois()


def to_mm(grid, voxels):
    return voxels @ grid.matrix[:3, :3].T + grid.matrix[:3, 3]


def test_the_brain_mask_has_the_published_number_of_voxels():
    assert brain_mask().shape == MODEL_GRID.shape
    assert brain_mask().sum() == 235_375


def test_the_grey_matter_mask_is_a_part_of_the_brain():
    assert grey_matter_mask().sum() == 202_292
    assert not (grey_matter_mask() & ~brain_mask()).any()


def test_no_voxel_of_the_brain_is_lost_by_the_crop():
    assert brain_mask(FULL_MODEL_GRID).sum() == brain_mask().sum()


@pytest.mark.parametrize("mask", [brain_mask, grey_matter_mask])
def test_masks_are_asymmetric_and_the_same_in_las_and_ras(mask):
    assert not np.array_equal(mask(), mask()[::-1])
    np.testing.assert_array_equal(model_to_output(mask()), mask(OUTPUT_GRID))


@pytest.mark.parametrize("grid", [MODEL_GRID, OUTPUT_GRID])
def test_a_mask_has_at_each_point_of_space_what_nilearn_has_there(grid):
    image = datasets.load_mni152_brain_mask(resolution=2)
    voxels = np.random.default_rng(0).integers(0, grid.shape, (2000, 3))
    in_image = np.rint((to_mm(grid, voxels) - image.affine[:3, 3]) / np.diag(image.affine)[:3]).astype(int)
    expected = np.asarray(image.dataobj)[tuple(in_image.T)] > 0
    np.testing.assert_array_equal(brain_mask(grid)[tuple(voxels.T)], expected)


def test_masks_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        brain_mask()[0, 0, 0] = True


def test_an_image_sampled_at_other_points_is_refused():
    shifted = Grid.from_image(
        (10, 10, 10), np.diag([2.0, 2, 2, 1]) + np.pad([[0.7], [0], [0], [0]], [(0, 0), (3, 0)])
    )
    with pytest.raises(ValueError, match="different points in space"):
        on_grid(datasets.load_mni152_brain_mask(resolution=2), shifted)


def test_roi_maps_are_zero_outside_the_brain_and_reach_one(rois):
    assert rois.shape == (50, *MODEL_GRID.shape)
    assert rois.dtype == np.float32
    assert (rois[:, ~brain_mask()] == 0).all()
    assert (rois >= 0).all()
    np.testing.assert_allclose(rois.max(axis=(1, 2, 3)), 1)


def test_roi_maps_are_where_the_regions_are_and_not_mirrored(rois):
    points = datasets.fetch_coords_dosenbach_2010().rois[["x", "y", "z"]].to_numpy(float)
    voxels = np.rint((points - MODEL_GRID.matrix[:3, 3]) / np.diag(MODEL_GRID.matrix)[:3]).astype(int)
    in_brain = brain_mask()[tuple(voxels.T)]
    strongest = rois.max(axis=0)
    assert (strongest[tuple(voxels[in_brain].T)] > 0.4).all()
    mirrored = voxels.copy()
    mirrored[:, 0] = np.rint((-points[:, 0] - MODEL_GRID.matrix[0, 3]) / MODEL_GRID.matrix[0, 0])
    assert (strongest[tuple(mirrored[in_brain].T)] < 0.1).sum() > 5


def test_roi_maps_are_well_conditioned(rois):
    maps = rois[:, brain_mask()].astype(float)
    maps -= maps.mean(axis=1, keepdims=True)
    assert np.linalg.cond(maps @ maps.T) < 100


def test_roi_maps_are_small_on_disk(rois):
    rounded = np.rint(rois * 255).astype(np.uint8)
    assert len(gzip.compress(np.ascontiguousarray(rounded.T).tobytes())) < 400_000


def test_most_roi_maps_are_bilateral(rois):
    x_mm = MODEL_GRID.matrix[0, 3] + MODEL_GRID.matrix[0, 0] * np.arange(MODEL_GRID.shape[0])
    along_x = rois.sum(axis=(2, 3))
    left_share = along_x[:, x_mm < 0].sum(axis=1) / along_x.sum(axis=1)
    assert ((left_share > 0.1) & (left_share < 0.9)).mean() > 0.6


POINTS = hnp.arrays(
    float, st.tuples(st.integers(3, 12), st.just(3)), elements=st.integers(-90, 90), unique=True
)


@settings(deadline=None)
@given(points=POINTS, data=st.data())
def test_mirroring_points_does_not_change_their_groups(points, data):
    n_groups = data.draw(st.integers(1, len(points)))
    signs = data.draw(hnp.arrays(int, len(points), elements=st.sampled_from([-1, 1])))
    mirrored = points * np.stack([signs, np.ones_like(signs), np.ones_like(signs)], axis=1)
    np.testing.assert_array_equal(mirror_groups(points, n_groups), mirror_groups(mirrored, n_groups))


@pytest.mark.parametrize("n_groups", [0, 4])
def test_an_impossible_number_of_groups_is_refused(n_groups):
    with pytest.raises(ValueError, match="n_groups is"):
        mirror_groups(np.eye(3), n_groups)


def test_a_truncated_gaussian_falls_from_one_to_zero_without_a_step():
    distance = np.linspace(0, 30, 301)
    values = truncated_gaussian(distance**2, 6.0, 13.0)
    assert values[0] == pytest.approx(1)
    assert (np.diff(values) <= 0).all()
    assert (values[distance >= 13.01] == 0).all()
    assert np.abs(np.diff(values)).max() < 0.02
