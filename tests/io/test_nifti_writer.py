"""Writer of NIfTI images: values, header and reproducible bytes."""

import gzip
import io

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bids_deeptaskgen.io.nifti_writer import (
    fill_gzip,
    nifti_header,
    open_gzip,
    save_nifti,
    write_gzip,
)

AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])


@settings(max_examples=30, deadline=None)
@given(
    data=hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        hnp.array_shapes(min_dims=3, max_dims=4, max_side=5),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_nibabel_reads_back_the_same_values(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("image") / "a.nii.gz"
    save_nifti(path, data, AFFINE)
    image = nib.load(path)
    assert image.shape == data.shape
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), data.astype(np.float32))


def test_an_array_in_any_memory_order_gives_the_same_bytes(tmp_path):
    data = np.random.default_rng(0).normal(size=(4, 5, 6, 3)).astype(np.float32)
    for name, array in {"c": data, "f": np.asfortranarray(data), "view": data[::-1][::-1]}.items():
        save_nifti(tmp_path / f"{name}.nii.gz", array, AFFINE)
    contents = {path.read_bytes() for path in tmp_path.iterdir()}
    assert len(contents) == 1


def test_the_file_contains_neither_name_nor_time(tmp_path):
    save_nifti(tmp_path / "a.nii.gz", np.ones((2, 3, 4)), AFFINE)
    content = (tmp_path / "a.nii.gz").read_bytes()
    assert content[3] == 0, "no optional gzip field"
    assert content[4:8] == bytes(4), "no time"


def test_the_header_has_mni_space_units_and_repetition_time(tmp_path):
    save_nifti(tmp_path / "a.nii.gz", np.ones((2, 3, 4, 5)), AFFINE, t_r=0.735)
    header = nib.load(tmp_path / "a.nii.gz").header
    for form, code in (header.get_sform(coded=True), header.get_qform(coded=True)):
        assert code == 4
        np.testing.assert_allclose(form, AFFINE, atol=1e-6)
    assert header.get_xyzt_units() == ("mm", "sec")
    assert header.get_zooms() == pytest.approx((2, 2, 2, 0.735))
    assert header["intent_code"] == 0
    raw_header = nib.Nifti1Header(gzip.decompress((tmp_path / "a.nii.gz").read_bytes())[:348])
    assert (raw_header["scl_slope"], raw_header["scl_inter"], raw_header["vox_offset"]) == (1, 0, 352)


def test_integers_with_a_slope_differ_by_at_most_half_a_step(tmp_path):
    data = np.random.default_rng(1).uniform(-3000, 3000, size=(5, 6, 7, 2))
    save_nifti(tmp_path / "a.nii.gz", data, AFFINE, dtype=np.int16, slope=0.125)
    image = nib.load(tmp_path / "a.nii.gz")
    assert image.get_data_dtype() == np.int16
    assert np.abs(image.get_fdata() - data).max() <= 0.0625


def test_a_mask_is_stored_exactly(tmp_path):
    mask = np.random.default_rng(2).random((5, 6, 7)) > 0.5
    save_nifti(tmp_path / "m.nii.gz", mask, AFFINE, dtype=np.uint8)
    np.testing.assert_array_equal(np.asanyarray(nib.load(tmp_path / "m.nii.gz").dataobj), mask)


@pytest.mark.parametrize("value", [np.nan, np.inf, 40_000.0, 0.5])
def test_values_that_an_integer_cannot_represent_are_refused_and_no_file_remains(tmp_path, value):
    data = np.ones((3, 3, 3, 2))
    data[1, 1, 1, 1] = value
    with pytest.raises(ValueError, match=r"fit|rounded"):
        save_nifti(tmp_path / "a.nii.gz", data, AFFINE, dtype=np.int16)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_during_writing_keeps_the_previous_file(tmp_path):
    def chunks():
        yield b"new"
        raise KeyboardInterrupt

    write_gzip(tmp_path / "a.gz", [b"old"])
    with pytest.raises(KeyboardInterrupt):
        write_gzip(tmp_path / "a.gz", chunks())
    assert [path.name for path in tmp_path.iterdir()] == ["a.gz"]
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == b"old"


def test_a_chunk_may_be_reused_for_the_next(tmp_path):
    def chunks():
        chunk = np.zeros(1000, np.float32)
        for value in range(5):
            chunk[:] = value
            yield chunk

    write_gzip(tmp_path / "a.gz", chunks())
    values = np.frombuffer(gzip.decompress((tmp_path / "a.gz").read_bytes()), np.float32)
    np.testing.assert_array_equal(values, np.repeat(np.arange(5, dtype=np.float32), 1000))


def test_compressed_bytes_do_not_depend_on_memory_addresses():
    # Without a separate first block, about one of 7,000 files differs; 20,000 miss that once in 300 runs.
    header = nifti_header((5, 5, 5), AFFINE, np.dtype(np.float32))
    for _ in range(3):
        files = [io.BytesIO() for _ in range(20_000)]
        streams = [open_gzip(file) for file in files]
        for stream in streams:
            fill_gzip(stream, [header, bytes(400)])
            stream.close()
        assert len({file.getvalue() for file in files}) == 1


def test_an_array_that_is_not_contiguous_is_refused(tmp_path):
    with pytest.raises(ValueError, match="C-contiguous"):
        write_gzip(tmp_path / "a.gz", [np.zeros((4, 4)).T[::2]])
