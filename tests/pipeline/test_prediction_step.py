"""Prediction and writing of a chunk: the thread that writes."""

import signal
import time

import pytest

from bids_deeptaskgen.pipeline.prediction_step import _writer_thread


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


def test_the_writing_thread_has_ended_although_a_signal_interrupts_the_wait_for_it():
    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt), _writer_thread() as writer:
            future = writer.submit(time.sleep, 0.5)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert future.done()
    finally:
        signal.signal(signal.SIGALRM, handler)
