"""Iteration with one item prefetched in a thread."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Iterable[Item]) -> Iterator[Item]:
    """Iterate over items while a thread generates the next one, and only that.

    Parameters
    ----------
    items : iterable
        Its exceptions are raised at the position of the item that failed.

    Yields
    ------
    item
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(next, iterator, end)
        while (item := future.result()) is not end:
            future = thread.submit(next, iterator, end)
            yield item  # type: ignore[misc]
