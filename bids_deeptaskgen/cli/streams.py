"""Standard streams: closed ones are replaced, and a reader that has gone does not end a run."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

_NAMES = {1: "stdout", 2: "stderr"}
# The reader has gone, or the stream was closed.
_GONE = (errno.EPIPE, errno.EBADF)


class SafeStream:
    """Output stream that drops its text once it cannot be written.

    A run takes hours, and its results are files: it goes on if the program that reads its output (``head``,
    a closed terminal) has ended. A full disk under standard output is an error; messages on standard error
    are dropped then, as no other place is left for them.

    Parameters
    ----------
    stream : text stream
        ``sys.stdout`` or ``sys.stderr``.
    title : str
        Name of the stream in messages.
    ignores_all : bool
        Ignore errors other than a reader that has gone, too.
    """

    def __init__(self, stream: TextIO, title: str, *, ignores_all: bool) -> None:
        self._stream, self._title, self._ignores_all = stream, title, ignores_all
        self._error: OSError | None = None

    def write(self, text: str) -> int:
        """Write text, and return its length."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._drop(error)
        return len(text)

    def flush(self) -> None:
        """Write the buffer; raise the error of an earlier write again, since argparse ignores it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)
        if self._error is not None:
            raise self._error

    def _drop(self, error: OSError) -> None:
        """Replace the file of the stream by the null device, which takes the buffer at exit; may raise."""
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
            self._stream.flush()
        if not self._ignores_all and error.errno not in _GONE:
            self._error = OSError(error.errno, error.strerror, self._title)
            raise self._error from error

    # Any, because all other attributes are those of the stream.
    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._stream, name)


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """Replace the standard streams by safe ones while the block runs.

    Within the block, writing and flushing standard output raises an OSError if its disk is full.
    """
    _open_closed_streams()
    out, err = sys.stdout, sys.stderr
    for stream in (out, err):
        # A terminal or a log may lack letters of a path or a name.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    safe_out = SafeStream(out, "standard output", ignores_all=False)
    safe_err = SafeStream(err, "standard error", ignores_all=True)
    # Both have the methods of a text stream.
    sys.stdout, sys.stderr = safe_out, safe_err  # type: ignore[assignment]
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            safe_out.flush()
        safe_err.flush()
        if sys.stdout is safe_out:
            sys.stdout = out
        if sys.stderr is safe_err:
            sys.stderr = err


def _open_closed_streams() -> None:
    """Open the null device for closed streams (``>&-``).

    Otherwise the next file that is opened gets the number of the stream, and receives its text.
    """
    for number in (0, *_NAMES):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            # Worker processes need them, too, but Python closes what it opens in their place.
            os.set_inheritable(number, True)  # noqa: FBT003
    for number, name in _NAMES.items():
        if getattr(sys, name) is None:
            # Open until the process ends.
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
