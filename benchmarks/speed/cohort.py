"""Participants per hour for whole runs and single steps, and the cost of scheduling per participant."""

import resource
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks.speed.datasets import (
    N_VOLUMES,
    few_voxels,
    multiply_participants,
    one_participant,
    simulate_participants,
)
from benchmarks.speed.participant_run import ANY_LENGTH, app, participant
from benchmarks.speed.timing import (
    KIB_PER_GIB,
    Comparison,
    Timing,
    measure_alternately,
    measure_in_new_process,
)
from bids_deeptaskgen.bids.input.sessions import SessionFault
from bids_deeptaskgen.bids.input.sources import find_sessions, locate
from bids_deeptaskgen.bids.output.completion import input_fingerprint, write_completion
from bids_deeptaskgen.machine import available_cpus
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.models.store import find_model
from bids_deeptaskgen.pipeline.context import make_context
from bids_deeptaskgen.pipeline.participant import compute_connectomes
from bids_deeptaskgen.pipeline.records import Job, Record
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.simulation.random_model import random_bundle
from bids_deeptaskgen.workflow.engine import threads_of

N_DISTINCT, N_PARTICIPANTS, N_SHORT_VOLUMES = 4, 40, 100
N_WINDOWS = 8
SIZES = (10, 100, 1000)


def measure(work: Path, n_repeats: int) -> list[Comparison]:
    """Measure the time of a cohort, of reruns, and of one participant in windows.

    Parameters
    ----------
    work : Path
        Folder for simulated participants and models, reused by later calls.
    n_repeats : int
        Repeats of the measurement of windows. The cohorts are measured once, because they take minutes.

    Returns
    -------
    list of Comparison
    """
    return [measure_chunk(work), measure_growth(work), measure_windows(work, n_repeats)]


def measure_chunk(
    work: Path,
    n_participants: int = N_PARTICIPANTS,
    n_volumes: int = N_SHORT_VOLUMES,
    model: str = "embedded",
    options: Sequence[str] = (),
) -> Comparison:
    """Measure the time of a run of one chunk of participants, and of its two steps.

    Each step may use all cores. A run without overhead would take as long as both steps in sequence.

    Parameters
    ----------
    work : Path
        Folder for datasets and results.
    n_participants : int
        Number of participants.
    n_volumes : int
        Number of volumes of each run, stored as int16.
    model : str
        Value of ``--model``.
    options : sequence of str
        Further options of the run.

    Returns
    -------
    Comparison
    """
    originals = work / f"few-participants-int16-{n_volumes}"
    simulate_participants(originals, N_DISTINCT, n_volumes=n_volumes, dtype="int16")
    participants = multiply_participants(
        originals, work / f"{n_participants}-participants-int16-{n_volumes}", n_participants
    )
    out = work / "chunk-maps"
    bundle = find_model(model).absolute()
    whole_run = replace(participant(participants, out, bundle, *ANY_LENGTH, *options), result=None)
    shutil.rmtree(out)
    settings = ParticipantSettings(
        bids_dir=participants, output_dir=out, model=str(bundle), min_minutes=0.1, min_dof=1, device="cpu"
    )
    jobs = jobs_of(settings, out / "work")
    connecting = measure_in_new_process(_connecting, jobs)
    records, peak_gib = connecting.result
    predicting = measure_in_new_process(_predicting, jobs, records)
    steps = {
        "connectomes only": replace(connecting, peak_gib=peak_gib, result=None),
        "maps only": replace(predicting, result=None),
    }
    step_seconds = [step.wall_s for step in steps.values()]
    facts: dict[str, str | float] = {
        "participants per hour": 3600 * n_participants / whole_run.wall_s,
        "participants per hour, both steps in sequence": 3600 * n_participants / sum(step_seconds),
        "ratio of the two": sum(step_seconds) / whole_run.wall_s,
        "participants per hour, slower step only": 3600 * n_participants / max(step_seconds),
    }
    timings = {"whole run": [whole_run], **{name: [step] for name, step in steps.items()}}
    return Comparison(f"{n_participants} participants of {n_volumes} volumes", "whole run", timings, facts)


def jobs_of(settings: ParticipantSettings, work: Path) -> list[Job]:
    """Create the jobs of all participants of a dataset, as a run does.

    Parameters
    ----------
    settings : ParticipantSettings
    work : Path
        Folder for waiting connectomes and records.

    Returns
    -------
    list of Job
    """
    context = make_context(settings, locate(settings.bids_dir, settings.derivatives))
    subjects = sorted(folder.name.removeprefix("sub-") for folder in settings.bids_dir.glob("sub-*"))
    return [Job(subject, context, work / "connectomes", work / "records") for subject in subjects]


def _connecting(jobs: Sequence[Job]) -> Callable[[], tuple[list[list[Record]], float]]:
    """Start one process per core with libraries and model loaded.

    Returns
    -------
    function
        Computes all connectomes; returns their records and the peak memory of the larger process in GiB.
    """
    n_procs = available_cpus()
    pool = ProcessPoolExecutor(n_procs, mp_context=get_context("spawn"))
    list(pool.map(_ready, [jobs[0]] * n_procs))

    def work() -> tuple[list[list[Record]], float]:
        with pool:
            records = list(pool.map(compute_connectomes, jobs))
        return records, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / KIB_PER_GIB

    return work


def _ready(job: Job) -> None:
    """Load libraries and model before the measurement starts."""
    find_sessions(job.context.dataset, job.subject, job.context.query, combine_runs=True)
    _ = job.context.bundle.roi_space


def _predicting(jobs: Sequence[Job], records: Sequence[Sequence[Record]]) -> Callable[[], int]:
    from bids_deeptaskgen.pipeline.prediction_step import predict_chunk

    _ = jobs[0].context.bundle.roi_space
    return lambda: len(predict_chunk(jobs, records, threads_of(jobs[0].context.settings)))


def measure_growth(work: Path, sizes: Sequence[int] = SIZES, options: Sequence[str] = ()) -> Comparison:
    """Measure the time of reruns in which all participants are done.

    The run compares input and maps of each participant with the records. It starts no process, and reads and
    predicts nothing. ``python -m benchmarks.finished`` measures more participants, with pages.

    Parameters
    ----------
    work : Path
        Folder for datasets and results.
    sizes : sequence of int
        Numbers of participants, increasing.
    options : sequence of str
        Further options of the runs.

    Returns
    -------
    Comparison
        Peak memory is that of the first process of the run, which holds the graph.
    """
    bundle = random_bundle(work / "fdim-2", fdim=2)
    original = few_voxels(work / "one-participant-coarse", n_participants=1)
    timings = {}
    for n_participants in sizes:
        participants = multiply_participants(
            original, work / f"{n_participants}-participants-coarse", n_participants
        )
        out = work / f"{n_participants}-participants-done"
        finish_all(participants, out, bundle)
        words = ("participant", "--model", str(bundle), "--device", "cpu", "--map-format", "4d")
        timing = app(str(participants), str(out), *words, "--reports", "none", *options)
        label = f"{n_participants} participants"
        timings[label] = [replace(timing, peak_gib=timing.result.first_gib, result=None)]
    walls = [timing.wall_s for (timing,) in timings.values()]
    facts: dict[str, str | float] = {
        f"s per participant from {n_first} to {n_second}": (second_s - first_s) / (n_second - n_first)
        for n_first, n_second, first_s, second_s in zip(sizes, sizes[1:], walls, walls[1:], strict=False)
    }
    return Comparison("rerun with all participants done", f"{sizes[0]} participants", timings, facts)


def finish_all(participants: Path, out: Path, bundle: Path) -> None:
    """Write completion records for all participants of a dataset, without maps.

    Parameters
    ----------
    participants : Path
        Input dataset.
    out : Path
        Output dataset.
    bundle : Path
        Folder of the model.
    """
    settings = ParticipantSettings(
        bids_dir=participants, output_dir=out, model=str(bundle), map_format="4d", device="cpu"
    )
    labels = [contrast.label for contrast in load_bundle(bundle).card.contrasts]
    for job in jobs_of(settings, out / "work"):
        for session in find_sessions(
            job.context.dataset, job.subject, job.context.query, combine_runs=True, uses_pybids=False
        ):
            if isinstance(session, SessionFault):
                raise session.error
            fingerprint = input_fingerprint(session)
            write_completion(
                out,
                session,
                {},
                files=(),
                settings_hash=job.context.settings_hash,
                fingerprint=fingerprint,
                contrasts=labels,
            )


def measure_windows(
    work: Path, n_repeats: int, n_windows: int = N_WINDOWS, n_volumes: int = N_VOLUMES, fdim: int = 64
) -> Comparison:
    """Measure the time of a whole run with several windows and with one window.

    Parameters
    ----------
    work : Path
        Folder for datasets and results.
    n_repeats : int
        Number of measurements of each variant.
    n_windows : int
        Number of windows of the second variant.
    n_volumes : int
        Number of volumes of the run.
    fdim : int
        Channels of the network at full resolution.

    Returns
    -------
    Comparison
    """
    bundle = random_bundle(work / ("published-size" if fdim == 64 else f"fdim-{fdim}"), fdim)  # noqa: PLR2004
    participants = one_participant(work, "float32", n_volumes)
    options = (*ANY_LENGTH, "--n-windows")
    ways = {
        name: partial(_without_log, participants, work / "windows-maps", bundle, *options, str(number))
        for name, number in (("1 window", 1), (f"{n_windows} windows", n_windows))
    }
    return Comparison("one participant in windows", "1 window", measure_alternately(ways, n_repeats))


def _without_log(*arguments: str | Path) -> Timing:
    return replace(participant(*arguments), result=None)  # type: ignore[arg-type]
