"""A 4-D NIfTI image, read once from its first volume to its last, in memory that does not grow with it."""

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import Grid

# Larger reads go through a fresh array inside the decompressor, which costs as much as inflating.
_READ_BYTES = 1 << 20
# One block is read while another is computed on, and one waits between them.
_N_BUFFERS = 3
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}


@dataclass(frozen=True)
class NiftiSeries:
    """Header of a 4-D image and the way to its volumes.

    Attributes
    ----------
    path : Path
    grid : Grid
    n_volumes : int
    t_r : float or None
        Repetition time of the header in s; None where the header holds none.
    dtype : numpy dtype
        As stored, byte order included.
    slope, inter : float
        Stored values times ``slope`` plus ``inter`` are the data.
    offset : int
        Bytes before the first value.
    """

    path: Path
    grid: Grid
    n_volumes: int
    t_r: float | None
    dtype: np.dtype[np.generic]
    slope: float
    inter: float
    offset: int

    def blocks(self, n_per_block: int = 20) -> Iterator[tuple[int, NDArray[np.generic]]]:
        """Go through the volumes, a block at a time, while the next blocks are read.

        Parameters
        ----------
        n_per_block : int
            Volumes in a block.

        Yields
        ------
        start : int
            Number of the block's first volume.
        volumes : array of shape (n, n_voxels)
            Stored values (unscaled), i fastest. The array is reused: it is valid until the next step.

        Raises
        ------
        InputError
            If the file is truncated or damaged.
        """
        n_voxels = int(np.prod(self.grid.shape))
        free: queue.SimpleQueue[NDArray[np.generic] | None] = queue.SimpleQueue()
        full: queue.SimpleQueue[tuple[int, NDArray[np.generic]] | Exception | None] = queue.SimpleQueue()
        for _ in range(min(_N_BUFFERS, -(-self.n_volumes // n_per_block))):
            free.put(np.empty((min(n_per_block, self.n_volumes), n_voxels), self.dtype))
        reader = threading.Thread(target=self._read, args=(free, full), daemon=True)
        reader.start()
        try:
            while (block := full.get()) is not None:
                if isinstance(block, Exception):
                    raise block
                start, buffer = block
                yield start, buffer[: self.n_volumes - start]
                free.put(buffer)
        finally:
            free.put(None)
            reader.join()

    def _read(
        self,
        free: "queue.SimpleQueue[NDArray[np.generic] | None]",
        full: "queue.SimpleQueue[tuple[int, NDArray[np.generic]] | Exception | None]",
    ) -> None:
        """Fill free buffers until the file ends or the consumer gives None; faults travel as values."""
        try:
            with _open(self.path) as file:
                file.seek(self.offset)
                start = 0
                while start < self.n_volumes:
                    buffer = free.get()
                    if buffer is None:
                        return
                    wanted = buffer[: self.n_volumes - start]
                    if _fill(file, wanted) < wanted.nbytes:
                        full.put(self._truncated(start))
                        return
                    full.put((start, buffer))
                    start += len(buffer)
                # The checksum comes after the last value.
                file.read(1)
            full.put(None)
        except EOFError:
            full.put(self._truncated(None))
        except Exception as error:  # noqa: BLE001 - handed to the consumer, which raises it
            full.put(
                InputError(
                    f"{self.path}: the file is damaged ({error}).\n"
                    "Copy it again from its source, or re-run the preprocessing of this run."
                )
            )

    def _truncated(self, start: int | None) -> InputError:
        found = "it ends early" if start is None else f"it ends after volume {start}"
        return InputError(
            f"{self.path}: the file is truncated: the header promises {self.n_volumes} volumes and {found}.\n"
            "Copy it again from its source, or re-run the preprocessing of this run."
        )


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        from zlib_ng import gzip_ng

        return cast(IO[bytes], gzip_ng.open(path, "rb"))  # type: ignore[no-untyped-call]
    return path.open("rb")


def _fill(file: IO[bytes], array: NDArray[np.generic]) -> int:
    """Read as many bytes as ``array`` holds; return how many there were."""
    view = array.view(np.uint8).reshape(-1).data
    position = 0
    while position < len(view):
        n_read = file.readinto(view[position : position + _READ_BYTES])  # type: ignore[attr-defined]
        if not n_read:
            break
        position += n_read
    return position


def load_image(path: Path) -> nib.Nifti1Image:
    """Open a NIfTI image (header only; the data are read when they are asked for).

    Raises
    ------
    InputError
        If the file is absent, empty or not a NIfTI image.
    """
    try:
        image = nib.load(path)
    except FileNotFoundError:
        message = f"{path}: no such file."
        raise InputError(message) from None
    except Exception as error:
        message = (
            f"{path}: cannot be read as a NIfTI image: {_why_no_image(path, error)}.\n"
            "Copy it again from its source (DataLad: datalad get), or re-run the preprocessing of this run."
        )
        raise InputError(message) from error
    if not isinstance(image, nib.Nifti1Image):
        message = f"{path}: is a {type(image).__name__}, not a NIfTI-1 or NIfTI-2 volume image.\nConvert it."
        raise InputError(message)
    return image


def _why_no_image(path: Path, error: Exception) -> str:
    if path.stat().st_size == 0:
        return "the file is empty"
    if isinstance(error, ImageFileError):
        return "it holds something else (an error page, a pointer of git-annex or git-lfs?)"
    return str(error)


def open_series(path: Path) -> NiftiSeries:
    """Read the header of a 4-D image.

    Parameters
    ----------
    path : Path
        ``.nii`` or ``.nii.gz``.

    Returns
    -------
    NiftiSeries

    Raises
    ------
    InputError
        If the file is not a real-valued 4-D NIfTI image with at least two volumes.
    """
    image = load_image(path)
    if len(image.shape) != 4 or image.shape[3] < 2:
        found = "a single volume" if np.prod(image.shape[3:]) == 1 else f"{len(image.shape)} axes"
        message = (
            f"{path}: has {found} ({'x'.join(map(str, image.shape))}); a 4-D image of several volumes is "
            "wanted.\nPut the preprocessed BOLD series in its place, not a mean or reference image."
        )
        raise InputError(message)
    proxy: Any = image.dataobj
    dtype = np.dtype(proxy.dtype)
    if dtype.kind not in "iuf":
        message = (
            f"{path}: holds values of type {dtype}; real numbers are wanted.\n"
            "Put the magnitude series in its place."
        )
        raise InputError(message)
    space_unit, time_unit = image.header.get_xyzt_units()
    t_r = float(image.header.get_zooms()[3]) * _SECONDS.get(time_unit, 1.0)
    return NiftiSeries(
        path=path,
        grid=Grid.of(image.shape, image.affine),
        n_volumes=int(image.shape[3]),
        t_r=t_r if t_r > 0 else None,
        dtype=dtype,
        slope=float(proxy.slope),
        inter=float(proxy.inter),
        offset=int(proxy.offset),
    )


def check_orientation(path: Path) -> None:
    """Refuse an image whose header says two things about where left is, or nothing.

    Raises
    ------
    InputError
        If its qform and sform disagree by more than 1 mm, or neither is set.
    """
    header = load_image(path).header
    qform, qcode = header.get_qform(coded=True)
    sform, scode = header.get_sform(coded=True)
    if not (qcode or scode):
        message = (
            f"{path}: neither qform nor sform says where the image lies (both codes are 0), so left and "
            "right cannot be told.\nPut the image in its place as it was first written, header included."
        )
        raise InputError(message)
    if not (qcode and scode):
        return
    last = np.array(header.get_data_shape()[:3]) - 1
    corners = np.array([[*(last * corner), 1] for corner in np.ndindex(2, 2, 2)])
    if np.abs(corners @ (qform - sform).T).max() > 1.0:
        message = (
            f"{path}: qform and sform disagree (axes {''.join(nib.aff2axcodes(qform))} against "
            f"{''.join(nib.aff2axcodes(sform))}), so left and right cannot be told.\n"
            "Find out which is right and set both."
        )
        raise InputError(message)
