"""Simulated people: individual network topographies that shape both their rest and their task maps.

This is what the method rests on: who has a region in another place at rest has it there in a task too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from bids_deeptaskgen.grid import MODEL_GRID, Array, Grid
from bids_deeptaskgen.simulation.anatomy import Anatomy, SmoothFields, anatomy, one_thread
from bids_deeptaskgen.simulation.coordinate_rois import axes_mm, box_around, truncated_gaussian
from bids_deeptaskgen.simulation.population import population
from bids_deeptaskgen.simulation.resting_state import RestRun, RestSettings, make_rest_run

REGION_SIGMA_MM = 10.0
REGION_RADIUS_MM = 24.0
# How people differ: where their regions are, and how strong.
DISPLACEMENT_MM = 5.5
DISPLACEMENT_FWHM_MM = 20.0
STRENGTH_SPREAD = 0.4
NOISE_FWHM_MM = 8.0
DEFAULT_NOISE = 0.8
# Streams of random numbers of a person, each for one purpose.
_SHAPE, _TASK, _REST, _ABOUT = range(4)


@dataclass(frozen=True, eq=False)
class Participant:
    """A simulated person.

    Attributes
    ----------
    seed : int
        Seed of the cohort.
    index : int
        Which person of it, from 0.
    anatomy : Anatomy
        Voxels on which all arrays are given.
    topography : array of shape (n_networks, n_voxels), float32
        How much of each network is in each voxel.
    """

    seed: int
    index: int
    anatomy: Anatomy
    topography: Array

    @one_thread()
    def statmaps(self, noise: float = DEFAULT_NOISE, *, session: int = 0) -> Array:
        """Measure the task maps.

        Parameters
        ----------
        noise : float
            SD of the smooth noise in units of each map's own SD in the brain; 0 gives the true maps.
        session : int
            The noise of another session is another; the rest stays.

        Returns
        -------
        array of shape (n_contrasts, n_voxels), float32
            In units of z, 0 outside the brain.
        """
        inside = self.anatomy.inside
        maps: Array = population().weights.astype(np.float32) @ self.topography
        if noise:
            rng = participant_rng(self.seed, self.index, _TASK, session)
            fields = _fields(self.anatomy.grid, NOISE_FWHM_MM)
            for statmap in maps:
                statmap += noise * statmap[inside].std() * fields.draw(rng, 1)[0, self.anatomy.head]
        return maps * inside

    def rest_run(self, settings: RestSettings, *, session: int = 0, run: int = 0) -> RestRun:
        """Prepare a resting-state run; its volumes are made when they are asked for.

        Parameters
        ----------
        settings : RestSettings
            Length, repetition time and artefacts.
        session, run : int
            Other sessions and runs have other signals of the same networks.

        Returns
        -------
        RestRun
        """
        rng = participant_rng(self.seed, self.index, _REST, session, run)
        return make_rest_run(self.anatomy, self.topography, population().mixing, settings, rng)

    def rest_blocks(
        self, settings: RestSettings, *, session: int = 0, run: int = 0, n_block: int = 16
    ) -> Iterator[Array]:
        """Yield a resting-state run in blocks of shape (n_block or fewer, n_voxels), float32."""
        return self.rest_run(settings, session=session, run=run).blocks(n_block)


def participant_rng(seed: int, index: int, *purpose: int) -> np.random.Generator:
    """Give a person's stream of random numbers for a purpose, whoever else is simulated."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(index, *purpose))))


def simulated_age_and_sex(seed: int, index: int) -> tuple[int, str]:
    """Give a person's age in years and sex (``F`` or ``M``); they shape nothing else."""
    rng = participant_rng(seed, index, _ABOUT)
    return int(rng.integers(22, 37)), str(rng.choice(["F", "M"]))


@cache
def _fields(grid: Grid, fwhm_mm: float) -> SmoothFields:
    return SmoothFields(grid, fwhm_mm)


@one_thread()
def simulate_participant(
    seed: int, index: int, *, grid: Grid = MODEL_GRID, margin: bool = False
) -> Participant:
    """Draw a person of the population.

    Parameters
    ----------
    seed : int
        Seed of the cohort, 0 or more.
    index : int
        Which person of it, from 0; nobody depends on how many others there are.
    grid : Grid
        Points of the 2 mm MNI152 grid, or every n-th of them. The same person on another grid has the same
        topography at the same points.
    margin : bool
        Simulate what is around the brain too.

    Returns
    -------
    Person
    """
    where = anatomy(grid, margin=margin)
    rng = participant_rng(seed, index, _SHAPE)
    participants = population()
    displacement = DISPLACEMENT_MM * _fields(grid, DISPLACEMENT_FWHM_MM).draw(rng, 3)
    strength = participants.strength * rng.lognormal(0, STRENGTH_SPREAD, len(participants.strength))
    return Participant(seed, index, where, _topography(where, displacement, strength))


def _topography(where: Anatomy, displacement: Array, strength: Array) -> Array:
    """Draw each region as a Gaussian around its centre, in coordinates that a person's displacement bends."""
    participants = population()
    axes = tuple(axis.astype(np.float32) for axis in axes_mm(where.grid))
    topography = np.empty((participants.n_networks, where.n_voxels), np.float32)
    for network, row in enumerate(topography):
        volume = np.zeros(where.grid.shape, np.float32)
        for region in np.flatnonzero(participants.network == network):
            centre = participants.points_mm[region].astype(np.float32)
            box = box_around(centre, axes, REGION_RADIUS_MM + 3 * DISPLACEMENT_MM)
            dx, dy, dz = (axis[span] - c for axis, span, c in zip(axes, box, centre, strict=True))
            offset = displacement[(slice(None), *box)]
            squared = (
                (dx[:, None, None] + offset[0]) ** 2 + (dy[:, None] + offset[1]) ** 2 + (dz + offset[2]) ** 2
            )
            volume[box] += np.float32(strength[region]) * truncated_gaussian(
                squared, REGION_SIGMA_MM, REGION_RADIUS_MM
            )
        # Regions that overlap do not add up without bound.
        row[:] = (volume / (1 + 0.5 * volume))[where.head]
    # Signal comes from grey matter above all, which is what makes the maps follow the folds.
    topography *= where.inside * (0.2 + 0.8 * where.grey)
    return topography
