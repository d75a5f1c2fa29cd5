"""Differences between grids are described, and orders of axes are exchanged without a change of values."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from bids_deeptaskgen.grid import FULL_MODEL_GRID, MODEL_GRID, OUTPUT_GRID, Grid
from bids_deeptaskgen.grid_comparison import axis_codes, describe_difference, describe_placement, reorder

ORDERS = ["".join(codes) for axes in permutations(("RL", "AP", "SI")) for codes in product(*axes)]


def turned(affine, degrees):
    angle = np.radians(degrees)
    rotation = np.eye(4)
    rotation[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return rotation @ affine


def moved(affine, *shift_mm):
    shift = np.eye(4)
    shift[:3, 3] = shift_mm
    return shift @ affine


@pytest.mark.parametrize("codes", ORDERS)
@pytest.mark.parametrize("degrees", [0, 20])
def test_every_order_of_axes_gives_the_same_values(codes, degrees):
    values = np.random.default_rng(0).random((4, 5, 6, 2))
    affine = turned(np.diag([2.0, 3, 4, 1]), degrees)
    image = nib.Nifti1Image(values, affine)
    other = image.as_reoriented(ornt_transform(io_orientation(affine), axcodes2ornt(codes)))
    source = Grid.from_image(other.shape, other.affine)
    assert axis_codes(other.affine) == codes
    result = reorder(np.asarray(other.dataobj), source, Grid.from_image(image.shape, affine))
    np.testing.assert_array_equal(result, values)


@pytest.mark.parametrize(
    ("affine", "shape", "words"),
    [
        (moved(OUTPUT_GRID.matrix, 2, 0, 0), OUTPUT_GRID.shape, "is shifted by 2 mm (x +2, y 0, z 0)"),
        (
            moved(OUTPUT_GRID.matrix, 0, -0.05, 0),
            OUTPUT_GRID.shape,
            "is shifted by 0.05 mm (x 0, y -0.05, z 0)",
        ),
        (turned(OUTPUT_GRID.matrix, 5), OUTPUT_GRID.shape, "is rotated by 5.0 degrees"),
        (OUTPUT_GRID.matrix, (91, 109, 90), "has 91x109x90 voxels, not 91x109x91"),
        (
            OUTPUT_GRID.matrix * [1.5, 1, 1, 1],
            OUTPUT_GRID.shape,
            "has voxels of 3 x 2 x 2 mm, not 2 x 2 x 2 mm",
        ),
        (MODEL_GRID.matrix, MODEL_GRID.shape, "has 76x93x78 voxels, not 91x109x91, axes LAS, not RAS"),
        (
            moved(FULL_MODEL_GRID.matrix, 1, 0, 0),
            FULL_MODEL_GRID.shape,
            "has axes LAS, not RAS, is shifted by 1 mm",
        ),
    ],
)
def test_grids_of_other_points_are_refused_with_their_difference(affine, shape, words):
    grid = Grid.from_image(shape, affine)
    with pytest.raises(ValueError, match=".") as error:
        reorder(np.zeros(shape), grid, OUTPUT_GRID)
    assert words in str(error.value)
    assert str(error.value) == describe_difference(grid, OUTPUT_GRID)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("degrees", [0, 10])
def test_a_mirrored_placement_is_named_by_its_axis(axis, degrees):
    shape, affine = (5, 6, 7), np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -np.array([4, 5, 6])
    flip = np.eye(4)
    flip[axis, axis] = -1
    text = describe_placement(turned(flip @ affine, degrees), affine, shape, shape)
    assert f"is mirrored along {'xyz'[axis]}" in text
    assert ("is rotated by 10.0 degrees" in text) == (degrees == 10)
    assert "shifted" not in text


def test_equal_grids_are_not_copied():
    values = np.zeros(OUTPUT_GRID.shape)
    assert reorder(values, OUTPUT_GRID, OUTPUT_GRID) is values
