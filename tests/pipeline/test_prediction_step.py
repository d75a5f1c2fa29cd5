"""Prediction and writing of a chunk: the thread that writes."""

import signal
import time

import pytest

from bids_deeptaskgen.pipeline.prediction_step import _writer_thread


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


def test_the_writing_thread_has_ended_although_a_signal_interrupts_the_wait_for_it():
    handler, pending = signal.signal(signal.SIGALRM, interrupt), []

    def write():
        with _writer_thread(pending) as writer:
            pending.append(writer.submit(time.sleep, 0.5))
            signal.setitimer(signal.ITIMER_REAL, 0.1)

    try:
        with pytest.raises(KeyboardInterrupt):
            write()
        assert pending[0].done()
    finally:
        signal.signal(signal.SIGALRM, handler)
