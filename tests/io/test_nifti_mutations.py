"""A header altered at random gives what the header says, or a refusal that names the file."""

import gzip
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.nifti_header import read_header
from bids_deeptaskgen.io.nifti_reader import check_orientation, load_image, open_series
from tests.io.headers import image_of

N_EXAMPLES = 600
NIFTI_1, NIFTI_2 = nib.nifti1.header_dtype, nib.nifti2.header_dtype


def bytes_of(kind):
    image = image_of(kind=kind)
    return image.to_bytes()


CONTENT = {NIFTI_1: bytes_of(nib.Nifti1Image), NIFTI_2: bytes_of(nib.Nifti2Image)}
NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([0, 1, -1, 2, 4, 7, 8, 16, 32, 64, 127, 128, 255, 256, 348, 352, 512, 32767, -32768]),
    st.sampled_from([np.nan, np.inf, -np.inf, 0.5, 1e-30, 1e30, 1.0000001]),
    st.floats(width=32),
)


def cast(value, dtype):
    """Convert a number to a field's type as a C program would, without an error."""
    if dtype.kind == "S":
        return str(value).encode()
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return (
            min(max(int(value), int(limits.min)), int(limits.max)) if np.isfinite(value) else int(limits.max)
        )
    return value


@st.composite
def fields_altered(draw):
    """Draw an image of which one to four fields of the header have other values."""
    kind = draw(st.sampled_from([NIFTI_1, NIFTI_2]))
    header = np.frombuffer(CONTENT[kind], kind, count=1).copy()
    for name in draw(st.lists(st.sampled_from(kind.names), min_size=1, max_size=4, unique=True)):
        values = header[name].reshape(-1)
        index = draw(st.integers(0, len(values) - 1))
        with np.errstate(over="ignore"):
            values[index] = cast(draw(NUMBERS), values.dtype)
        header[name] = values.reshape(header[name].shape)
    return header.tobytes() + CONTENT[kind][kind.itemsize :]


@st.composite
def bytes_altered(draw):
    """Draw an image of which one to six bytes of the header have other values."""
    kind = draw(st.sampled_from([NIFTI_1, NIFTI_2]))
    content = bytearray(CONTENT[kind])
    for _ in range(draw(st.integers(1, 6))):
        content[draw(st.integers(0, kind.itemsize + 3))] = draw(st.integers(0, 255))
    return bytes(content)


def read_or_refuse(path, read):
    """Call a reader; return None if it refuses with a sentence about the file."""
    try:
        return read(path)
    except InputError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert "\n" in message, "no advice"
    assert "Error" not in message
    return None


def read_series(path):
    series = open_series(path)
    volumes = [np.array(block, np.float64) for _, block in series.blocks(2)]
    return np.concatenate(volumes).reshape(-1, *series.grid.shape[::-1]).T * series.slope + series.inter


def read_with_nibabel(path):
    """Read values and sform with nibabel; None for what it refuses or reads from the header."""
    try:
        image = nib.load(path)
        in_mm = image.header.get_xyzt_units()[0] in ("mm", "unknown")
        sform = image.header.get_sform() if in_mm and image.header["sform_code"] > 0 else None
        return image.get_fdata() if image.header["vox_offset"] else None, sform
    except Exception:  # noqa: BLE001 - nibabel raises many kinds
        return None, None


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=N_EXAMPLES, deadline=None)
@given(content=st.one_of(fields_altered(), bytes_altered()), is_gzipped=st.booleans())
def test_an_altered_header_gives_its_values_or_a_refusal(content, is_gzipped):
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.nii.gz" if is_gzipped else "a.nii")
        path.write_bytes(gzip.compress(content, 1) if is_gzipped else content)
        image = read_or_refuse(path, load_image)
        read_or_refuse(path, lambda path: check_orientation(path, read_header(path)))
        values = read_or_refuse(path, lambda path: load_image(path).values(dtype=np.float64))
        series = read_or_refuse(path, read_series)
        if image is None:
            assert values is None
            assert series is None
            return
        assert np.isfinite(image.affine).all()
        assert np.linalg.matrix_rank(image.affine) == 4
        expected, sform = read_with_nibabel(path)
        if image.header.orientation.sform is not None and sform is not None:
            np.testing.assert_array_equal(image.affine, sform)
        if values is not None and expected is not None:
            np.testing.assert_array_equal(values.ravel(order="F"), expected.ravel(order="F"))
        if series is not None and values is not None:
            np.testing.assert_array_equal(series, values)
