"""Stream of the decompressed bytes of an image file, which is read from its start to its end."""

import gzip
from pathlib import Path
from types import TracebackType

from zlib_ng import zlib_ng

from bids_deeptaskgen.errors import InputError, raise_disk_error
from bids_deeptaskgen.io.file_content import GZIP_MAGIC
from bids_deeptaskgen.io.text import explain_unreadable

# For larger reads, the decompressor allocates a new array, which takes as long as decompression.
READ_BYTES = 1 << 20
_COMPRESSED_BYTES = 1 << 18
# Enough for a header, which is often all that is read.
_FIRST_BYTES = 1 << 14
# Header and trailer of gzip are read by zlib, which compares the checksum.
_GZIP_WINDOW = 31


class ImageStream:
    """Bytes of a file, decompressed if the file is gzipped.

    As gunzip does, several gzip members are read as one stream, and bytes after the last member that begin no
    other member (zeros, line ends) are ignored.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        If the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb")
            self._input = self._file.read(_FIRST_BYTES)
        except OSError as error:
            raise_disk_error(error, path)
            message = f"{path}: {explain_unreadable(path, error)}"
            raise InputError(message) from error
        self.is_gzipped = self._input.startswith(GZIP_MAGIC)
        self._member = zlib_ng.decompressobj(wbits=_GZIP_WINDOW) if self.is_gzipped else None
        self._is_at_end = False

    def __enter__(self) -> "ImageStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def readinto(self, view: memoryview) -> int:
        """Read bytes into a buffer.

        Parameters
        ----------
        view : memoryview
            Buffer of bytes, which need not be filled by one call.

        Returns
        -------
        int
            Number of bytes; 0 at the end.

        Raises
        ------
        EOFError
            If a gzip member is truncated.
        gzip.BadGzipFile
            If a gzip member is damaged or has another checksum.
        """
        if self._member is None:
            return self._read_plain(view)
        while not self._is_at_end and len(view):
            if not self._input:
                self._input = self._file.read(_COMPRESSED_BYTES)
                if not self._input:
                    message = "the compressed data end early"
                    raise EOFError(message)
            try:
                output = self._member.decompress(self._input, len(view))
            except zlib_ng.error as error:  # type: ignore[misc]
                raise gzip.BadGzipFile(str(error)) from error
            self._input = self._member.unconsumed_tail
            if self._member.eof:
                self._start_member(self._member.unused_data)
            if output:
                view[: len(output)] = output
                return len(output)
        return 0

    def _read_plain(self, view: memoryview) -> int:
        if self._input:
            n_bytes = min(len(view), len(self._input))
            view[:n_bytes], self._input = self._input[:n_bytes], self._input[n_bytes:]
            return n_bytes
        return self._file.readinto(view)

    def _start_member(self, rest: bytes) -> None:
        """Start the next gzip member, or end the stream if the remaining bytes begin none."""
        rest = rest.lstrip(b"\0")
        while len(rest) < len(GZIP_MAGIC) and (more := self._file.read(_COMPRESSED_BYTES)):
            rest = (rest + more).lstrip(b"\0")
        self._is_at_end = not rest.startswith(GZIP_MAGIC)
        self._input = b"" if self._is_at_end else rest
        if not self._is_at_end:
            self._member = zlib_ng.decompressobj(wbits=_GZIP_WINDOW)

    def fill(self, view: memoryview) -> int:
        """Read bytes until a buffer is full or the stream ends.

        Parameters
        ----------
        view : memoryview
            Buffer of bytes.

        Returns
        -------
        int
            Number of bytes.
        """
        position = 0
        while position < len(view) and (n_bytes := self.readinto(view[position : position + READ_BYTES])):
            position += n_bytes
        return position

    def read(self, n_bytes: int) -> bytes:
        """Read bytes.

        Parameters
        ----------
        n_bytes : int

        Returns
        -------
        bytes
            Fewer at the end of the stream.
        """
        buffer = bytearray(n_bytes)
        return bytes(buffer[: self.fill(memoryview(buffer))])

    def skip(self, n_bytes: int) -> None:
        """Skip bytes.

        Parameters
        ----------
        n_bytes : int

        Raises
        ------
        EOFError
            If the stream has fewer bytes.
        gzip.BadGzipFile
            As in `readinto`.
        """
        buffer = memoryview(bytearray(min(n_bytes, READ_BYTES)))
        while n_bytes > 0:
            n_read = self.readinto(buffer[:n_bytes])
            if not n_read:
                message = "the data end early"
                raise EOFError(message)
            n_bytes -= n_read

    def drain(self) -> int:
        """Read to the end of the stream, which verifies the checksum of its last gzip member.

        Returns
        -------
        int
            Number of bytes that were left.

        Raises
        ------
        EOFError, gzip.BadGzipFile
            As in `readinto`.
        """
        buffer = memoryview(bytearray(READ_BYTES))
        n_bytes = 0
        while n_read := self.readinto(buffer):
            n_bytes += n_read
        return n_bytes
