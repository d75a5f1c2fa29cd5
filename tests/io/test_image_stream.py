"""A gzipped file is read as gunzip reads it, and every kind of damage is an error."""

import gzip

import numpy as np
import pytest

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.image_stream import ImageStream
from bids_deeptaskgen.io.nifti_reader import load_image, open_series
from tests.io.headers import SHAPE, data_of, write

DATA = np.random.default_rng(0).integers(0, 50, 3_000_000).astype(np.uint8).tobytes()
PACKED = gzip.compress(DATA, 1)
ENDINGS = [
    b"",
    bytes(1),
    bytes(1000),
    b"\r\n",
    b"\n",
    b"\0\0\r\n",
    b" ",
    b"garbage" * 100_000,
    bytes(600_000),
]


def read_all(path, content):
    path.write_bytes(content)
    with ImageStream(path) as stream:
        buffer = bytearray(len(DATA) + 10)
        return bytes(buffer[: stream.fill(memoryview(buffer))])


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: f"{ending[:4]}-{len(ending)}")
def test_bytes_after_the_last_member_are_ignored(tmp_path, ending):
    assert read_all(tmp_path / "a.gz", PACKED + ending) == DATA


@pytest.mark.parametrize("padding", [b"", bytes(5)])
def test_members_are_joined(tmp_path, padding):
    parts = [gzip.compress(part, 1) for part in (DATA[:1], b"", DATA[1:70_000], DATA[70_000:])]
    assert read_all(tmp_path / "a.gz", padding.join(parts)) == DATA


@pytest.mark.parametrize("n_bytes", [1, 4, 8, 100, len(PACKED) // 2])
@pytest.mark.parametrize("n_members", [1, 2])
def test_a_truncated_member_is_an_error(tmp_path, n_bytes, n_members):
    first = gzip.compress(b"") * (n_members - 1)
    with pytest.raises(EOFError):
        read_all(tmp_path / "a.gz", first + PACKED[:-n_bytes])


@pytest.mark.parametrize("position", [-1, -5, len(PACKED) // 2])
@pytest.mark.parametrize("ending", [b"", b"\r\n"])
def test_a_flipped_bit_is_an_error(tmp_path, position, ending):
    content = bytearray(PACKED)
    content[position] ^= 1
    with pytest.raises((gzip.BadGzipFile, EOFError)):
        read_all(tmp_path / "a.gz", bytes(content) + ending)


def test_a_file_that_is_not_gzipped_is_read_as_it_is(tmp_path):
    assert read_all(tmp_path / "a", DATA) == DATA
    assert read_all(tmp_path / "a", b"") == b""


def test_skipped_bytes_are_not_read(tmp_path):
    (tmp_path / "a.gz").write_bytes(PACKED)
    with ImageStream(tmp_path / "a.gz") as stream:
        stream.skip(2_000_000)
        assert stream.read(10) == DATA[2_000_000:2_000_010]
        with pytest.raises(EOFError):
            stream.skip(2_000_000)


@pytest.mark.parametrize("ending", [bytes(512), b"\r\n"])
def test_images_and_series_with_padding_are_read(tmp_path, ending):
    path = write(tmp_path / "a.nii.gz")
    path.write_bytes(path.read_bytes() + ending)
    np.testing.assert_array_equal(load_image(path).values(), data_of())
    blocks = [np.array(volumes) for _, volumes in open_series(path).blocks(1)]
    np.testing.assert_array_equal(np.concatenate(blocks).reshape(3, *SHAPE[2::-1]).T, data_of())


@pytest.mark.parametrize("volumes", [None, slice(0, 1), slice(1, 2)])
def test_damage_anywhere_in_an_image_is_detected_even_if_some_volumes_are_read(tmp_path, volumes):
    path = write(tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="the file is damaged"):
        load_image(path).values(volumes)
    path.write_bytes(content[:-20])
    with pytest.raises(InputError, match="the file is truncated"):
        load_image(path).values(volumes)
