"""Headers are read by the rules of the format, or refused with a sentence that names the file."""

import gzip
import re

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.nifti_header import read_header
from bids_deeptaskgen.io.nifti_reader import check_orientation, load_image, open_series
from tests.io.headers import AFFINE, SHAPE, alter, data_of, image_of, write

NO_SFORM = {"sform_code": 0, "srow_x": 0, "srow_y": 0, "srow_z": 0}


def refusal(path, read=read_header):
    with pytest.raises(InputError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" in str(error.value), "no advice"
    return str(error.value).partition(": ")[2]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"srow_x": 0, "srow_y": 0, "srow_z": 0},
        {"srow_x": np.nan},
        {"srow_y": np.inf},
        {"srow_x": {0: 0}},
        {"srow_z": [0, 2, 0, 3]},
        {"srow_x": [-2e-30, 0, 0, 7]},
        {"srow_x": [-2, 0, 0, 1e30]},
        {"sform_code": 0},
        {"sform_code": -1},
        {"qform_code": 0, "quatern_b": np.nan},
        {"quatern_b": 1.4, "quatern_c": 1},
        {"quatern_b": np.nan},
        {"qoffset_x": np.inf},
        {"pixdim": {1: 0}},
        {"pixdim": {2: -2}},
        {"pixdim": {3: np.nan}},
        {"quatern_b": 1e30},
    ],
    ids=str,
)
def test_an_unusable_sform_or_qform_gives_way_to_the_other(tmp_path, fields):
    path = write(tmp_path / "a.nii", **fields)
    np.testing.assert_allclose(load_image(path).affine, AFFINE, atol=1e-5)
    check_orientation(path, read_header(path))


@pytest.mark.parametrize("excess", [1e-7, 1e-5, 1e-3, 4e-3])
@pytest.mark.parametrize("sform", [{}, NO_SFORM])
def test_a_quaternion_that_is_too_long_by_rounding_is_normalised(tmp_path, excess, sform):
    # The rotation by 180 degrees about y, which stores x from right to left.
    expected = np.array([[-2.0, 0, 0, 7], [0, 2, 0, -5], [0, 0, -2, 3], [0, 0, 0, 1]])
    image = image_of(affine=expected)
    image.to_filename(tmp_path / "a.nii")
    path = alter(tmp_path / "a.nii", quatern_b=0, quatern_c=1 + excess, quatern_d=0, **sform)
    np.testing.assert_allclose(load_image(path).affine, expected, atol=1e-4)
    check_orientation(path, read_header(path))


@pytest.mark.parametrize("seed", range(20))
def test_qform_and_sform_are_those_of_nibabel(tmp_path, seed):
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3] = rotation * rng.uniform(0.7, 4, 3)
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    image = nib.Nifti1Image(data_of(), None)
    image.set_qform(affine, code=1)
    image.to_filename(tmp_path / "a.nii")
    np.testing.assert_allclose(load_image(tmp_path / "a.nii").affine, image.get_qform(), atol=1e-4)
    image.set_sform(affine + np.eye(4, k=1) * [[0.1], [0], [0], [0]], code=2)
    image.to_filename(tmp_path / "a.nii")
    np.testing.assert_array_equal(load_image(tmp_path / "a.nii").affine, image.get_sform())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sform_code": 0, "qform_code": 0}, "both codes are 0"),
        ({"srow_x": 0, "srow_y": 0, "srow_z": 0, "qform_code": 0}, "the sform (code 4) is all zeros"),
        ({"srow_x": [2, 2, 2, 0], "srow_y": [2, 2, 2, 0], "qform_code": 0}, "the sform (code 4) is singular"),
        (NO_SFORM | {"pixdim": {2: 0}}, "the qform (code 4) has voxel sizes of 2 x 0 x 2 mm"),
        (NO_SFORM | {"quatern_b": 2}, "the qform (code 4) is no rotation"),
        (
            {"srow_x": np.nan, "quatern_c": np.nan},
            "not finite, and the qform (code 4) has values that are not",
        ),
    ],
)
def test_without_a_usable_orientation_the_header_is_named(tmp_path, fields, words):
    assert words in refusal(write(tmp_path / "a.nii.gz", **fields))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"qoffset_x": 97}, "the qform is shifted by 90 mm (x +90, y 0, z 0)"),
        ({"srow_x": [2, 0, 0, -1]}, "the qform is mirrored along x (axes LAS, not RAS)"),
        ({"pixdim": {3: 3}}, "has voxels of 2 x 2 x 3 mm, not 2 x 2 x 2 mm"),
        ({"quatern_c": 0.99}, "is rotated by 16.2 degrees"),
    ],
)
def test_a_disagreement_of_qform_and_sform_is_described(tmp_path, fields, words):
    path = write(tmp_path / "a.nii", **fields)
    assert words in refusal(path, lambda path: check_orientation(path, read_header(path)))


@pytest.mark.parametrize(
    ("unit", "factor"), [(0, 1.0), (2, 1.0), (1, 0.001), (3, 1000.0), (1, 1.0), (3, 1.0), (7, 1.0)]
)
def test_units_of_space_are_converted_unless_voxel_sizes_are_in_mm(tmp_path, unit, factor):
    affine = AFFINE.copy()
    affine[:3] *= factor
    image_of(affine=affine).to_filename(tmp_path / "a.nii")
    path = alter(tmp_path / "a.nii", xyzt_units=unit + 8)
    np.testing.assert_allclose(load_image(path).affine, AFFINE, atol=1e-4)


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [(8, 1.5, 1.5), (16, 1500, 1.5), (24, 1.5e6, 1.5), (0, 1.5, 1.5), (32, 1.5, None), (40, 1.5, None)]
    + [(8, value, None) for value in (0, -1.5, np.nan, np.inf)],
)
def test_the_repetition_time_is_in_seconds(tmp_path, unit, value, expected):
    path = write(tmp_path / "a.nii", xyzt_units=unit + 2, pixdim={4: value})
    t_r = open_series(path).t_r
    assert t_r == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_values_begin_after_the_header_if_the_offset_is_0(tmp_path, name, kind):
    path = write(tmp_path / name, kind=kind, vox_offset=0)
    np.testing.assert_array_equal(load_image(path).values(), data_of())
    (_, volumes), *_ = open_series(path).blocks()
    np.testing.assert_array_equal(volumes.reshape(3, *SHAPE[2::-1]).T, data_of())


def set_content(path, change):
    content = path.read_bytes()
    path.write_bytes(
        gzip.compress(change(gzip.decompress(content))) if path.suffix == ".gz" else change(content)
    )
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_an_offset_of_0_is_refused_if_the_length_of_the_file_does_not_fit(tmp_path, name):
    path = write(tmp_path / name, vox_offset=0)
    set_content(path, lambda content: content[:348] + content[352:])
    assert "truncated" in refusal(path, lambda path: load_image(path).values())
    set_content(write(path, vox_offset=0), lambda content: content + bytes(16))
    assert "does not state where its values begin" in refusal(path, lambda path: load_image(path).values())
    set_content(write(path, vox_offset=0), lambda content: content[:348] + b"\1" + content[349:])
    assert "extensions follow" in refusal(path)


@pytest.mark.parametrize("offset", [1, 347, 348, 351, -352, np.nan, np.inf, 352.5])
def test_an_offset_within_the_header_is_refused(tmp_path, offset):
    assert "values begin at byte" in refusal(write(tmp_path / "a.nii", vox_offset=offset))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_an_offset_beyond_the_end_is_refused(tmp_path, name):
    path = write(tmp_path / name, vox_offset=2000)
    assert "truncated" in refusal(path, lambda path: load_image(path).values())


@pytest.mark.parametrize("n_bytes", [1, 8, 16, 1000])
def test_bytes_between_header_and_values_are_skipped(tmp_path, n_bytes):
    path = write(tmp_path / "a.nii.gz", vox_offset=352 + n_bytes)
    set_content(path, lambda content: content[:352] + b"\xff" * n_bytes + content[352:])
    np.testing.assert_array_equal(load_image(path).values(), data_of())


def test_extensions_are_skipped(tmp_path):
    image = image_of()
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 1000))
    image.to_filename(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(load_image(tmp_path / "a.nii.gz").values(), data_of())


@pytest.mark.parametrize(
    ("dim", "expected"),
    [
        ([4, 5, 6, 4, 3, 1, 1, 1], SHAPE),
        ([7, 5, 6, 4, 3, 1, 1, 1], SHAPE),
        ([6, 5, 6, 4, 3, 0, 0, 0], SHAPE),
        ([5, 5, 6, 4, 1, 3, 1, 1], (5, 6, 4, 1, 3)),
        ([4, 5, 6, 12, 1, 9, 9, 9], (5, 6, 12, 1)),
        ([4, 5, 6, 12, 0, 1, 1, 1], (5, 6, 12, 1)),
        ([2, 20, 18, 1, 1, 1, 1, 1], (20, 18, 1)),
        ([1, 360, 1, 1, 1, 1, 1, 1], (360, 1, 1)),
    ],
)
def test_axes_of_length_1_at_the_end_do_not_count(tmp_path, dim, expected):
    assert load_image(write(tmp_path / "a.nii", dim=dim)).shape == expected


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dim": {0: 0}}, "no valid shape"),
        ({"dim": {0: 8}}, "no valid shape"),
        ({"dim": {0: -4}}, "no valid shape"),
        ({"dim": {1: 0}}, "no valid shape"),
        ({"dim": {2: -6}}, "no valid shape"),
        ({"dim": {4: 32767}}, "the header states 32767 volumes"),
        ({"dim": [7] + [32767] * 7}, "truncated"),
        ({"datatype": 0}, "type unknown"),
        ({"datatype": 1}, "type binary"),
        ({"datatype": 32}, "type complex64"),
        ({"datatype": 128}, "type RGB24"),
        ({"datatype": 1536}, "type float128"),
        ({"datatype": 77}, "type code 77"),
        ({"bitpix": 16}, "bitpix is 16"),
        ({"datatype": 64}, "values of type float64 have 64 bits, but bitpix is 32"),
        ({"scl_slope": 2, "scl_inter": np.nan}, "scl_inter is nan"),
        ({"magic": b"ni1"}, "half of a pair"),
        ({"magic": b""}, "perhaps Analyze 7.5"),
        ({"magic": b"n+2"}, "not its mark"),
        ({"sizeof_hdr": 347}, "its content is not NIfTI"),
    ],
    ids=str,
)
def test_a_header_without_a_meaning_is_refused(tmp_path, fields, words):
    assert words in refusal(write(tmp_path / "a.nii", **fields), lambda path: load_image(path).values())


@pytest.mark.parametrize("slope", [0, np.nan, np.inf, -np.inf])
def test_values_are_not_scaled_by_a_slope_without_a_meaning(tmp_path, slope):
    path = write(tmp_path / "a.nii", scl_slope=slope, scl_inter=5)
    np.testing.assert_array_equal(load_image(path).values(), data_of())


def test_slope_and_intercept_scale_values(tmp_path):
    path = write(tmp_path / "a.nii", scl_slope=-2, scl_inter=5)
    np.testing.assert_array_equal(load_image(path).values(), 5 - 2 * data_of())
    np.testing.assert_array_equal(load_image(path).values(slice(1, 3)), 5 - 2 * data_of()[..., 1:3])


def test_a_bitpix_of_0_and_odd_codes_do_not_matter(tmp_path):
    path = write(tmp_path / "a.nii", bitpix=0, sform_code=9, intent_code=77, pixdim={0: 0.5})
    np.testing.assert_array_equal(load_image(path).values(), data_of())
    np.testing.assert_array_equal(load_image(path).affine, AFFINE)


HTML = b"<!DOCTYPE html><html>Please log in</html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4665\nsize 12345\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (HTML, "but a web page"),
        (b"\r\n <html>", "but a web page"),
        (LFS, "but a git-lfs pointer"),
        (b"/annex/objects/MD5E-s4--0123.nii.gz\n", "but a git-annex pointer.\nRun: datalad get "),
        (b"../../.git/annex/objects/Zk/MD5E-s4--0123.nii.gz", "but a git-annex pointer.\nRun: datalad get "),
        (b'<?xml version="1.0"?><Error>', "but XML text"),
        (b'{"message": "Not Found"}', "but JSON text"),
        (bytes(5000), "but zeros"),
        (b"PK\x03\x04" + bytes(100), "but a zip archive"),
        (b"BZh91AY", "but compressed with bzip2"),
        (b"404: Not Found", "but text ('404: Not Found')"),
        (b"\x01\x02\xff" * 500, "its content is not NIfTI.\n"),
        (bytes(128) + b"DICM" + bytes(400), "but DICOM"),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_content_that_is_no_image_is_named(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    assert words in refusal(tmp_path / name)


def test_the_name_must_tell_whether_the_file_is_gzipped(tmp_path):
    write(tmp_path / "a.nii").rename(tmp_path / "a.nii.gz")
    assert refusal(tmp_path / "a.nii.gz") == (
        "is not gzipped, but its name ends with .gz.\nRename it to a.nii, or gzip it."
    )
    write(tmp_path / "b.nii.gz").rename(tmp_path / "b.nii")
    assert "is gzipped, but its name does not end with .gz" in refusal(tmp_path / "b.nii")


def test_a_link_to_dropped_content_is_named(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.symlink_to("../.git/annex/objects/gone")
    assert refusal(path) == f"its content is not here (a link of git-annex).\nRun: datalad get {path}"


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "a.nii").mkdir()
    assert re.match("cannot be read", refusal(tmp_path / "a.nii"))


def test_a_file_that_is_longer_than_its_header_says_is_warned_of(tmp_path, caplog):
    path = write(tmp_path / "a.nii.gz", dim={4: 2})
    np.testing.assert_array_equal(load_image(path).values(), data_of()[..., :2])
    assert "the file is longer than the 2 volumes of its header" in caplog.text
