"""Laws of grids: every value keeps its point of space, whatever the order of the axes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from bids_deeptaskgen.grid import (
    CROP,
    FULL_MODEL_GRID,
    MODEL_GRID,
    OUTPUT_GRID,
    Grid,
    make_sampler,
    model_to_output,
    voxel_positions,
)


def sample(source, target, volume, wanted=None):
    wanted = np.ones(target.shape, bool) if wanted is None else wanted
    sampler = make_sampler(source, target, wanted)
    out = np.empty((1, int(sampler.is_covered.sum())))
    sampler.take([volume.ravel(order="F")], out)
    return sampler, out[0]


def reoriented(volume, affine, order, flips):
    """Return the same image with permuted and flipped axes, and its affine."""
    matrix = np.eye(4)
    for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
        matrix[:3, new] = 0
        matrix[old, new] = -1 if flip else 1
        if flip:
            matrix[old, 3] = volume.shape[old] - 1
    turned = volume.transpose(order)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    return turned, affine @ matrix


SMALL = Grid.from_image((7, 9, 6), np.array([[-2, 0, 0, 8], [0, 2, 0, -10], [0, 0, 2, -4], [0, 0, 0, 1.0]]))


@given(st.permutations(range(3)), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_any_order_and_direction_of_axes_gives_the_same_values_without_interpolation(order, flips):
    volume = np.random.default_rng(0).standard_normal(SMALL.shape)
    turned, affine = reoriented(volume, SMALL.matrix, order, flips)
    sampler, values = sample(Grid.from_image(turned.shape, affine), SMALL, turned)
    assert not sampler.resamples
    np.testing.assert_array_equal(values, volume.ravel())


def test_template_flow_grid_is_the_mirrored_model_grid():
    volume = np.arange(np.prod(OUTPUT_GRID.shape), dtype=np.float64).reshape(OUTPUT_GRID.shape)
    sampler, values = sample(OUTPUT_GRID, MODEL_GRID, volume)
    assert not sampler.resamples
    np.testing.assert_array_equal(values.reshape(MODEL_GRID.shape), volume[::-1][CROP])


def test_a_map_written_out_and_taken_back_is_the_same():
    volume = np.random.default_rng(1).standard_normal((2, *MODEL_GRID.shape)).astype(np.float32)
    out = model_to_output(volume)
    assert out.shape == (2, *OUTPUT_GRID.shape)
    _, values = sample(OUTPUT_GRID, MODEL_GRID, out[1])
    np.testing.assert_array_equal(values.reshape(MODEL_GRID.shape), volume[1])


def test_the_left_hand_stays_left():
    volume = np.zeros(MODEL_GRID.shape, np.float32)
    i, j, k = np.rint(
        voxel_positions(MODEL_GRID, Grid.from_image((1, 1, 1), _at(-38, -22, 56)), np.ones((1, 1, 1), bool))[
            0
        ]
    ).astype(int)
    volume[i, j, k] = 1
    peak = np.argwhere(model_to_output(volume))[0]
    np.testing.assert_allclose(OUTPUT_GRID.matrix[:3, :3] @ peak + OUTPUT_GRID.matrix[:3, 3], (-38, -22, 56))


def _at(x, y, z):
    affine = np.eye(4)
    affine[:3, 3] = x, y, z
    return affine


@settings(deadline=None, max_examples=25)
@given(st.floats(1.1, 6).filter(lambda size: abs(size - 2) > 0.05), st.tuples(*[st.floats(-1, 1)] * 3))
def test_another_resolution_is_interpolated_linearly(size, shift):
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = np.array([-10, -14, -8]) + shift
    source = Grid.from_image((9, 11, 8), affine)
    volume = np.random.default_rng(2).standard_normal(source.shape)
    sampler, values = sample(source, SMALL, volume)
    positions = voxel_positions(source, SMALL, np.ones(SMALL.shape, bool))[sampler.is_covered]
    np.testing.assert_allclose(
        values, map_coordinates(volume, positions.T, order=1, mode="nearest"), atol=1e-5
    )


def test_a_plane_is_resampled_exactly_even_at_the_border():
    source = Grid.from_image((5, 5, 5), np.diag([4.0, 4, 4, 1]))
    target = Grid.from_image((9, 9, 9), np.diag([2.0, 2, 2, 1]))
    volume = np.indices(source.shape).sum(axis=0).astype(float)
    sampler, values = sample(source, target, volume)
    assert sampler.is_covered.all()
    np.testing.assert_allclose(values, np.indices(target.shape).sum(axis=0).ravel() / 2, atol=1e-6)


def test_voxels_outside_the_image_are_not_sampled():
    half = Grid.from_image((91, 109, 40), OUTPUT_GRID.matrix)
    sampler, values = sample(half, MODEL_GRID, np.ones(half.shape))
    inside = sampler.is_covered.reshape(MODEL_GRID.shape)
    assert inside[:, :, :40].all()
    assert not inside[:, :, 40:].any()
    assert len(values) == inside.sum()


def test_a_restricted_sampler_takes_the_same_values():
    volume = np.random.default_rng(3).standard_normal(OUTPUT_GRID.shape)
    sampler, values = sample(OUTPUT_GRID, SMALL, volume)
    is_kept = np.random.default_rng(4).random(len(values)) > 0.5
    out = np.empty((1, is_kept.sum()))
    sampler.select(is_kept).take([volume.ravel(order="F")], out)
    np.testing.assert_array_equal(out[0], values[is_kept])


def test_the_model_box_lies_in_the_full_grid():
    corner = FULL_MODEL_GRID.matrix @ [7, 9, 0, 1]
    np.testing.assert_array_equal(corner, MODEL_GRID.matrix[:, 3])


@pytest.mark.parametrize("grid", [MODEL_GRID, OUTPUT_GRID])
def test_a_grid_says_what_it_is(grid):
    assert "2 x 2 x 2 mm" in str(grid)


def test_what_lies_outside_the_mask_does_not_reach_resampled_voxels():
    """Check values and NaN; METHOD: voxels outside the brain are set to zero first."""
    coarse = Grid.from_image(
        (31, 37, 31),
        np.diag([6.0, 6, 6, 1]) + np.array([[0, 0, 0, -90], [0, 0, 0, -126], [0, 0, 0, -72], [0] * 4]),
    )
    points = np.stack(np.meshgrid(*map(np.arange, coarse.shape), indexing="ij"), axis=-1)
    mask = np.linalg.norm(points - np.array([15, 18, 15]), axis=-1) < 10
    sampler = make_sampler(coarse, MODEL_GRID, np.ones(MODEL_GRID.shape, bool)).restrict_to(mask)
    assert sampler.resamples
    taken = np.empty((2, int(sampler.is_covered.sum())))
    volumes = [np.where(mask, 5.0, outside).ravel(order="F") for outside in (1e6, np.nan)]
    sampler.take(volumes, taken)
    np.testing.assert_allclose(taken, 5.0, rtol=1e-6)
    # Half a voxel at the border more or less, not a shell.
    assert 0.9 < 8 * sampler.is_covered.sum() / (216 * mask.sum()) < 1.1
