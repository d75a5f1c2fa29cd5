"""Laws of what a log says of seconds."""

import logging
import time

import pytest

from bids_deeptaskgen.machine import log_duration


def test_the_seconds_of_a_block_are_told_to_those_who_ask_for_details(caplog):
    with caplog.at_level(logging.DEBUG, "bids_deeptaskgen"), log_duration("sub-01: nap"):
        time.sleep(0.05)
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    part, _, told = record.getMessage().rpartition(": ")
    seconds, unit = told.split()
    assert part == "sub-01: nap"
    assert float(seconds) >= 0.05
    assert unit == "s"


def test_a_block_that_fails_is_not_said_to_be_over(caplog):
    with (
        caplog.at_level(logging.DEBUG, "bids_deeptaskgen"),
        pytest.raises(ZeroDivisionError),
        log_duration("x"),
    ):
        raise ZeroDivisionError
    assert caplog.records == []
