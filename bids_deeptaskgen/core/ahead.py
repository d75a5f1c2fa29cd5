"""Making the next thing in a thread while the last one is used."""

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Go through items while a thread makes the next one.

    Parameters
    ----------
    items : iterable
        What it raises is raised where its item would have come.

    Yields
    ------
    item
    """
    end = object()
    made: queue.Queue[object] = queue.Queue(maxsize=1)
    failed: list[BaseException] = []
    stop = threading.Event()

    def make() -> None:
        try:
            for item in items:
                if not _put(made, item, stop):
                    return
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that waits for it
            failed.append(error)
        _put(made, end, stop)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not end:
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]


def _put(made: "queue.Queue[object]", item: object, stop: threading.Event) -> bool:
    """Hand an item over, unless nobody wants it any more."""
    while not stop.is_set():
        with suppress(queue.Full):
            made.put(item, timeout=0.1)
            return True
    return False
