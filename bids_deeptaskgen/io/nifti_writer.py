"""Writer of compressed NIfTI images: fast, reproducible to the byte, atomic."""

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

# Level 1 of isal is 4.6 times as fast as nibabel's default; files are 2% larger.
GZIP_LEVEL = 1
FIRST_BLOCK_BYTES = 16
MNI_SPACE = 4

Array = NDArray[Any]


def write_gzip(path: Path, chunks: Iterable[bytes | memoryview | Array]) -> None:
    """Write chunks to a gzip file, atomically.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.
    chunks : iterable of bytes-like objects or C-contiguous arrays
        Written in order; of an array, its bytes in memory. An array may be reused for the next chunk.

    Raises
    ------
    ValueError
        If an array is not C-contiguous.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file, open_gzip(file) as stream:
        fill_gzip(stream, chunks)


def open_gzip(file: BinaryIO) -> igzip.IGzipFile:
    """Open a compressed stream whose header contains neither file name nor time.

    Parameters
    ----------
    file : binary file
        Opened for writing; the caller closes it.

    Returns
    -------
    igzip.IGzipFile
    """
    return igzip.IGzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=file, mtime=0)


def fill_gzip(stream: igzip.IGzipFile, chunks: Iterable[bytes | memoryview | Array]) -> None:
    """Write chunks to a new stream so that its bytes depend on their content only.

    ISA-L hashes the first bytes with a memory address, so equal content occasionally gives other bytes. A
    separate first block prevents this and costs 8 bytes per file.

    Parameters
    ----------
    stream : IGzipFile
        New stream of `open_gzip`.
    chunks : iterable of bytes-like objects or C-contiguous arrays
        See `write_gzip`.
    """
    is_first = True
    for chunk in chunks:
        data = _view_bytes(chunk)
        if is_first:
            stream.write(data[:FIRST_BLOCK_BYTES])
            stream.flush()
            data, is_first = data[FIRST_BLOCK_BYTES:], False
        stream.write(data)


def _view_bytes(chunk: bytes | memoryview | Array) -> bytes | memoryview:
    if not isinstance(chunk, np.ndarray):
        return chunk
    if not chunk.flags.c_contiguous:
        msg = f"chunks: arrays must be C-contiguous, but one has strides {chunk.strides}"
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
    """Build the header of a single-file NIfTI-1 image.

    Parameters
    ----------
    shape : tuple of int
        Three axes, or four with time last.
    affine : array of shape (4, 4)
        From voxel indices to mm; written as sform and qform, both with the code of MNI space.
    dtype : dtype
        Type of the stored values, little-endian.
    t_r : float, optional
        Repetition time in s; only for four axes.
    slope : float, optional
        Factor by which stored values are multiplied on reading.

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
    """Write an image as ``.nii.gz``, atomically; equal values give equal bytes.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.
    data : array of shape (nx, ny, nz) or (nx, ny, nz, n_volumes)
        Values before division by the slope.
    affine : array of shape (4, 4)
        From voxel indices to mm.
    dtype : dtype
        Type of the stored values.
    t_r : float, optional
        Repetition time in s; only for four axes.
    slope : float, optional
        Step between consecutive stored values, for integer types.

    Raises
    ------
    ValueError
        If an integer type cannot represent the values: NaN, infinity, out of range, or fractions without a
        slope.
    """
    stored_dtype = np.dtype(dtype).newbyteorder("<")
    header = nifti_header(data.shape, affine, stored_dtype, t_r=t_r, slope=slope)
    write_gzip(path, _serialise(header, data, stored_dtype, slope))


def save_maps(path: Path, maps: Iterable[Array], n_maps: int, grid: Grid) -> None:
    """Write maps as the volumes of one image, atomically, without keeping all of them in memory.

    Parameters
    ----------
    path : Path
        Path of the file; its folder is created.
    maps : iterable of array of shape `grid.shape`
        Maps, which may be generated one by one.
    n_maps : int
        Number of maps.
    grid : Grid
        Shape and affine of the maps.
    """
    header = nifti_header((*grid.shape, n_maps), grid.matrix, np.dtype("<f4"))
    write_gzip(path, chain([header], (np.ascontiguousarray(volume.T, dtype="<f4") for volume in maps)))


def _serialise(
    header: bytes, data: Array, stored_dtype: np.dtype[Any], slope: float | None
) -> Iterator[bytes | Array]:
    """Yield the header, then each volume with its first axis fastest."""
    yield header
    # Volume by volume, which avoids a copy of the 4-D image.
    for volume in np.moveaxis(data, 3, 0) if data.ndim == 4 else (data,):
        yield np.ascontiguousarray(to_stored(volume, stored_dtype, slope=slope).T)


def to_stored(values: Array, dtype: np.dtype[Any], *, slope: float | None = None) -> Array:
    """Convert values to the numbers that an image stores.

    Parameters
    ----------
    values : array
    dtype : dtype
        Type of the stored numbers.
    slope : float, optional
        Step between consecutive stored numbers; 1 if None.

    Returns
    -------
    array of type `dtype`
        `values` divided by the slope, rounded for integer types.

    Raises
    ------
    ValueError
        If an integer type cannot represent the values.
    """
    if dtype.kind not in "iu":
        return (values if slope is None else values / slope).astype(dtype, copy=False)
    if values.dtype.kind == "b":
        return values.astype(dtype)
    steps = np.rint(values if slope is None else values / slope)
    limits = np.iinfo(dtype)
    # Written as a negation so that NaN fails, too.
    if not ((steps >= limits.min) & (steps <= limits.max)).all():
        msg = f"values from {values.min()} to {values.max()} do not fit in {dtype} with slope {slope or 1}"
        raise ValueError(msg)
    if slope is None and not np.array_equal(steps, values):
        msg = f"values with fractions would be rounded in {dtype}; set a slope"
        raise ValueError(msg)
    integers: Array = steps.astype(dtype)
    return integers
