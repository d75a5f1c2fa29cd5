"""Laws of what a log says of seconds."""

import logging
import time

import pytest

from bids_deeptaskgen.machine import log_duration


def test_the_duration_of_a_block_is_logged_at_debug_level(caplog):
    with caplog.at_level(logging.DEBUG, "bids_deeptaskgen"), log_duration("sub-01: nap"):
        time.sleep(0.05)
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    part, _, told = record.getMessage().rpartition(": ")
    seconds, unit = told.split()
    assert part == "sub-01: nap"
    assert float(seconds) >= 0.05
    assert unit == "s"


def test_a_failing_block_logs_no_duration(caplog):
    with (
        caplog.at_level(logging.DEBUG, "bids_deeptaskgen"),
        pytest.raises(ZeroDivisionError),
        log_duration("x"),
    ):
        raise ZeroDivisionError
    assert caplog.records == []
