"""The streaming reader agrees with nibabel and names damaged files."""

import errno
import gzip
import os
import struct
import zlib

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.cli.main import exit_code_and_message
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.nifti_reader import load_image, open_series

SHAPE = (5, 6, 4, 23)


def save(path, dtype=np.float32, slope=None, inter=0.0, endian="<", shape=SHAPE):
    data = (1000 * np.random.default_rng(0).random(shape)).astype(np.dtype(dtype).newbyteorder(endian))
    header = nib.Nifti1Header(endianness=endian)
    header.set_data_dtype(dtype)
    image = nib.Nifti1Image(data, np.diag([-2, 2, 2, 1.0]), header)
    image.header.set_zooms((2, 2, 2, 1.5)[: len(shape)])
    image.header.set_xyzt_units("mm", "sec")
    if slope is None:
        image.to_filename(path)
    else:
        image.header.set_slope_inter(slope, inter)
        # Written without nibabel, which would rescale the values.
        with nib.openers.Opener(str(path), "wb") as file:
            image.header["vox_offset"] = 352
            image.header.write_to(file)
            file.write(b"\0" * 4)
            file.write(data.tobytes(order="F"))
    return path


def read_all(path, n_per_block=7):
    series = open_series(path)
    blocks, starts = [], []
    for start, volumes in series.blocks(n_per_block):
        starts.append(start)
        blocks.append(np.array(volumes, dtype=np.float64))
    assert starts == list(range(0, series.n_volumes, n_per_block))
    raw = np.concatenate(blocks).reshape(-1, *series.grid.shape[::-1]).T
    return raw * series.slope + series.inter


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint8])
def test_values_equal_those_of_nibabel(tmp_path, name, endian, dtype):
    path = save(tmp_path / name, dtype, endian=endian)
    np.testing.assert_array_equal(read_all(path), np.asanyarray(nib.load(path).dataobj))


def test_slope_and_intercept_are_those_of_the_header(tmp_path):
    path = save(tmp_path / "a.nii.gz", np.int16, slope=0.37, inter=-12.5)
    np.testing.assert_allclose(read_all(path), nib.load(path).get_fdata(), rtol=1e-12)


def test_a_file_of_several_gzip_members_is_read_completely(tmp_path):
    content = save(tmp_path / "a.nii").read_bytes()
    path = tmp_path / "a.nii.gz"
    path.write_bytes(
        gzip.compress(content[:1000]) + gzip.compress(content[1000:5000]) + gzip.compress(content[5000:])
    )
    np.testing.assert_array_equal(read_all(path), nib.load(tmp_path / "a.nii").get_fdata())


@pytest.mark.parametrize("n_per_block", [1, 5, 22, 23, 100])
def test_the_size_of_blocks_does_not_matter(tmp_path, n_per_block):
    path = save(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_all(path, n_per_block), nib.load(path).get_fdata())


def test_repetition_time_and_grid_are_those_of_the_header(tmp_path):
    series = open_series(save(tmp_path / "a.nii"))
    assert (series.t_r, series.n_volumes, series.grid.shape) == (1.5, 23, (5, 6, 4))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("fraction", [0.5, 0.9, 0.999])
def test_a_truncated_file_is_named(tmp_path, name, fraction):
    path = save(tmp_path / name)
    path.write_bytes(path.read_bytes()[: int(fraction * path.stat().st_size)])
    with pytest.raises(InputError, match=f"{name}: the file is truncated.*23 volumes.*\nCopy it again"):
        read_all(path)


def test_a_damaged_file_is_named(tmp_path):
    path = save(tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    content[len(content) // 2 + 1] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.nii\.gz: the file is"):
        read_all(path)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ESTALE, "the network drive has lost the file ({}). Check the disk or the network drive"),
        (errno.EIO, "the disk cannot be read or written ({}). Check the disk or the network drive"),
        (errno.EACCES, "{}: cannot be read (Permission denied).\nCheck its permissions"),
    ],
)
@pytest.mark.parametrize("read", [read_all, lambda path: load_image(path).values()])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_an_error_of_the_disk_is_no_damage_of_the_file(tmp_path, monkeypatch, name, read, code, words):
    path = save(tmp_path / name)
    place = "bids_deeptaskgen.io.image_stream.ImageStream"

    def fail(*_):
        raise OSError(code, os.strerror(code))

    for method in ("skip", "read"):
        monkeypatch.setattr(f"{place}.{method}", fail)
        # Callers leave out files with an InputError; a disk that fails must stop them.
        with pytest.raises(InputError if code == errno.EACCES else OSError) as error:
            read(path)
        assert exit_code_and_message(error.value)[1].startswith(words.format(path))
        monkeypatch.undo()


@pytest.mark.parametrize("read", [read_all, lambda path: load_image(path).values()])
def test_a_lack_of_memory_is_no_damage_of_the_file(tmp_path, monkeypatch, read):
    path = save(tmp_path / "a.nii.gz")

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("bids_deeptaskgen.io.image_stream.ImageStream.drain", fail)
    with pytest.raises(MemoryError):
        read(path)


@pytest.mark.parametrize(
    ("content", "words"), [(None, "no such file"), (b"", "cannot be read"), (b"text" * 400, "cannot be read")]
)
def test_a_file_that_is_not_an_image_is_refused(tmp_path, content, words):
    path = tmp_path / "a.nii"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        open_series(path)


@pytest.mark.parametrize("shape", [(5, 6, 4), (5, 6, 4, 1), (5, 6, 4, 3, 2)])
def test_other_numbers_of_axes_are_refused(tmp_path, shape):
    data = np.zeros(shape, np.float32)
    nib.Nifti1Image(data, np.eye(4)).to_filename(tmp_path / "a.nii")
    with pytest.raises(InputError, match=r"a\.nii: .* expected a 4-D image"):
        open_series(tmp_path / "a.nii")


def test_complex_values_are_refused(tmp_path):
    nib.Nifti1Image(np.zeros((2, 2, 2, 3), np.complex64), np.eye(4)).to_filename(tmp_path / "a.nii")
    with pytest.raises(InputError, match=r"a\.nii: .* complex64"):
        open_series(tmp_path / "a.nii")


def test_no_thread_remains_if_iteration_stops_early(tmp_path):
    import threading

    n_threads = threading.active_count()
    for _ in open_series(save(tmp_path / "a.nii.gz")).blocks(2):
        break
    assert threading.active_count() == n_threads


@pytest.mark.parametrize("n_empty", [0, 300_000])
def test_a_wrong_checksum_is_an_error_even_far_behind_the_last_value(tmp_path, n_empty):
    # Larger than any read buffer.
    path = save(tmp_path / "a.nii.gz", shape=(64, 64, 64, 2))
    content = gzip.decompress(path.read_bytes())
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(content) + packer.flush(zlib.Z_SYNC_FLUSH)
    # Empty blocks between the values and the end.
    packed += b"\x00\x00\x00\xff\xff" * n_empty + b"\x01\x00\x00\xff\xff"
    head = gzip.compress(b"")[:10]

    def write(checksum):
        path.write_bytes(head + packed + struct.pack("<II", checksum, len(content)))

    write(zlib.crc32(content))
    assert read_all(path).shape == (64, 64, 64, 2)
    write(zlib.crc32(content) ^ 1)
    with pytest.raises(InputError, match="damaged"):
        read_all(path)


@pytest.mark.parametrize("n_more", [0, 1, 3_000_000])
def test_the_checksum_is_verified_however_many_bytes_follow_the_values(tmp_path, n_more):
    path = save(tmp_path / "a.nii.gz")
    content = bytearray(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(n_more)))
    path.write_bytes(content)
    assert load_image(path).values().shape == SHAPE
    content[-8] ^= 0xFF
    path.write_bytes(content)
    for read in (read_all, lambda path: load_image(path).values()):
        with pytest.raises(InputError, match=r"(?s)the file is damaged.*Copy it again"):
            read(path)
