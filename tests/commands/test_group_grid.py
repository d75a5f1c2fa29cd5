"""Maps that are read back are averaged by their points of space, whatever their order of axes."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from bids_deeptaskgen.bids.output.results import read_results
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import OUTPUT_GRID
from tests.commands.test_group import LABELS, add_session, run
from tests.io.headers import alter

MAP = "sub-02/ses-a/func/*contrast-wm2bk*_statmap.nii.gz"


@pytest.fixture
def output(tmp_path):
    folder = tmp_path / "out"
    for number, subject in enumerate(("01", "02", "03"), start=1):
        add_session(folder, subject, "a", float(number))
    return folder


def map_of(output):
    (path,) = output.glob(MAP)
    return path


def resave(path, change):
    """Replace an image by a changed one; it is not mapped into memory."""
    change(nib.load(path, mmap=False)).to_filename(path)


def averages(output):
    run(output)
    return {path.name: path.read_bytes() for path in (output / "group").glob("*.nii.gz")}


@pytest.mark.parametrize("codes", ["LAS", "PIR", "SRA"])
def test_a_map_saved_in_another_order_of_axes_gives_the_same_averages(output, codes):
    expected = averages(output)

    def reoriented(image):
        return image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(codes)))

    resave(map_of(output), reoriented)
    assert nib.aff2axcodes(nib.load(map_of(output)).affine) == tuple(codes)
    assert averages(output) == expected


@pytest.mark.parametrize(
    "fields",
    [{"vox_offset": 0}, {"quatern_b": 1.5}, {"srow_x": 0, "srow_y": 0, "srow_z": 0}, {"scl_slope": np.nan}],
    ids=str,
)
def test_a_map_with_an_odd_header_gives_the_same_averages(output, fields):
    expected = averages(output)
    alter(map_of(output), **fields)
    assert averages(output) == expected


@pytest.mark.parametrize(
    ("affine", "data", "words"),
    [
        (OUTPUT_GRID.matrix @ np.diag([-1, 1, 1, 1]), 0, "has axes LAS, not RAS, is shifted by 180 mm"),
        (OUTPUT_GRID.matrix + [[0, 0, 0, 2], *[[0] * 4] * 3], 0, "is shifted by 2 mm (x +2, y 0, z 0)"),
        (OUTPUT_GRID.matrix, 1, "has 90x109x91 voxels, not 91x109x91"),
    ],
)
def test_a_map_on_other_points_is_refused_with_the_difference(output, affine, data, words):
    path = map_of(output)
    values = nib.load(path).get_fdata(dtype=np.float32)[data:]
    nib.Nifti1Image(values, affine).to_filename(path)
    (result,) = read_results(output, ["02"])
    with pytest.raises(InputError, match="is not on the grid of the maps") as error:
        result.read(output, LABELS)
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_a_map_whose_orientation_is_ambiguous_is_refused(output):
    alter(map_of(output), qoffset_x=0)
    (result,) = read_results(output, ["02"])
    with pytest.raises(InputError, match=r"qform and sform disagree.*is shifted by 90 mm"):
        result.read(output, LABELS)
