"""Tests of timing: only the function is measured, variants alternate, and results are medians."""

import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.speed.timing import (
    Timing,
    measure_alternately,
    measure_call,
    measure_in_new_process,
    median,
    ratio,
)


def busy(n_bytes):
    """Prepare slowly and return a function that fills memory."""
    time.sleep(0.2)
    return partial(fill_memory, n_bytes)


def fill_memory(n_bytes):
    return float(np.ones(n_bytes // 8).sum())


def test_preparation_is_not_measured():
    timing = measure_in_new_process(busy, 80_000)
    assert timing.wall_s < 0.2
    assert timing.result == 10_000


def test_the_memory_of_the_process_is_measured():
    small, large = (measure_in_new_process(busy, n_bytes).peak_gib for n_bytes in (8_000, 2**28))
    assert large - small == pytest.approx(0.25, abs=0.05)


def test_wall_and_cpu_seconds_differ():
    timing = measure_call(lambda: time.sleep(0.3))
    assert timing.wall_s >= 0.3 > 10 * timing.cpu_s


def test_variants_are_measured_alternately():
    order = []

    def way(name):
        order.append(name)
        return Timing(1, 1, 1)

    measure_alternately({name: partial(way, name) for name in ("a", "b")}, 2)
    assert order == ["a", "b", "a", "b"]


def test_a_median_keeps_the_largest_peak_and_the_last_result():
    timings = [Timing(1, 5, 2, "a"), Timing(9, 6, 1, "b"), Timing(2, 7, 1, "c")]
    assert median(timings) == Timing(2, 6, 2, "c")


def test_a_ratio_compares_measurements_of_the_same_repeat():
    # The machine was twice as slow in the second repeat.
    fast = [Timing(1, 1, 1), Timing(2, 1, 1), Timing(1, 1, 1)]
    assert ratio([replace(timing, wall_s=3 * timing.wall_s) for timing in fast], fast) == 3
