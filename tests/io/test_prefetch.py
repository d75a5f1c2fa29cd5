"""Items are made one ahead of their use, in order, and what goes wrong is told where it happened."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.io.prefetch import prefetch


@given(st.lists(st.none() | st.integers()))
def test_items_come_as_they_are_and_in_order(items):
    assert list(prefetch(items)) == items


def test_the_next_item_is_made_while_one_is_used_and_no_further_one():
    made, second = [], threading.Event()

    def items():
        for number in range(5):
            made.append((number, threading.current_thread()))
            if number == 1:
                second.set()
            yield number

    going = prefetch(items())
    assert next(going) == 0
    # Nobody asks for the second one: it comes of itself.
    assert second.wait(10)
    for number in range(1, 5):
        assert len(made) <= number + 1
        assert next(going) == number
    assert [number for number, _ in made] == [0, 1, 2, 3, 4]
    assert threading.current_thread() not in {thread for _, thread in made}


def test_what_goes_wrong_is_raised_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        message = "third"
        raise OSError(message)

    going, seen = prefetch(items()), []
    with pytest.raises(OSError, match="third"):
        seen.extend(going)
    assert seen == [1, 2]


def test_whoever_stops_early_leaves_no_thread_behind():
    before = threading.active_count()
    going = prefetch(iter(range(1_000_000)))
    assert next(going) == 0
    assert threading.active_count() == before + 1
    going.close()
    assert threading.active_count() == before


def test_nothing_is_made_before_it_is_asked_for():
    asked = []
    going = prefetch(asked.append(one) for one in "ab")
    assert asked == []
    assert list(going) == [None, None]
