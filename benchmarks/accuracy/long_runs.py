"""Connectomes of the first minutes of a long resting-state run of the first cohort."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.accuracy.cohort import (
    FIRST,
    SimulatedParticipant,
    Site,
    correlate,
    in_parallel,
    simulate,
    simulate_rest,
)
from bids_deeptaskgen.io.atomic import atomic_path

MINUTES = (1, 2, 4, 8, 16)
# The same participants and task maps as in the first cohort, but a run of twice the length.
LONG = replace(FIRST, rest=replace(FIRST.rest, n_volumes=480))


def simulate_long(site: Site, index: int, folder: Path) -> SimulatedParticipant:
    """Simulate a participant with the connectomes of the first minutes of a run, or load a saved simulation.

    Parameters
    ----------
    site : Site
        Acquisition; its run has at least the largest of `MINUTES`.
    index : int
        Number of the participant within the cohort.
    folder : Path
        Folder of saved simulations.

    Returns
    -------
    SimulatedParticipant
        With the connectome of the shortest run; see `with_minutes`.
    """
    path = folder / f"{site.seed}-{index}-minutes.npy"
    if not path.exists():
        voxels, motion = simulate_rest(site, index)
        t_r = site.rest.t_r
        lengths = [round(60 * minutes / t_r) for minutes in MINUTES]
        connectomes = [correlate(voxels[:n], motion[:n], t_r) for n in lengths]
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, np.stack(connectomes))
    # The shorter run of the first cohort brings the task maps along.
    return replace(simulate(FIRST, index, folder), connectomes=path)


def long_runs(participants: Iterable[int], folder: Path) -> list[SimulatedParticipant]:
    """Simulate the long runs of participants of the first cohort, in parallel.

    Parameters
    ----------
    participants : iterable of int
        Their numbers.
    folder : Path
        Folder of saved simulations.

    Returns
    -------
    list of SimulatedParticipant
    """
    return in_parallel(simulate_long, LONG, participants, folder)


def with_minutes(participants: Iterable[SimulatedParticipant], minutes: int) -> list[SimulatedParticipant]:
    """Select the connectomes of the first minutes of the long runs.

    Parameters
    ----------
    participants : iterable of SimulatedParticipant
        See `long_runs`.
    minutes : int
        One of `MINUTES`.

    Returns
    -------
    list of SimulatedParticipant
    """
    return [replace(participant, row=MINUTES.index(minutes)) for participant in participants]
