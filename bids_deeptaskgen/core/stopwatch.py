"""Seconds of the parts of a run, told in its log."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
logger = logging.getLogger("bids_deeptaskgen")


@contextmanager
def told_seconds(part: str) -> Iterator[None]:
    """Tell the log, where ``-v`` asks for details, how long a block took; nothing if it raises.

    Parameters
    ----------
    part : str
        What is done, e.g. ``sub-01: connectome``.
    """
    began = time.perf_counter()
    yield
    logger.debug("%s: %.2f s", part, time.perf_counter() - began)


def told_each(part: str, items: Iterable[Item]) -> Iterator[Item]:
    """Go through items, and tell how long each of them was waited for; see `told_seconds`."""
    iterator = iter(items)
    while True:
        try:
            with told_seconds(part):
                item = next(iterator)
        except StopIteration:
            return
        yield item
