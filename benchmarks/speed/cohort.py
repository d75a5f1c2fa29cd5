"""How many people an hour, beside what the steps alone allow, and what the scheduler costs a person."""

import resource
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks.speed.datasets import N_VOLUMES, few_voxels, multiplied, one_participant, simulated
from benchmarks.speed.participant_run import ANY_LENGTH, app, participant
from benchmarks.speed.timing import KIB_PER_GIB, Comparison, Timing, in_new_process, side_by_side
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
    """Time a cohort, and a person in windows.

    Parameters
    ----------
    work : Path
        Where people and models are kept for the next time.
    n_repeats : int
        Of the windows alone: what has many people takes minutes, and each of them is a repeat.

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
    """Time a run of one chunk of people, and its two steps alone.

    Each step may use all cores, so that a run which lost nothing would take as long as both together.

    Parameters
    ----------
    work : Path
    n_participants, n_volumes : int
        Of int16 each.
    model : str
        As ``--model`` takes it.
    options : sequence of str
        Of the run.

    Returns
    -------
    Comparison
    """
    few = work / f"few-people-int16-{n_volumes}"
    simulated(few, N_DISTINCT, n_volumes=n_volumes, dtype="int16")
    participants = multiplied(few, work / f"{n_participants}-people-int16-{n_volumes}", n_participants)
    out = work / "chunk-maps"
    bundle = find_model(model).absolute()
    whole = replace(participant(participants, out, bundle, *ANY_LENGTH, *options), result=None)
    shutil.rmtree(out)
    settings = ParticipantSettings(
        bids_dir=participants, output_dir=out, model=str(bundle), min_minutes=0.1, min_dof=1, device="cpu"
    )
    jobs = jobs_of(settings, out / "work")
    connecting = in_new_process(_connecting, jobs)
    records, peak_gib = connecting.result
    predicting = in_new_process(_predicting, jobs, records)
    steps = {
        "connectomes alone": replace(connecting, peak_gib=peak_gib, result=None),
        "maps alone": replace(predicting, result=None),
    }
    alone = [step.wall_s for step in steps.values()]
    facts: dict[str, str | float] = {
        "people an hour": 3600 * n_participants / whole.wall_s,
        "people an hour, as both steps allow": 3600 * n_participants / sum(alone),
        "share of that": sum(alone) / whole.wall_s,
        "people an hour, as the slower step would allow with all cores": 3600 * n_participants / max(alone),
    }
    timings = {"whole run": [whole], **{name: [step] for name, step in steps.items()}}
    return Comparison(f"{n_participants} people of {n_volumes} volumes", "whole run", timings, facts)


def jobs_of(settings: ParticipantSettings, work: Path) -> list[Job]:
    """Give the jobs of everybody in a dataset, as a run makes them.

    Parameters
    ----------
    settings : ParticipantSettings
    work : Path
        Where connectomes wait and records are written.

    Returns
    -------
    list of Job
    """
    context = make_context(settings, locate(settings.bids_dir, settings.derivatives))
    subjects = sorted(folder.name.removeprefix("sub-") for folder in settings.bids_dir.glob("sub-*"))
    return [Job(subject, context, work / "connectomes", work / "records") for subject in subjects]


def _connecting(jobs: Sequence[Job]) -> Callable[[], tuple[list[list[Record]], float]]:
    """Start a process for each core, libraries and model loaded, and give what makes all connectomes.

    That gives their records, and the memory of the larger process.
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
    """Load what the first person would wait for."""
    find_sessions(job.context.dataset, job.subject, job.context.query, combine_runs=True)
    _ = job.context.bundle.roi_space


def _predicting(jobs: Sequence[Job], records: Sequence[Sequence[Record]]) -> Callable[[], int]:
    from bids_deeptaskgen.pipeline.prediction_step import predict_chunk

    _ = jobs[0].context.bundle.roi_space
    return lambda: len(predict_chunk(jobs, records, threads_of(jobs[0].context.settings)))


def measure_growth(work: Path, sizes: Sequence[int] = SIZES, options: Sequence[str] = ()) -> Comparison:
    """Time runs over people who are all done already, so that nothing but the run itself takes time.

    Each is looked up, gets a node of the graph, and their input and maps are compared with what was
    recorded; nothing is read or predicted.

    Parameters
    ----------
    work : Path
    sizes : sequence of int
        Numbers of people, growing.
    options : sequence of str
        Of the runs.

    Returns
    -------
    Comparison
        The peak is that of the run's first process, which holds the graph.
    """
    bundle = random_bundle(work / "fdim-2", fdim=2)
    few = few_voxels(work / "one-person-coarse", n_participants=1)
    timings = {}
    for n_participants in sizes:
        participants = multiplied(few, work / f"{n_participants}-people-coarse", n_participants)
        out = work / f"{n_participants}-people-done"
        finish_all(participants, out, bundle)
        words = ("participant", "--model", str(bundle), "--device", "cpu", "--map-format", "4d", *options)
        timing = app(str(participants), str(out), *words)
        timings[f"{n_participants} people"] = [replace(timing, peak_gib=timing.result.first_gib, result=None)]
    walls = [one.wall_s for (one,) in timings.values()]
    facts: dict[str, str | float] = {
        f"s a person from {few_} to {many}": (later - earlier) / (many - few_)
        for few_, many, earlier, later in zip(sizes, sizes[1:], walls, walls[1:], strict=False)
    }
    return Comparison("people who are done already", f"{sizes[0]} people", timings, facts)


def finish_all(participants: Path, out: Path, bundle: Path) -> None:
    """Record of everybody in a dataset that they are done, in a 4-D image that nobody will look at."""
    settings = ParticipantSettings(
        bids_dir=participants, output_dir=out, model=str(bundle), map_format="4d", device="cpu"
    )
    labels = [contrast.label for contrast in load_bundle(bundle).card.contrasts]
    for job in jobs_of(settings, out / "work"):
        for session in find_sessions(job.context.dataset, job.subject, job.context.query, combine_runs=True):
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
    """Time one person in several windows beside one, prompt to exit code."""
    bundle = random_bundle(work / ("published-size" if fdim == 64 else f"fdim-{fdim}"), fdim)  # noqa: PLR2004
    participants = one_participant(work, "float32", n_volumes)
    options = (*ANY_LENGTH, "--n-windows")
    ways = {
        name: partial(_without_words, participants, work / "windows-maps", bundle, *options, str(number))
        for name, number in (("1 window", 1), (f"{n_windows} windows", n_windows))
    }
    return Comparison("one person in windows", "1 window", side_by_side(ways, n_repeats))


def _without_words(*arguments: str | Path) -> Timing:
    return replace(participant(*arguments), result=None)  # type: ignore[arg-type]
