"""Reader of NIfTI images: streaming of 4-D series with constant memory, and values of maps and masks."""

import gzip
import logging
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bids_deeptaskgen.errors import DISK_ERRORS, InputError
from bids_deeptaskgen.grid import Grid
from bids_deeptaskgen.grid_comparison import reorder
from bids_deeptaskgen.io.file_content import COPY_AGAIN
from bids_deeptaskgen.io.image_stream import ImageStream
from bids_deeptaskgen.io.nifti_header import NiftiHeader, check_size, describe_truncation, read_header
from bids_deeptaskgen.io.text import explain_unreadable

logger = logging.getLogger(__name__)

# One block is being read, one is waiting, one is in use.
N_BUFFERS = 3
# Volumes per read. Larger blocks take more memory and are no faster. At 1 mm the second limit applies.
N_PER_BLOCK = 4
BLOCK_BYTES = 100e6


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
    header : NiftiHeader
    """

    path: Path
    grid: Grid
    n_volumes: int
    t_r: float | None
    dtype: np.dtype[np.generic]
    slope: float
    inter: float
    header: NiftiHeader = field(repr=False)

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
        for _ in range(min(N_BUFFERS, -(-self.n_volumes // n_per_block))):
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
            with ImageStream(self.path) as stream:
                stream.skip(self.header.offset)
                start = 0
                while start < self.n_volumes:
                    buffer = empty.get()
                    if buffer is None:
                        return
                    volumes = buffer[: self.n_volumes - start]
                    if stream.fill(_bytes_of(volumes)) < volumes.nbytes:
                        full.put(InputError(describe_truncation(self.path, self.header, start)))
                        return
                    full.put((start, buffer))
                    start += len(buffer)
                _check_end(self.path, self.header, stream)
            full.put(None)
        except Exception as error:  # noqa: BLE001 - passed to the consumer, which raises it
            full.put(_explain(self.path, self.header, error))


def block_length(volume_bytes: int) -> int:
    """Choose the number of volumes that are read at a time.

    Parameters
    ----------
    volume_bytes : int
        Bytes of a stored volume.

    Returns
    -------
    int
        From 1 to ``N_PER_BLOCK``.
    """
    return max(1, min(N_PER_BLOCK, int(BLOCK_BYTES / volume_bytes)))


def _bytes_of(array: NDArray[np.generic]) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8).data)


def _explain(path: Path, header: NiftiHeader, error: Exception) -> Exception:
    """Explain an error of the content or of the disk; others, such as lack of memory, stay as they are."""
    if isinstance(error, EOFError):
        return InputError(describe_truncation(path, header))
    if isinstance(error, gzip.BadGzipFile):
        return InputError(f"{path}: the file is damaged ({error}).\n{COPY_AGAIN}")
    if isinstance(error, OSError):
        if error.errno in DISK_ERRORS:
            error.filename = str(path)
            return error
        return InputError(f"{path}: {explain_unreadable(path, error)}")
    return error


def _check_end(path: Path, header: NiftiHeader, stream: ImageStream) -> None:
    """Read to the end, which verifies the checksum, and the offset if the header states none."""
    # Damaged bytes may decompress to more than the header states: the checksum follows the last of them.
    if not stream.drain():
        return
    if not header.is_offset_stated:
        message = (
            f"{path}: the header does not state where its values begin (vox_offset is 0), and the file is "
            f"longer than values from byte {header.offset}.\n"
            "Replace it by the original image, or have it written again by the program that made it."
        )
        raise InputError(message)
    logger.warning("%s: the file is longer than the %d volumes of its header.", path, header.n_volumes)


@dataclass(frozen=True, eq=False)
class NiftiImage:
    """NIfTI image whose values are read on request.

    Attributes
    ----------
    path : Path
    header : NiftiHeader
    """

    path: Path
    header: NiftiHeader = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the lengths of the axes, at least three."""
        return self.header.shape

    @property
    def affine(self) -> NDArray[np.float64]:
        """Return the affine from voxel indices to mm, (4, 4)."""
        return self.header.affine

    @property
    def grid(self) -> Grid:
        """Return the grid of the volumes."""
        return self.header.grid

    def values(self, volumes: slice | None = None, dtype: DTypeLike = np.float32) -> NDArray[np.floating]:
        """Read values, scaled by slope and intercept.

        Parameters
        ----------
        volumes : slice, optional
            Consecutive volumes of a 4-D image; all by default.
        dtype : dtype
            Type of the result.

        Returns
        -------
        array of the image's shape
            Of the volumes requested.

        Raises
        ------
        InputError
            If the file is truncated or damaged.
        """
        header = self.header
        check_size(self.path, header)
        start, stop, _ = (volumes or slice(None)).indices(header.n_volumes)
        n_values = header.n_voxels * (stop - start)
        raw = np.empty(n_values, header.dtype)
        try:
            with ImageStream(self.path) as stream:
                stream.skip(header.offset + start * header.n_voxels * header.dtype.itemsize)
                n_read = stream.fill(_bytes_of(raw))
                stream.skip((header.n_volumes - stop) * header.n_voxels * header.dtype.itemsize)
                if n_read == raw.nbytes:
                    _check_end(self.path, header, stream)
        except (EOFError, OSError) as error:
            raise _explain(self.path, header, error) from error
        if n_read < raw.nbytes:
            raise InputError(describe_truncation(self.path, header))
        shape = self.shape if volumes is None else (*self.shape[:3], stop - start)
        return self._scale(raw, dtype).reshape(shape, order="F")

    def _scale(self, raw: NDArray[np.generic], dtype: DTypeLike) -> NDArray[np.floating]:
        slope, inter = self.header.slope, self.header.inter
        # Values are counted as NaN or infinite later; numpy need not warn of them.
        with np.errstate(invalid="ignore", over="ignore"):
            if (slope, inter) == (1.0, 0.0):
                return raw.astype(dtype, copy=False)
            scaled = raw.astype(np.float64)
            scaled *= slope
            scaled += inter
            return scaled.astype(dtype, copy=False)

    def values_on(
        self, grid: Grid, volumes: slice | None = None, dtype: DTypeLike = np.float32
    ) -> NDArray[np.floating]:
        """Read values in the order of a grid with the same points of space.

        Parameters
        ----------
        grid : Grid
        volumes : slice, optional
            As in `values`.
        dtype : dtype
            Type of the result.

        Returns
        -------
        array of shape (*grid.shape, ...)
            Every value is at its point of space.

        Raises
        ------
        ValueError
            If the image has other points; the message says what differs.
        InputError
            If the file is truncated or damaged.
        """
        # Compared first, since a mismatch needs no values.
        reorder(np.broadcast_to(np.float32(0), self.shape), self.grid, grid)
        return reorder(self.values(volumes, dtype), self.grid, grid)


def load_image(path: Path) -> NiftiImage:
    """Open a NIfTI image; its values are read on request.

    Parameters
    ----------
    path : Path
        NIfTI-1 or NIfTI-2 image, compressed or not.

    Returns
    -------
    NiftiImage

    Raises
    ------
    InputError
        As in `read_header`.
    """
    return NiftiImage(path, read_header(path))


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
    header = read_header(path)
    check_size(path, header)
    if len(header.shape) != 4 or header.n_volumes < 2:
        extent = "a single volume" if header.n_volumes == 1 else f"{len(header.shape)} axes"
        message = (
            f"{path}: has {extent} ({'x'.join(map(str, header.shape))}); expected a 4-D image of several "
            "volumes.\nReplace it by the preprocessed BOLD series, not by a mean or reference image."
        )
        raise InputError(message)
    return NiftiSeries(
        path, header.grid, header.n_volumes, header.t_r, header.dtype, header.slope, header.inter, header
    )


def check_orientation(path: Path, header: NiftiHeader) -> None:
    """Check that the header of an image defines the left-right orientation unambiguously.

    Parameters
    ----------
    path : Path
        NIfTI image, for messages.
    header : NiftiHeader

    Raises
    ------
    InputError
        If qform and sform differ by more than 1 mm.
    """
    difference = header.orientation.describe_disagreement(header.shape)
    if difference:
        message = (
            f"{path}: qform and sform disagree: relative to the sform, the qform {difference}.\n"
            "Find out which one is correct and set both."
        )
        raise InputError(message)
