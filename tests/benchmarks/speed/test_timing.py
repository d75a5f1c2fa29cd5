"""Work is timed where it is done, ways in turn, and told as medians."""

import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.speed.timing import Timing, in_new_process, median, ratio, side_by_side, timed


def busy(n_bytes):
    """Prepare for a moment, and then fill memory."""
    time.sleep(0.2)
    return partial(filled, n_bytes)


def filled(n_bytes):
    return float(np.ones(n_bytes // 8).sum())


def test_only_the_work_is_timed_not_what_comes_before():
    timing = in_new_process(busy, 80_000)
    assert timing.wall_s < 0.2
    assert timing.result == 10_000


def test_the_memory_of_its_process_is_measured():
    small, large = (in_new_process(busy, n_bytes).peak_gib for n_bytes in (8_000, 2**28))
    assert large - small == pytest.approx(0.25, abs=0.05)


def test_seconds_by_the_clock_and_of_the_processor_differ():
    timing = timed(lambda: time.sleep(0.3))
    assert timing.wall_s >= 0.3 > 10 * timing.cpu_s


def test_ways_are_timed_in_turn():
    order = []

    def way(name):
        order.append(name)
        return Timing(1, 1, 1)

    side_by_side({name: partial(way, name) for name in ("plain", "ours")}, 2)
    assert order == ["plain", "ours", "plain", "ours"]


def test_a_median_keeps_the_largest_peak_and_the_last_result():
    timings = [Timing(1, 5, 2, "a"), Timing(9, 6, 1, "b"), Timing(2, 7, 1, "c")]
    assert median(timings) == Timing(2, 6, 2, "c")


def test_a_ratio_is_that_of_runs_made_at_the_same_time():
    # The machine was twice as slow the second time.
    fast = [Timing(1, 1, 1), Timing(2, 1, 1), Timing(1, 1, 1)]
    assert ratio([replace(one, wall_s=3 * one.wall_s) for one in fast], fast) == 3
