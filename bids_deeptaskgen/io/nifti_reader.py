"""Streaming reader of 4-D NIfTI images with constant memory, and header checks."""

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

# For larger reads, the decompressor allocates a new array, which takes as long as decompression.
_READ_BYTES = 1 << 20
# One block is being read, one is waiting, one is in use.
_N_BUFFERS = 3
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}


@dataclass(frozen=True)
class NiftiSeries:
    """4-D image: header and stream of volumes.

    Attributes
    ----------
    path : Path
    grid : Grid
    n_volumes : int
    t_r : float or None
        Repetition time from the header in s; None if the header has none.
    dtype : numpy dtype
        Type of the stored values, including the byte order.
    slope, inter : float
        Data are stored values times ``slope`` plus ``inter``.
    offset : int
        Number of bytes before the first value.
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
        """Iterate over blocks of volumes while a thread reads the next blocks.

        Parameters
        ----------
        n_per_block : int
            Volumes per block.

        Yields
        ------
        start : int
            Index of the first volume of the block.
        volumes : array of shape (n, n_voxels)
            Stored values (unscaled), first axis fastest. The array is valid only until the next iteration.

        Raises
        ------
        InputError
            If the file is truncated or damaged.
        """
        n_voxels = int(np.prod(self.grid.shape))
        empty: queue.SimpleQueue[NDArray[np.generic] | None] = queue.SimpleQueue()
        full: queue.SimpleQueue[tuple[int, NDArray[np.generic]] | Exception | None] = queue.SimpleQueue()
        for _ in range(min(_N_BUFFERS, -(-self.n_volumes // n_per_block))):
            empty.put(np.empty((min(n_per_block, self.n_volumes), n_voxels), self.dtype))
        reader = threading.Thread(target=self._read, args=(empty, full), daemon=True)
        reader.start()
        try:
            while (block := full.get()) is not None:
                if isinstance(block, Exception):
                    raise block
                start, buffer = block
                yield start, buffer[: self.n_volumes - start]
                empty.put(buffer)
        finally:
            empty.put(None)
            reader.join()

    def _read(
        self,
        empty: "queue.SimpleQueue[NDArray[np.generic] | None]",
        full: "queue.SimpleQueue[tuple[int, NDArray[np.generic]] | Exception | None]",
    ) -> None:
        """Fill empty buffers until the file ends or a None arrives; errors are passed on as values."""
        try:
            with _open(self.path) as file:
                file.seek(self.offset)
                start = 0
                while start < self.n_volumes:
                    buffer = empty.get()
                    if buffer is None:
                        return
                    volumes = buffer[: self.n_volumes - start]
                    if _fill(file, volumes) < volumes.nbytes:
                        full.put(self._truncated(start))
                        return
                    full.put((start, buffer))
                    start += len(buffer)
                # Reads past the last value, so that the checksum is verified.
                file.read(1)
            full.put(None)
        except EOFError:
            full.put(self._truncated(None))
        except Exception as error:  # noqa: BLE001 - passed to the consumer, which raises it
            full.put(
                InputError(
                    f"{self.path}: the file is damaged ({error}).\n"
                    "Copy it again from its source, or re-run the preprocessing of this run."
                )
            )

    def _truncated(self, start: int | None) -> InputError:
        end = "early" if start is None else f"after volume {start}"
        return InputError(
            f"{self.path}: the file is truncated: the header states {self.n_volumes} volumes, "
            f"but it ends {end}.\n"
            "Copy it again from its source, or re-run the preprocessing of this run."
        )


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        from zlib_ng import gzip_ng

        return cast(IO[bytes], gzip_ng.open(path, "rb"))  # type: ignore[no-untyped-call]
    return path.open("rb")


def _fill(file: IO[bytes], array: NDArray[np.generic]) -> int:
    """Read bytes until an array is full or the file ends; return their number."""
    view = array.view(np.uint8).reshape(-1).data
    position = 0
    while position < len(view):
        n_read = file.readinto(view[position : position + _READ_BYTES])  # type: ignore[attr-defined]
        if not n_read:
            break
        position += n_read
    return position


def load_image(path: Path) -> nib.Nifti1Image:
    """Open a NIfTI image; the data are read on access.

    Parameters
    ----------
    path : Path
        NIfTI-1 or NIfTI-2 image, compressed or not.

    Returns
    -------
    nibabel.Nifti1Image
        A `Nifti2Image`, which is a subclass, for NIfTI-2.

    Raises
    ------
    InputError
        If the file does not exist, is empty or not a NIfTI image.
    """
    try:
        image = nib.load(path)
    except FileNotFoundError:
        message = f"{path}: no such file."
        raise InputError(message) from None
    except Exception as error:
        message = (
            f"{path}: cannot be read as a NIfTI image: {_explain_unreadable(path, error)}.\n"
            "Copy it again from its source (DataLad: datalad get), or re-run the preprocessing of this run."
        )
        raise InputError(message) from error
    if not isinstance(image, nib.Nifti1Image):
        message = f"{path}: is a {type(image).__name__}; convert it to a NIfTI-1 or NIfTI-2 volume image."
        raise InputError(message)
    return image


def _explain_unreadable(path: Path, error: Exception) -> str:
    if path.stat().st_size == 0:
        return "the file is empty"
    if isinstance(error, ImageFileError):
        return "its content is not NIfTI (perhaps an error page or a git-annex or git-lfs pointer)"
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
        extent = "a single volume" if np.prod(image.shape[3:]) == 1 else f"{len(image.shape)} axes"
        message = (
            f"{path}: has {extent} ({'x'.join(map(str, image.shape))}); expected a 4-D image of several "
            "volumes.\nReplace it by the preprocessed BOLD series, not by a mean or reference image."
        )
        raise InputError(message)
    proxy: Any = image.dataobj
    dtype = np.dtype(proxy.dtype)
    if dtype.kind not in "iuf":
        message = (
            f"{path}: contains values of type {dtype}; expected real numbers.\n"
            "Replace it by the magnitude series."
        )
        raise InputError(message)
    space_unit, time_unit = image.header.get_xyzt_units()
    t_r = float(image.header.get_zooms()[3]) * _SECONDS.get(time_unit, 1.0)
    return NiftiSeries(
        path=path,
        grid=Grid.from_image(image.shape, image.affine),
        n_volumes=int(image.shape[3]),
        t_r=t_r if t_r > 0 else None,
        dtype=dtype,
        slope=float(proxy.slope),
        inter=float(proxy.inter),
        offset=int(proxy.offset),
    )


def check_orientation(path: Path) -> None:
    """Check that the header of an image defines the left-right orientation unambiguously.

    Parameters
    ----------
    path : Path
        NIfTI image, of which only the header is read.

    Raises
    ------
    InputError
        If qform and sform differ by more than 1 mm, or neither is set.
    """
    header = load_image(path).header
    qform, qcode = header.get_qform(coded=True)
    sform, scode = header.get_sform(coded=True)
    if not (qcode or scode):
        message = (
            f"{path}: neither qform nor sform is set (both codes are 0), so left and right cannot be "
            "distinguished.\nReplace it by the original image with its header."
        )
        raise InputError(message)
    if not (qcode and scode):
        return
    last = np.array(header.get_data_shape()[:3]) - 1
    corners = np.array([[*(last * corner), 1] for corner in np.ndindex(2, 2, 2)])
    if np.abs(corners @ (qform - sform).T).max() > 1.0:
        message = (
            f"{path}: qform and sform disagree (axes {''.join(nib.aff2axcodes(qform))} and "
            f"{''.join(nib.aff2axcodes(sform))}), so left and right cannot be distinguished.\n"
            "Find out which one is correct and set both."
        )
        raise InputError(message)
