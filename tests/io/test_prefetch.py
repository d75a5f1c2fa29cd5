"""Prefetching: one item in advance, in order, with exceptions at their position."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.io.prefetch import prefetch


@given(st.lists(st.none() | st.integers()))
def test_items_are_unchanged_and_in_order(items):
    assert list(prefetch(items)) == items


def test_exactly_one_item_is_prefetched():
    records, second = [], threading.Event()

    def items():
        for number in range(5):
            records.append((number, threading.current_thread()))
            if number == 1:
                second.set()
            yield number

    iterator = prefetch(items())
    assert next(iterator) == 0
    # The second item is generated without a request.
    assert second.wait(10)
    for number in range(1, 5):
        assert len(records) <= number + 1
        assert next(iterator) == number
    assert [number for number, _ in records] == [0, 1, 2, 3, 4]
    assert threading.current_thread() not in {thread for _, thread in records}


def test_an_exception_is_raised_after_the_preceding_items():
    def items():
        yield 1
        yield 2
        message = "third"
        raise OSError(message)

    iterator, result = prefetch(items()), []
    with pytest.raises(OSError, match="third"):
        result.extend(iterator)
    assert result == [1, 2]


def test_no_thread_remains_if_iteration_stops_early():
    n_threads = threading.active_count()
    iterator = prefetch(iter(range(1_000_000)))
    assert next(iterator) == 0
    assert threading.active_count() == n_threads + 1
    iterator.close()
    assert threading.active_count() == n_threads


def test_no_item_is_generated_before_the_first_request():
    requests = []
    iterator = prefetch(requests.append(item) for item in "ab")
    assert requests == []
    assert list(iterator) == [None, None]
