"""Reader of NIfTI headers: the only place that interprets their fields."""

import gzip
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import InputError, raise_disk_error
from bids_deeptaskgen.grid import Grid
from bids_deeptaskgen.io.file_content import COPY_AGAIN, describe_content
from bids_deeptaskgen.io.image_stream import ImageStream
from bids_deeptaskgen.io.nifti_orientation import Orientation, read_orientation
from bids_deeptaskgen.io.text import explain_unreadable

# By the size of the header: version, numpy type of its fields, first byte after header and extension flag.
_VERSIONS = {
    348: (1, nib.nifti1.header_dtype, 352),
    540: (2, nib.nifti2.header_dtype, 544),
}
_START_BYTES = 1024
_ORDERS: tuple[Literal["little"], Literal["big"]] = ("little", "big")
# Types of real values by their NIfTI code.
_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_OTHER_TYPES = {
    0: "unknown", 1: "binary", 32: "complex64", 128: "RGB24", 1536: "float128", 1792: "complex128",
    2048: "complex256", 2304: "RGBA32",
}  # fmt: skip
_COMPLEX = (32, 1792, 2048)
# Factors to seconds by the code of the unit; Hz, ppm and rad/s are no times.
_SECONDS = {0: 1.0, 8: 1.0, 16: 1e-3, 24: 1e-6}
# Deflate compresses by no larger factor.
_MAX_COMPRESSION = 1032
_ORIGINAL = "Replace it by the original image, or have it written again by the program that made it."


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """Meaning of the header of a NIfTI image.

    Attributes
    ----------
    shape : tuple of int
        At least three axes; axes of length 1 after the fourth are dropped.
    dtype : numpy dtype
        Type of the stored values, including the byte order.
    slope, inter : float
        Data are stored values times ``slope`` plus ``inter``.
    offset : int
        Number of bytes before the first value.
    is_offset_stated : bool
        Whether the header states the offset, rather than 0.
    t_r : float or None
        Repetition time in s; None if the header has none.
    orientation : Orientation
    affine : array of shape (4, 4)
        From voxel indices to mm.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    slope: float
    inter: float
    offset: int
    is_offset_stated: bool
    t_r: float | None
    orientation: Orientation
    affine: NDArray[np.float64]

    @property
    def grid(self) -> Grid:
        """Return the grid of the volumes."""
        return Grid.from_image(self.shape, self.affine)

    @property
    def corrections(self) -> tuple[str, ...]:
        """Return which fields are invalid, and what is used in their place."""
        form = "qform" if self.orientation.sform is None else "sform"
        texts = [f"{problem}, so the {form} is used" for problem in self.orientation.problems]
        if not self.is_offset_stated:
            texts.append(f"vox_offset is 0, so values are read from byte {self.offset}")
        return tuple(texts)

    @property
    def n_volumes(self) -> int:
        """Return the number of volumes, over all axes after the third."""
        return prod(self.shape[3:])

    @property
    def n_voxels(self) -> int:
        """Return the number of voxels of a volume."""
        return prod(self.shape[:3])

    @property
    def n_bytes(self) -> int:
        """Return the number of bytes of the values."""
        return prod(self.shape) * self.dtype.itemsize


def read_header(path: Path) -> NiftiHeader:
    """Read the header of a NIfTI image.

    Parameters
    ----------
    path : Path
        Single-file NIfTI-1 or NIfTI-2 image, gzipped if its name ends with ``.gz``.

    Returns
    -------
    NiftiHeader

    Raises
    ------
    InputError
        If the file is missing or not such an image, or if its header is damaged, describes no real values, or
        has no orientation.
    """
    try:
        with ImageStream(path) as stream:
            start = stream.read(_START_BYTES)
            is_gzipped = stream.is_gzipped
        header = _parse(path, start)
    except (EOFError, gzip.BadGzipFile) as error:
        message = f"{path}: the file is truncated or damaged at its beginning ({error}).\n{COPY_AGAIN}"
        raise InputError(message) from error
    except OSError as error:
        raise_disk_error(error, path)
        message = f"{path}: {explain_unreadable(path, error)}"
        raise InputError(message) from error
    except ValueError as error:
        message = f"{path}: {error}"
        raise InputError(message) from error
    _check_name(path, is_gzipped=is_gzipped)
    return header


def _check_name(path: Path, *, is_gzipped: bool) -> None:
    """Refuse names that would make other programs misread the file."""
    name = path.name
    if is_gzipped != name.lower().endswith(".gz"):
        if is_gzipped:
            problem = (
                f"is gzipped, but its name does not end with .gz.\nRename it to {name}.gz, or unpack it."
            )
        else:
            problem = f"is not gzipped, but its name ends with .gz.\nRename it to {name[:-3]}, or gzip it."
        message = f"{path}: {problem}"
        raise InputError(message)


def check_size(path: Path, header: NiftiHeader) -> None:
    """Check that a file is large enough for its values, before memory is allocated for these.

    Parameters
    ----------
    path : Path
    header : NiftiHeader
        Result of `read_header`.

    Raises
    ------
    InputError
        If the file is too small, even if its values were compressed as much as possible.
    """
    size = path.stat().st_size * (_MAX_COMPRESSION if path.name.lower().endswith(".gz") else 1)
    if size < header.offset + header.n_bytes:
        shape = "x".join(map(str, header.shape))
        message = (
            f"{path}: the file is truncated: the header states {_count(header)} ({shape} values of "
            f"{header.dtype.itemsize} bytes from byte {header.offset}), but the file has "
            f"{path.stat().st_size} bytes.\n{COPY_AGAIN}"
        )
        raise InputError(message)


def _count(header: NiftiHeader) -> str:
    return f"{header.n_volumes} volume{'s' if header.n_volumes > 1 else ''}"


def describe_truncation(path: Path, header: NiftiHeader, n_volumes: int | None = None) -> str:
    """Describe that the values of an image end early.

    Parameters
    ----------
    path : Path
    header : NiftiHeader
    n_volumes : int, optional
        Number of complete volumes.

    Returns
    -------
    str
    """
    end = "early" if n_volumes is None else f"after volume {n_volumes}"
    return (
        f"{path}: the file is truncated: the header states {_count(header)}, but it ends {end}.\n{COPY_AGAIN}"
    )


def _parse(path: Path, start: bytes) -> NiftiHeader:
    """Parse the first bytes of an image; a ValueError describes what is wrong."""
    fields, version, first_byte = _read_fields(path, start)
    if version == 2 and 3000 <= int(fields["intent_code"]) < 3100:
        message = "is a CIFTI image.\nConvert it to a NIfTI-1 or NIfTI-2 volume image."
        raise ValueError(message)
    shape = _read_shape(fields)
    dtype = _read_type(fields)
    slope, inter = _read_scaling(fields)
    offset, is_stated = _read_offset(fields, start, first_byte)
    orientation = read_orientation(fields)
    if orientation.affine is None:
        raise ValueError(orientation.describe_absence())
    return NiftiHeader(
        shape, dtype, slope, inter, offset, is_stated, _read_t_r(fields), orientation, orientation.affine
    )


def _read_fields(path: Path, start: bytes) -> tuple[Any, int, int]:
    """Read the fields of a header, its version and the first byte that can hold values."""
    sizes: dict[Literal["little", "big"], int] = {
        order: int.from_bytes(start[:4], order) for order in _ORDERS
    }
    order = next((order for order, size in sizes.items() if size in _VERSIONS), None)
    if order is None or len(start) < sizes[order]:
        message = f"cannot be read as a NIfTI image: {describe_content(path, start)}"
        raise ValueError(message)
    version, dtype, first_byte = _VERSIONS[sizes[order]]
    fields = np.frombuffer(start, dtype.newbyteorder("<" if order == "little" else ">"), count=1)[0]
    magic = fields["magic"].item()[:3]
    if magic == b"ni%d" % version:
        message = (
            "is half of a pair of files: its values are in a file .img.\n"
            "Convert the pair to one file, e.g. with fslchfiletype NIFTI_GZ."
        )
        raise ValueError(message)
    if magic != b"n+%d" % version:
        message = (
            "the header has the size of one of NIfTI but not its mark (perhaps Analyze 7.5, which does not "
            f"tell left from right).\n{_ORIGINAL}"
        )
        raise ValueError(message)
    return fields, version, first_byte


def _read_shape(fields: Any) -> tuple[int, ...]:
    dim = [int(size) for size in fields["dim"]]
    # Some programs write 0 for unused axes.
    sizes = [1 if size == 0 and axis > 3 else size for axis, size in enumerate(dim)]
    if not 1 <= dim[0] <= 7 or min(sizes[1 : dim[0] + 1]) < 1:
        message = f"the header states no valid shape (dim is {', '.join(map(str, dim))}).\n{_ORIGINAL}"
        raise ValueError(message)
    shape = sizes[1 : dim[0] + 1]
    shape += [1] * (3 - len(shape))
    while len(shape) > 4 and shape[-1] == 1:
        shape.pop()
    return tuple(shape)


def _read_type(fields: Any) -> np.dtype[np.generic]:
    code, n_bits = int(fields["datatype"]), int(fields["bitpix"])
    if code not in _TYPES:
        name = _OTHER_TYPES.get(code, f"code {code}")
        advice = "Replace it by the magnitude series." if code in _COMPLEX else "Convert it to float32."
        message = f"contains values of type {name}; expected real numbers.\n{advice}"
        raise ValueError(message)
    dtype = np.dtype(_TYPES[code]).newbyteorder(fields.dtype["datatype"].byteorder)
    if n_bits not in (0, 8 * dtype.itemsize):
        message = (
            f"the header contradicts itself: values of type {dtype.name} have {8 * dtype.itemsize} bits, but "
            f"bitpix is {n_bits}.\n{_ORIGINAL}"
        )
        raise ValueError(message)
    return dtype


def _read_scaling(fields: Any) -> tuple[float, float]:
    """Read slope and intercept; a slope of 0 and one that is not finite mean that values are not scaled."""
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0 or not np.isfinite(slope):
        return 1.0, 0.0
    if not np.isfinite(inter):
        message = f"the header's scl_slope is {slope:g}, but its scl_inter is {inter}.\n{_ORIGINAL}"
        raise ValueError(message)
    return slope, inter


def _read_offset(fields: Any, start: bytes, first_byte: int) -> tuple[int, bool]:
    """Read the number of bytes before the first value, and whether the header states it.

    For 0, nibabel reads the header as values, and nifti_clib reads from the end of the header. The format
    requires at least `first_byte`, from which files are read whose length fits.
    """
    offset = float(fields["vox_offset"])
    if offset == 0:
        # A flag after the header tells that extensions precede the values.
        if len(start) >= first_byte and start[first_byte - 4]:
            message = (
                "the header does not state where its values begin (vox_offset is 0, and extensions follow).\n"
                f"{_ORIGINAL}"
            )
            raise ValueError(message)
        return first_byte, False
    if not np.isfinite(offset) or offset != int(offset) or offset < first_byte:
        message = (
            f"the header states that its values begin at byte {offset:g} (vox_offset), but they cannot begin "
            f"before byte {first_byte}.\n{_ORIGINAL}"
        )
        raise ValueError(message)
    return int(offset), True


def _read_t_r(fields: Any) -> float | None:
    n_axes, t_r = int(fields["dim"][0]), float(fields["pixdim"][4])
    factor = _SECONDS.get(int(fields["xyzt_units"]) & 0x38)
    if n_axes < 4 or factor is None or not np.isfinite(t_r) or t_r <= 0:
        return None
    return t_r * factor
