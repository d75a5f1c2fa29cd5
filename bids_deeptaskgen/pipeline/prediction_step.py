"""Second step: the connectomes of a chunk of people become statmaps, by one network for all of them."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.completion import finished
from bids_deeptaskgen.io.prefetch import ahead
from bids_deeptaskgen.machine import told_each, told_seconds
from bids_deeptaskgen.pipeline.failures import as_record, noted
from bids_deeptaskgen.pipeline.model_cache import load_model
from bids_deeptaskgen.pipeline.records import CONNECTED, PRESENT, Job, Record, discard, flatten
from bids_deeptaskgen.pipeline.write_maps import wanted_maps, write_results

Floats = NDArray[np.float32]
# Mean over windows, and its spread where there are several.
Maps = tuple[Floats, Floats | None]


def predict_chunk(jobs: Sequence[Job], records: Sequence[Sequence[Record]], n_threads: int) -> list[Record]:
    """Predict and write the maps of a chunk of people.

    The next connectome is read, and the last person's maps are written, while one is predicted.

    Parameters
    ----------
    jobs : sequence of Job
    records : sequence of sequence of Record
        What the first step gave for each job.
    n_threads : int
        CPU threads of the network.

    Returns
    -------
    list of Record
        One for each session.
    """
    from bids_deeptaskgen.nn.inference import load_network, set_threads
    from bids_deeptaskgen.nn.predict import predict_each

    job_of = {job.subject: job for job in jobs}
    over = [record for record in flatten(records) if record.status != CONNECTED]
    waiting = [record for record in flatten(records) if record.status == CONNECTED]
    if not waiting:
        return over
    settings = jobs[0].settings
    set_threads(n_threads)
    try:
        with told_seconds("network"):
            network = load_network(
                load_model(jobs[0].model),
                settings.device,
                input_mask=settings.input_mask,
                precision=settings.precision,
            )
    except Exception as error:  # as_record tells it for each of them
        return over + [_refused(job_of[record.subject], record, error) for record in waiting]
    pending: list[Future[Record]] = []
    predicted = told_each("prediction", predict_each(network, ahead(_windows(waiting))))
    with ThreadPoolExecutor(1) as writer:
        for number, of_windows in groupby(predicted, key=itemgetter(0)):
            record, job = waiting[number], job_of[waiting[number].subject]
            record, maps = _joined(job, record, map(itemgetter(1), of_windows))
            if maps is None:
                over.append(record)
                continue
            # No more than one person's maps wait for the disk, so that memory stays bounded.
            if pending:
                pending[-1].result()
            pending.append(writer.submit(_finish, job, record, maps, str(network.device)))
    return over + [future.result() for future in pending]


def _refused(job: Job, record: Record, error: Exception) -> Record:
    """Give a person the record of a fault that concerns the whole chunk."""

    def fail() -> Record:
        raise error

    return noted(job, as_record(job, record, fail))


def _joined(job: Job, record: Record, of_windows: Iterable[Floats | Exception]) -> tuple[Record, Maps | None]:
    """Join the maps of a person's windows: the record, and the maps unless that failed."""
    from bids_deeptaskgen.nn.predict import mean_and_sd

    maps: list[Maps] = []
    wanted = wanted_maps(job.settings, load_model(job.model))
    done = (job.settings.output_dir, record, job.settings_hash, record.facts["input_fingerprint"], wanted)

    def join() -> Record:
        try:
            maps.append(mean_and_sd(of_windows))
        except FileNotFoundError:
            # Another run may have been faster with this person, and have thrown the connectome away.
            if not finished(*done):
                raise
            return record.now(status=PRESENT, n_maps=len(wanted.contrasts))
        return record

    made = as_record(job, record, join)
    return (made, maps[0]) if maps else (noted(job, made), None)


def _windows(records: Sequence[Record]) -> Iterator[tuple[int, Floats | Exception]]:
    """Read connectomes one by one: the record's number, and a window or what was wrong with its file."""
    for number, record in enumerate(records):
        try:
            for window in np.load(record.connectome, mmap_mode="r"):
                yield number, np.array(window)
        except (FileNotFoundError, MemoryError) as error:
            yield number, error
        except Exception as error:  # noqa: BLE001 - of this person alone
            # It would be taken for whole the next time, too.
            discard(Path(record.connectome))
            yield number, error


def _finish(job: Job, record: Record, maps: Maps, device: str) -> Record:
    """Write a person's maps and let go of the connectome."""
    with told_seconds(f"{record.name}: maps written"):
        done = noted(job, as_record(job, record, lambda: write_results(job, record, *maps, device)))
    if not done.failed:
        discard(Path(record.connectome))
    return done
