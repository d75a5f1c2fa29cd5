"""Second step: prediction of maps from the connectomes of a chunk of participants."""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.completion import finished
from bids_deeptaskgen.io.atomic import finish
from bids_deeptaskgen.io.npy import Stack
from bids_deeptaskgen.io.prefetch import prefetch
from bids_deeptaskgen.machine import log_duration, log_each_duration
from bids_deeptaskgen.pipeline.failures import run_as_record, save_or_stop
from bids_deeptaskgen.pipeline.map_collection import PredictedMaps, collect_maps
from bids_deeptaskgen.pipeline.participant import finish_session
from bids_deeptaskgen.pipeline.records import CONNECTED, CRASHED, MAPS_EXIST, Job, Record, discard, flatten

Floats = NDArray[np.float32]


def predict_chunk(jobs: Sequence[Job], records: Sequence[Sequence[Record]], n_threads: int) -> list[Record]:
    """Predict and write the maps of a chunk of participants.

    During a prediction, the next connectome is read and the maps of the previous session are written.

    Parameters
    ----------
    jobs : sequence of Job
        All with the same context.
    records : sequence of sequence of Record
        Records of the first step for each job.
    n_threads : int
        CPU threads of a network.

    Returns
    -------
    list of Record
        One for each session.
    """
    from bids_deeptaskgen.nn.inference import load_network
    from bids_deeptaskgen.nn.predict import predict_each

    job_of = {job.subject: job for job in jobs}
    finished_records = [record for record in flatten(records) if record.status != CONNECTED]
    waiting = [record for record in flatten(records) if record.status == CONNECTED]
    if not waiting:
        return finished_records
    context = jobs[0].context
    settings = context.settings
    try:
        with log_duration("model"):
            model = load_network(
                context.bundle,
                settings.device,
                input_mask=settings.input_mask,
                precision=settings.precision,
                n_threads=n_threads,
            )
    except Exception as error:  # becomes the record of each session
        return finished_records + [_failed(job_of[record.subject], record, error) for record in waiting]
    pending: list[Future[Record]] = []
    predictions = log_each_duration("prediction", predict_each(model, prefetch(_windows(waiting))))
    started = time.monotonic()
    with _writer_thread(pending) as writer:
        for number, windows in groupby(predictions, key=itemgetter(0)):
            record, job = waiting[number], job_of[waiting[number].subject]
            record, maps = _average(job, record, map(itemgetter(1), windows))
            if maps is None:
                finished_records.append(record)
                continue
            record = _with_seconds(record, time.monotonic() - started)
            # At most one session waits to be written, so that memory stays bounded.
            if pending:
                pending[-1].result()
            pending.append(writer.submit(finish_session, job, record, maps, model.device_name))
            started = time.monotonic()
    return finished_records + [future.result() for future in pending]


@contextmanager
def _writer_thread(pending: Sequence[Future[Record]]) -> Iterator[ThreadPoolExecutor]:
    """Yield a thread whose work has ended when the block ends, even if a signal interrupts the wait for it.

    A thread that writes on would create folders that the end of the run has removed.

    Parameters
    ----------
    pending : sequence of Future
        All work of the thread.
    """
    try:
        with ThreadPoolExecutor(1) as writer:
            yield writer
    finally:
        # Python 3.11 takes a thread for ended if a signal has interrupted the wait for it.
        finish(lambda: wait(pending))


def _with_seconds(record: Record, seconds: float) -> Record:
    """Add the duration of the prediction to the facts of a session."""
    durations = record.facts.get("seconds", {}) | {"prediction": round(seconds, 2)}
    return record.replace(facts=record.facts | {"seconds": durations})


def _failed(job: Job, record: Record, error: Exception) -> Record:
    """Return the record of a session for an error that concerns the whole chunk."""

    def fail() -> Record:
        raise error

    return save_or_stop(job, run_as_record(job, record, fail))


def _average(
    job: Job, record: Record, windows: Iterable[Floats | Exception]
) -> tuple[Record, PredictedMaps | None]:
    """Average and compare the maps of a session; the maps are None on failure."""
    maps: list[PredictedMaps] = []
    context = job.context

    def average() -> Record:
        try:
            maps.append(collect_maps(context.bundle, record, windows))
        except FileNotFoundError:
            # Another run may have finished this session and removed its connectome.
            fingerprint, required_maps = record.facts["input_fingerprint"], context.required_maps
            output = context.settings.output_dir
            if not finished(output, record, context.settings_hash, fingerprint, required_maps):
                # For instance, a third run has replaced the maps by those of another image.
                reason = (
                    f"{record.connectome}: this connectome was deleted during the run, by another run of "
                    "this participant or another program.\nStart again; finished results are kept."
                )
                return record.replace(status=CRASHED, reason=reason)
            return record.replace(status=MAPS_EXIST, n_maps=len(required_maps.contrasts))
        return record

    result = run_as_record(job, record, average)
    return (result, maps[0]) if maps else (save_or_stop(job, result), None)


def _windows(records: Sequence[Record]) -> Iterator[tuple[int, Floats | Exception]]:
    """Yield the number of the record, and a window of its connectomes or the error of its file."""
    for number, record in enumerate(records):
        try:
            for window in Stack(Path(record.connectome)):
                yield number, window
        except (FileNotFoundError, MemoryError) as error:
            yield number, error
        except Exception as error:  # noqa: BLE001 - affects this participant only
            # Otherwise the next run would use the damaged file again.
            discard(Path(record.connectome))
            yield number, error
