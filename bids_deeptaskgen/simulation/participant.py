"""Simulated participants, whose individual network topographies shape their rest and their task maps.

The method relies on this: a participant's regions are displaced equally at rest and in tasks.
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
# Differences between participants: places and strengths of their regions.
DISPLACEMENT_MM = 5.5
DISPLACEMENT_FWHM_MM = 20.0
STRENGTH_SPREAD = 0.4
NOISE_FWHM_MM = 8.0
DEFAULT_NOISE = 0.8
# Streams of a participant's random numbers, one for each purpose.
_SHAPE, _TASK, _REST, _TRAITS = range(4)


@dataclass(frozen=True, eq=False)
class Participant:
    """A simulated participant.

    Attributes
    ----------
    seed : int
        Seed of the cohort.
    index : int
        Index of the participant, from 0.
    anatomy : Anatomy
        Voxels of all arrays.
    topography : array of shape (n_networks, n_voxels), float32
        Share of each network in each voxel.
    """

    seed: int
    index: int
    anatomy: Anatomy
    topography: Array

    @one_thread()
    def statmaps(self, noise: float = DEFAULT_NOISE, *, session: int = 0) -> Array:
        """Simulate the measured maps.

        Parameters
        ----------
        noise : float
            SD of the smooth noise in units of each map's own SD in the brain; 0 gives the true maps.
        session : int
            Sessions differ in their noise only.

        Returns
        -------
        array of shape (n_contrasts, n_voxels), float32
            In units of z, 0 outside the brain.
        """
        brain = self.anatomy.in_brain
        maps: Array = population().weights.astype(np.float32) @ self.topography
        if noise:
            rng = participant_rng(self.seed, self.index, _TASK, session)
            fields = _fields(self.anatomy.grid, NOISE_FWHM_MM)
            for statmap in maps:
                statmap += noise * statmap[brain].std() * fields.draw(rng, 1)[0, self.anatomy.head]
        return maps * brain

    def rest_run(self, settings: RestSettings, *, session: int = 0, run: int = 0) -> RestRun:
        """Prepare a resting-state run; `RestRun.blocks` simulates its volumes.

        Parameters
        ----------
        settings : RestSettings
            Length, repetition time and artefacts.
        session, run : int
            Sessions and runs have different signals of the same networks.

        Returns
        -------
        RestRun
        """
        rng = participant_rng(self.seed, self.index, _REST, session, run)
        return make_rest_run(self.anatomy, self.topography, population().mixing, settings, rng)

    def rest_blocks(
        self, settings: RestSettings, *, session: int = 0, run: int = 0, n_block: int = 16
    ) -> Iterator[Array]:
        """Simulate a resting-state run in blocks.

        Parameters
        ----------
        settings : RestSettings
        session, run : int
        n_block : int
            Volumes per block.

        Yields
        ------
        array of shape (n_block or fewer, n_voxels), float32
        """
        return self.rest_run(settings, session=session, run=run).blocks(n_block)


def participant_rng(seed: int, index: int, *purpose: int) -> np.random.Generator:
    """Create a participant's generator of random numbers, independent of all other participants.

    Parameters
    ----------
    seed : int
        Seed of the cohort.
    index : int
        Index of the participant.
    *purpose : int
        Key of the stream.

    Returns
    -------
    Generator
    """
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(index, *purpose))))


def simulated_age_and_sex(seed: int, index: int) -> tuple[int, str]:
    """Draw a participant's age and sex, which have no effect on the images.

    Parameters
    ----------
    seed : int
        Seed of the cohort.
    index : int
        Index of the participant.

    Returns
    -------
    age : int
        In years.
    sex : {"F", "M"}
    """
    rng = participant_rng(seed, index, _TRAITS)
    return int(rng.integers(22, 37)), str(rng.choice(["F", "M"]))


@cache
def _fields(grid: Grid, fwhm_mm: float) -> SmoothFields:
    return SmoothFields(grid, fwhm_mm)


@one_thread()
def simulate_participant(
    seed: int, index: int, *, grid: Grid = MODEL_GRID, margin: bool = False
) -> Participant:
    """Simulate a participant of the population.

    Parameters
    ----------
    seed : int
        Seed of the cohort, 0 or more.
    index : int
        Index of the participant, from 0; independent of the number of participants.
    grid : Grid
        Points of the 2 mm MNI152 grid, or every n-th of them. The same participant on another grid has
        the same topography at the same points.
    margin : bool
        Whether to simulate the surroundings of the brain too.

    Returns
    -------
    Participant
    """
    head_anatomy = anatomy(grid, margin=margin)
    rng = participant_rng(seed, index, _SHAPE)
    participants = population()
    displacement = DISPLACEMENT_MM * _fields(grid, DISPLACEMENT_FWHM_MM).draw(rng, 3)
    strength = participants.strength * rng.lognormal(0, STRENGTH_SPREAD, len(participants.strength))
    return Participant(seed, index, head_anatomy, _topography(head_anatomy, displacement, strength))


def _topography(anatomy: Anatomy, displacement: Array, strength: Array) -> Array:
    """Sum Gaussians around the regions' centres, in coordinates warped by the participant's displacement."""
    participants = population()
    axes = tuple(axis.astype(np.float32) for axis in axes_mm(anatomy.grid))
    topography = np.empty((participants.n_networks, anatomy.n_voxels), np.float32)
    for network, row in enumerate(topography):
        volume = np.zeros(anatomy.grid.shape, np.float32)
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
        row[:] = (volume / (1 + 0.5 * volume))[anatomy.head]
    # Signal comes mainly from grey matter, so the maps follow the cortical folds.
    topography *= anatomy.in_brain * (0.2 + 0.8 * anatomy.grey)
    return topography
