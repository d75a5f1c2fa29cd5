"""Return of freed memory from a process to the system."""

import ctypes
from contextlib import suppress


def release_freed_memory() -> None:
    """Return memory that this process has freed to the system.

    The C library keeps it for later allocations: 0.2 GB after a prediction, which no other process could use
    while this one waits for its next node.
    """
    # Other C libraries than that of GNU have no such function.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
