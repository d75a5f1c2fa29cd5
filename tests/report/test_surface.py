import numpy as np
import pytest

from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.report.map_images import encode_signed
from bids_deeptaskgen.report.surface import (
    N_COARSE,
    N_VERTICES,
    VIEW_WIDTH,
    VIEWS,
    depth_points,
    draw_surface,
    make_surface_sampler,
)
from tests.report.page_content import mask


def coordinates(axis):
    """Return a volume of the position along an axis in mm."""
    shape = [1, 1, 1]
    shape[axis] = -1
    values = OUTPUT_GRID.matrix[axis, 3] + 2.0 * np.arange(OUTPUT_GRID.shape[axis])
    return np.broadcast_to(values.reshape(shape), OUTPUT_GRID.shape)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_linear_volume_is_sampled_at_the_mean_of_the_depths(axis):
    sampler = make_surface_sampler(np.ones(OUTPUT_GRID.shape, bool))
    expected = depth_points().mean(axis=0)[:, axis]
    assert sampler.sample(coordinates(axis)) == pytest.approx(expected, abs=1e-3)


def test_voxels_outside_the_mask_do_not_count():
    volume = np.where(mask(), 1, np.nan)
    values = make_surface_sampler(mask()).sample(volume)
    assert values[np.isfinite(values)] == pytest.approx(1, abs=1e-5)
    assert 0.9 < np.isfinite(values).mean() < 1


def test_equal_masks_share_one_sampler():
    assert make_surface_sampler(mask()) is make_surface_sampler(mask().copy())


def test_pixels_of_a_view_belong_to_its_hemisphere():
    picture = draw_surface()
    vertices = np.full(picture.places.max() + 1, -1)
    vertices[picture.places] = np.arange(2 * N_VERTICES)
    for number, (side, _, _) in enumerate(VIEWS):
        pixels = picture.pixels[:, number * VIEW_WIDTH : (number + 1) * VIEW_WIDTH]
        drawn = vertices[pixels[pixels >= 0]]
        assert (drawn >= 0).all()
        assert set(np.unique(drawn // N_VERTICES)) == {("left", "right").index(side)}
        assert (
            (pixels >= 0) == (picture.shading[:, number * VIEW_WIDTH :][:, :VIEW_WIDTH] > 0)
        ).mean() > 0.999


@pytest.mark.parametrize(("number", "anterior_is_left"), [(0, True), (1, False), (2, True), (3, False)])
def test_lateral_and_medial_views_are_seen_from_their_sides(number, anterior_is_left):
    picture = draw_surface()
    positions = np.zeros((picture.places.max() + 1, 3))
    positions[picture.places] = depth_points().mean(axis=0)
    pixels = picture.pixels[:, number * VIEW_WIDTH : (number + 1) * VIEW_WIDTH]
    rows, columns = np.nonzero(pixels >= 0)
    points = positions[pixels[rows, columns]]
    along = np.corrcoef(columns, points[:, 1])[0, 1]
    assert np.sign(along) == (-1 if anterior_is_left else 1)
    assert np.corrcoef(rows, points[:, 2])[0, 1] < -0.9
    is_lateral = "lateral" in VIEWS[number][2]
    assert (np.abs(points[:, 0]).mean() > 30) == is_lateral


def test_coarse_pictures_have_the_vertices_of_fsaverage4_at_their_places():
    fine, coarse = draw_surface(), draw_surface(N_COARSE)
    assert ((fine.pixels < 0) == (coarse.pixels < 0)).all()
    heights = encode_signed(depth_points().mean(axis=0)[:, 2], 100.0)
    drawn = [picture.arrange(heights).ravel()[picture.pixels.clip(0)] for picture in (fine, coarse)]
    difference = np.abs(drawn[0].astype(int) - drawn[1])[fine.pixels >= 0]
    assert np.median(difference) < 5
    assert coarse.arrange(heights).size < fine.arrange(heights).size / 3.8


def test_the_order_of_the_image_loses_no_vertex():
    picture = draw_surface()
    values = np.random.default_rng(0).integers(0, 256, 2 * N_VERTICES, np.uint8)
    assert (picture.arrange(values).ravel()[picture.places] == values).all()
    assert np.unique(picture.places).size == 2 * N_VERTICES
