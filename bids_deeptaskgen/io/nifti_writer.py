"""Compressed NIfTI files: fast, the same bytes every time, whole or not there."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import nibabel as nib
import numpy as np
from isal import igzip
from numpy.typing import DTypeLike, NDArray

from bids_deeptaskgen.grid import Grid
from bids_deeptaskgen.io.atomic import atomic_path

# Level 1 of isal is 4.6 times as fast as nibabel's default, for 2% larger files.
GZIP_LEVEL = 1
FIRST_BLOCK_BYTES = 16
MNI_SPACE = 4

Array = NDArray[Any]


def write_gzip(path: Path, chunks: Iterable[bytes | memoryview | Array]) -> None:
    """Compress chunks into one file, atomically.

    Parameters
    ----------
    path : Path
        Where the file shall be; its folder is made.
    chunks : iterable of bytes-like objects or C-contiguous arrays
        Written one after another; an array counts with its bytes as they lie in memory, so it may be
        reused for the next chunk.

    Raises
    ------
    ValueError
        If an array is not C-contiguous.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file, open_gzip(file) as stream:
        fill_gzip(stream, chunks)


def open_gzip(file: BinaryIO) -> igzip.IGzipFile:
    """Open a compressed stream whose header holds neither name nor time, only what is always the same."""
    return igzip.IGzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=file, mtime=0)


def fill_gzip(stream: igzip.IGzipFile, chunks: Iterable[bytes | memoryview | Array]) -> None:
    """Write chunks into a fresh stream such that its bytes depend on their content alone; see `write_gzip`.

    ISA-L hashes the first bytes with an address in memory, so that now and then the same content gives other
    bytes. A first block of its own keeps it from that, for 8 bytes a file.
    """
    begun = False
    for chunk in chunks:
        data = _plain_bytes(chunk)
        if not begun:
            stream.write(data[:FIRST_BLOCK_BYTES])
            stream.flush()
            data, begun = data[FIRST_BLOCK_BYTES:], True
        stream.write(data)


def _plain_bytes(chunk: bytes | memoryview | Array) -> bytes | memoryview:
    if not isinstance(chunk, np.ndarray):
        return chunk
    if not chunk.flags.c_contiguous:
        msg = f"Only C-contiguous arrays can be written as they are; got one with strides {chunk.strides}."
        raise ValueError(msg)
    return chunk.reshape(-1).view(np.uint8).data


def nifti_header(
    shape: tuple[int, ...],
    affine: Array,
    dtype: DTypeLike = np.float32,
    *,
    t_r: float | None = None,
    slope: float | None = None,
) -> bytes:
    """Make what stands before the values in a single-file NIfTI-1 image.

    Parameters
    ----------
    shape : tuple of int
        Three axes, or four with time last.
    affine : array of shape (4, 4)
        From voxel indices to mm; written as sform and qform, both with the code for MNI space.
    dtype : dtype
        Type of the stored values, little-endian.
    t_r : float, optional
        Repetition time in s; only for four axes.
    slope : float, optional
        What a stored value is multiplied with when it is read.

    Returns
    -------
    bytes
        352 bytes: the header and the empty extension flag. No intent code is set.
    """
    header = nib.Nifti1Header(endianness="<")
    header.set_data_shape(shape)
    header.set_data_dtype(np.dtype(dtype))
    header.set_qform(affine, code=MNI_SPACE)
    header.set_sform(affine, code=MNI_SPACE)
    header.set_xyzt_units("mm", "sec")
    if t_r is not None:
        header.set_zooms((*header.get_zooms()[:3], t_r))
    header.set_slope_inter(1.0 if slope is None else slope, 0.0)
    header["vox_offset"] = header.single_vox_offset
    return bytes(header.binaryblock) + bytes(4)


def save_nifti(
    path: Path,
    data: Array,
    affine: Array,
    *,
    dtype: DTypeLike = np.float32,
    t_r: float | None = None,
    slope: float | None = None,
) -> None:
    """Write an image as ``.nii.gz``, atomically; the same values give the same bytes.

    Parameters
    ----------
    path : Path
        Where the file shall be; its folder is made.
    data : array of shape (nx, ny, nz) or (nx, ny, nz, n_volumes)
        Values as they shall be read back (before division by the slope).
    affine : array of shape (4, 4)
        From voxel indices to mm.
    dtype : dtype
        Type of the stored values.
    t_r : float, optional
        Repetition time in s; only for four axes.
    slope : float, optional
        Step between neighbouring stored values, for integer types.

    Raises
    ------
    ValueError
        If an integer type cannot hold the values: NaN, infinity, out of its range, or fractions without a
        slope.
    """
    stored = np.dtype(dtype).newbyteorder("<")
    header = nifti_header(data.shape, affine, stored, t_r=t_r, slope=slope)
    write_gzip(path, _serialised(header, data, stored, slope))


def save_maps(path: Path, maps: Iterable[Array], n_maps: int, grid: Grid) -> None:
    """Write maps as the volumes of one image, as `save_nifti` does; they may be made one by one.

    Parameters
    ----------
    path : Path
        Where the file shall be.
    maps : iterable of arrays of the grid's shape
    n_maps : int
        How many there are.
    grid : Grid
    """
    header = nifti_header((*grid.shape, n_maps), grid.matrix, np.dtype("<f4"))
    write_gzip(path, chain([header], (np.ascontiguousarray(volume.T, dtype="<f4") for volume in maps)))


def _serialised(
    header: bytes, data: Array, stored: np.dtype[Any], slope: float | None
) -> Iterator[bytes | Array]:
    """Yield the header, then volume after volume with its first axis fastest."""
    yield header
    # One volume at a time: a whole 4-D image is never copied.
    for volume in np.moveaxis(data, 3, 0) if data.ndim == 4 else (data,):
        yield np.ascontiguousarray(to_stored(volume, stored, slope=slope).T)


def to_stored(values: Array, dtype: np.dtype[Any], *, slope: float | None = None) -> Array:
    """Turn values into the numbers that an image stores.

    Parameters
    ----------
    values : array
    dtype : dtype
        Type of the stored numbers.
    slope : float, optional
        Step between neighbouring stored numbers; 1 if absent.

    Returns
    -------
    array of type `dtype`
        `values` divided by the slope, rounded for integer types.

    Raises
    ------
    ValueError
        If an integer type cannot hold the values.
    """
    if dtype.kind not in "iu":
        return (values if slope is None else values / slope).astype(dtype, copy=False)
    if values.dtype.kind == "b":
        return values.astype(dtype)
    steps = np.rint(values if slope is None else values / slope)
    limits = np.iinfo(dtype)
    # Written so that NaN fails it too.
    if not ((steps >= limits.min) & (steps <= limits.max)).all():
        msg = f"Values from {values.min()} to {values.max()} do not fit into {dtype} with slope {slope or 1}."
        raise ValueError(msg)
    if slope is None and not np.array_equal(steps, values):
        msg = f"Values with fractions would be rounded in {dtype}; give a slope."
        raise ValueError(msg)
    stored: Array = steps.astype(dtype)
    return stored
