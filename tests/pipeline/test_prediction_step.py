"""Prediction and writing of a chunk: the thread that writes."""

import signal
import time
from types import SimpleNamespace

import pytest

from bids_deeptaskgen.pipeline import prediction_step as module
from bids_deeptaskgen.pipeline.prediction_step import _writer_thread
from bids_deeptaskgen.pipeline.records import CRASHED, Record


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


def test_a_connectome_that_another_run_has_removed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "finished", lambda *_: False)
    context = SimpleNamespace(
        bundle=None, required_maps=None, settings_hash="", settings=SimpleNamespace(output_dir=tmp_path)
    )
    job = SimpleNamespace(context=context)
    record = Record("01", connectome=str(tmp_path / "a.npy"), facts={"input_fingerprint": "f"})
    saved = []
    monkeypatch.setattr(module, "save_or_stop", lambda _, record: saved.append(record) or record)
    windows = (window for _, window in module._windows([record]))
    monkeypatch.setattr(module, "collect_maps", lambda _bundle, _record, windows: raise_first(windows))
    result, maps = module._average(job, record, windows)
    assert maps is None
    assert result.status == CRASHED
    assert saved == [result]
    assert result.reason.startswith(f"{tmp_path / 'a.npy'}: this connectome was deleted during the run")


def raise_first(windows):
    for window in windows:
        raise window
