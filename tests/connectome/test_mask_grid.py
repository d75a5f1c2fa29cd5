"""A mask belongs to a series if it has the same points of space; otherwise the message says what differs."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from bids_deeptaskgen.connectome.brain_mask import read_mask
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import Grid
from tests.io.headers import alter

AFFINE = np.array([[3.0, 0, 0, -60], [0, 3, 0, -70], [0, 0, 3, -50], [0, 0, 0, 1]])
SHAPE = (8, 9, 10)
GRID = Grid.from_image(SHAPE, AFFINE)
MASK = np.random.default_rng(0).random(SHAPE) > 0.5


def save(path, data=MASK, affine=AFFINE):
    nib.Nifti1Image(data.astype(np.uint8), affine).to_filename(path)
    return path


def refusal(path):
    with pytest.raises(InputError) as error:
        read_mask(path, GRID)
    return str(error.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("codes", ["LAS", "PIR", "SRA"])
def test_a_mask_in_another_order_of_axes_is_the_same_mask(tmp_path, codes):
    image = nib.Nifti1Image(MASK.astype(np.uint8), AFFINE)
    image = image.as_reoriented(ornt_transform(io_orientation(AFFINE), axcodes2ornt(codes)))
    image.to_filename(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.nii.gz", GRID), MASK)


def test_a_fourth_axis_of_one_volume_does_not_matter(tmp_path):
    np.testing.assert_array_equal(read_mask(save(tmp_path / "mask.nii.gz", MASK[..., None]), GRID), MASK)


@pytest.mark.parametrize("ending", [bytes(100), b"\r\n"])
def test_bytes_after_a_gzipped_mask_do_not_matter(tmp_path, ending):
    path = save(tmp_path / "mask.nii.gz")
    path.write_bytes(path.read_bytes() + ending)
    np.testing.assert_array_equal(read_mask(path, GRID), MASK)


def test_a_mask_of_several_volumes_has_too_many_axes(tmp_path):
    path = save(tmp_path / "mask.nii.gz", np.stack([MASK, MASK], axis=3))
    assert refusal(path).startswith("the mask has 4 axes (8x9x10x2); a mask has 3.")


@pytest.mark.parametrize(
    ("data", "affine", "words"),
    [
        (MASK[1:], AFFINE, "it has 7x9x10 voxels, not 8x9x10"),
        (MASK, AFFINE + [[0, 0, 0, 0.5], *[[0] * 4] * 3], "it is shifted by 0.5 mm (x +0.5, y 0, z 0)"),
        (MASK, AFFINE @ np.diag([-1, 1, 1, 1]), "it has axes LAS, not RAS, is shifted by 21 mm"),
        (MASK, AFFINE * [1, 1, 1.1, 1], "has voxels of 3 x 3 x 3.3 mm, not 3 x 3 x 3 mm"),
    ],
)
def test_a_mask_on_another_grid_is_refused_with_the_difference(tmp_path, data, affine, words):
    text = refusal(save(tmp_path / "mask.nii.gz", data, affine))
    assert text.startswith("the mask is not on the BOLD's grid: it ")
    assert words in text


def test_a_mask_without_orientation_is_named(tmp_path):
    path = save(tmp_path / "mask.nii.gz")
    alter(path, sform_code=0, qform_code=0)
    assert "both codes are 0" in refusal(path)
